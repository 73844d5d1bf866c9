#!/usr/bin/env bash
# Line coverage of parsing and framing, and every branch of the decision on message length.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=.build-coverage
# What reads bytes of a peer: these tests cover it in the test process itself.
swift test --disable-xctest --enable-code-coverage --scratch-path "$scratch" \
  --filter '^(HTTPTests|CachingTests|TelemetryTests|MachineTests|ProxyTests)\.' </dev/null |
  sed -n '/Test run with/p; /recorded an issue/p; /error:/p'
python3 scripts/coverage.py "$(swift test --show-codecov-path --scratch-path "$scratch")"

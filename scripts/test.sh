#!/usr/bin/env bash
# Runs the tests: scripts/test.sh [options of swift test]
# The last line is Swift Testing's closing line. A run without a test is a failure here, because
# swift test itself exits 0 then.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests open sockets by the hundred.
ulimit -n "$(ulimit -H -n)" 2>/dev/null || true

# What CostTests measures: the release build, with the flags of `make build`, so that both share one build.
swift build -c release --static-swift-stdlib --product hit-cost

# All tests: then also a few rounds of `make torture`, with the debug build.
if [[ $# -eq 0 ]]; then
  python3 bench/torture.py --rounds 25 --seconds 12 --load 1.5 --pages 0.2 --larder .build/debug/larder
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A test that hangs ends the run, with the log of all that ran before it. Swift's tool passes SIGINT on.
limit=(timeout --foreground --signal=INT --kill-after=30 "${TEST_TIME_LIMIT:-45m}")

status=0
"${limit[@]}" swift test --disable-xctest "$@" </dev/null 2>&1 | tee "$log" || status=$?
[[ $status -eq 0 ]] || exit "$status"

tests=$(sed -n 's/.*Test run with \([0-9][0-9]*\) tests\{0,1\} .*passed.*/\1/p' "$log" | tail -n 1)
if [[ -z $tests || $tests -eq 0 ]]; then
  echo 'test: no test was run' >&2
  exit 1
fi

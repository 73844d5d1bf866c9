#!/usr/bin/env bash
# Puts the program that prints a crash's backtrace beside the release build, which runs it from there.
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
cp -u "$toolchain/../libexec/swift/linux/swift-backtrace-static" .build/release/ ||
  echo "The toolchain has no swift-backtrace-static: crashes will be logged without a backtrace." >&2

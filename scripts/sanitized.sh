#!/usr/bin/env bash
# Every test, and then mixed load, under a sanitizer: scripts/sanitized.sh address|thread [SECONDS]
# The last line says how many tests and how many requests there were. Ends with 1 upon any report of the
# sanitizer, from whichever process, upon any failure, and when there was no test or no request.
set -euo pipefail
cd "$(dirname "$0")/.."

sanitizer=${1:-} seconds=${2:-60}
case $sanitizer in
  address) scratch=.build-asan ;;
  thread) scratch=.build-tsan ;;
  *)
    echo 'usage: scripts/sanitized.sh address|thread [SECONDS]' >&2
    exit 2
    ;;
esac

# Reports go to files: those of programs that tests start would else be lost with their output.
reports=$PWD/$scratch/reports
rm -rf "$reports"
mkdir -p "$reports"
# Signals are left to the program: tests crash it on purpose, and that is no report. Leaks are looked for by the
# soak: Swift's runtime keeps some memory for good.
options="handle_segv=0:handle_abort=0:log_path=$reports/report"
export ASAN_OPTIONS="detect_leaks=0:$options" TSAN_OPTIONS="$options"

status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
scripts/test.sh --sanitize="$sanitizer" --scratch-path "$scratch" | tee "$log" || status=1
tests=$(sed -n 's/.*Test run with \([0-9][0-9]*\) tests\{0,1\} .*/\1/p' "$log" | tail -n 1)

echo "$seconds s of mixed load"
requests=$(python3 bench/sanitized.py "$scratch/debug/larder" "$seconds") || status=1

found=$(find "$reports" -type f -size +0)
if [[ -n $found ]]; then
  # One file may hold thousands of lines, and the first report is the one to look at.
  head -n 60 $found >&2
  status=1
fi
[[ ${tests:-0} -gt 0 && ${requests:-0} -gt 0 ]] || status=1
outcome=passed
[[ $status -eq 0 ]] || outcome=FAILED
count=$(wc -w <<<"$found")
echo "$sanitizer sanitizer: ${tests:-0} tests, ${requests:-0} requests, $count processes with reports: $outcome"
exit "$status"

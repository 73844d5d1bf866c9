#!/bin/sh
# Fuzzes what reads a peer's bytes, with libFuzzer and the address sanitizer.
#
#   fuzz/run.sh SECONDS [TARGET...]     for SECONDS each; all targets unless some are named
#
# Inputs that reach new code are kept in fuzz/corpus/TARGET beside the seeds (*.seed, which are committed;
# give a found input such a name to keep it for good). Ends with 1 if a target crashed; the input's path is
# printed.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-}
case $seconds in
'' | *[!0-9]*)
  echo "usage: fuzz/run.sh SECONDS [TARGET]...; targets are the Swift files in fuzz" >&2
  exit 2
  ;;
esac
shift
if [ $# -eq 0 ]; then
  for file in fuzz/*.swift; do
    target=$(basename "$file" .swift)
    [ "$target" = FuzzSupport ] || set -- "$@" "$target"
  done
fi

scratch=.build/fuzz
products=$scratch/release
sanitizers=-sanitize=fuzzer,address

# An executable target cannot be linked with the fuzzer: the libraries are built (with those that they
# import), each harness linked by hand.
for module in Storage Telemetry; do
  swift build -c release --scratch-path "$scratch" --target "$module" -Xswiftc "$sanitizers" -Xswiftc -g
done

# A backtracer that is started by a crash would hang; leaks are not looked for (the runtime has some of its
# own).
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0

newline='
'
summary=
failed=0
for target in "$@"; do
  [ -f "fuzz/$target.swift" ] || { echo "fuzz/run.sh: no target $target" >&2; exit 2; }
  # Bytes imports CLinux, whose module map is written by the build.
  swiftc -O -g $sanitizers -parse-as-library -module-name LarderFuzz -I "$products/Modules" \
    -Xcc -fmodule-map-file="$products/CLinux.build/module.modulemap" \
    -Xcc -fmodule-map-file=Sources/COpenSSL/module.modulemap \
    "fuzz/$target.swift" fuzz/FuzzSupport.swift \
    "$products"/Storage.build/*.o "$products"/Caching.build/*.o "$products"/Telemetry.build/*.o \
    "$products"/HTTP.build/*.o "$products"/Bytes.build/*.o "$products"/CLinux.build/*.o \
    -lcrypto -use-ld=lld -o "$scratch/fuzz-$target"
  mkdir -p "fuzz/corpus/$target"
  log=$scratch/$target.log
  echo "== $target: $seconds s"
  outcome=passed
  "$scratch/fuzz-$target" -max_total_time="$seconds" -timeout=10 -max_len=1024 -print_final_stats=1 \
    -dict=fuzz/http.dict -artifact_prefix="$scratch/crash-$target-" "fuzz/corpus/$target" \
    >"$log" 2>&1 || outcome=CRASHED
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  [ "${runs:-0}" -gt 0 ] || outcome=CRASHED # also before the first input
  if [ "$outcome" = CRASHED ]; then
    failed=1
    tail -n 40 "$log" >&2
    echo "fuzz/run.sh: $target crashed; see $log" >&2
  fi
  coverage=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)
  line=$(printf '%-10s %12s %10s   %s' "$target" "${runs:-0}" "${coverage#cov: }" "$outcome")
  summary=$summary$line$newline
done

printf '\n%-10s %12s %10s   %s\n%s' target inputs edges outcome "$summary"
exit $failed

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
  echo "usage: fuzz/run.sh SECONDS [request|response|chunked|fields|proxy|url|caching|json]..." >&2
  exit 2
  ;;
esac
shift
[ $# -gt 0 ] || set -- request response chunked fields proxy url caching json

scratch=.build/fuzz
products=$scratch/release
sanitizers=-sanitize=fuzzer,address

# An executable target cannot be linked with the fuzzer: the libraries are built (with those that they
# import), each harness linked by hand.
for module in Caching Telemetry; do
  swift build -c release --scratch-path "$scratch" --target "$module" -Xswiftc "$sanitizers" -Xswiftc -g
done

# A backtracer that is started by a crash would hang; leaks are not looked for (the runtime has some of its
# own).
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0

failed=0
for target in "$@"; do
  [ -f "fuzz/$target.swift" ] || { echo "fuzz/run.sh: no target $target" >&2; exit 2; }
  # Bytes imports CLinux, whose module map is written by the build.
  swiftc -O -g $sanitizers -parse-as-library -module-name LarderFuzz -I "$products/Modules" \
    -Xcc -fmodule-map-file="$products/CLinux.build/module.modulemap" \
    "fuzz/$target.swift" fuzz/FuzzSupport.swift \
    "$products"/Caching.build/*.o "$products"/Telemetry.build/*.o "$products"/HTTP.build/*.o \
    "$products"/Bytes.build/*.o "$products"/CLinux.build/*.o \
    -use-ld=lld -o "$scratch/fuzz-$target"
  mkdir -p "fuzz/corpus/$target"
  echo "== $target: $seconds s"
  if ! "$scratch/fuzz-$target" -max_total_time="$seconds" -timeout=10 -max_len=1024 -print_final_stats=1 \
    -dict=fuzz/http.dict -artifact_prefix="$scratch/crash-$target-" "fuzz/corpus/$target" \
    >"$scratch/$target.log" 2>&1; then
    failed=1
    tail -n 40 "$scratch/$target.log" >&2
    echo "fuzz/run.sh: $target crashed; see $scratch/$target.log" >&2
  else
    grep -E '^(stat::number_of_executed_units|stat::average_exec_per_sec|Done)' "$scratch/$target.log"
    grep -oE "cov: [0-9]+ ft: [0-9]+ corp: [^ ]+" "$scratch/$target.log" | tail -n 1
  fi
done
exit $failed

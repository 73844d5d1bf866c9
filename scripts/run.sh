#!/usr/bin/env bash
# Serves the release build, by default on :8080 before the embedded demo origin, with its cache in cache-data, and says
# what to try. LISTEN names another address, ARGS adds options, another --disk among them:
# make run LISTEN=:9000 ARGS='--backend 127.0.0.1:3000 --disk none'
set -euo pipefail
cd "$(dirname "$0")/.."

listen=${LISTEN:-:8080}
case $listen in
  :*) address=localhost$listen ;;
  *) address=$listen ;;
esac

cat <<TEXT
Try, in another terminal:
  curl -i $address/api/users            # X-Cache-Status: MISS, and HIT the second time
  curl -i -X PURGE $address/api/users   # forgets it
  curl -i $address/api/time             # says no-store: never kept
  curl -s localhost:8081/ready          # may it get traffic
  curl -s localhost:8081/metrics        # what has happened so far
  .build/release/larder cache ls        # what it has stored
Ctrl-C ends it; what is in cache-data is there after the next start.
TEXT

disk=(--disk cache-data)
[[ " ${ARGS:-}" != *" --disk"* ]] || disk=()

# ARGS is a list of words, by intent.
# shellcheck disable=SC2086
exec .build/release/larder serve --listen "$listen" "${disk[@]}" ${ARGS:-}

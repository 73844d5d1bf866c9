#!/usr/bin/env bash
# Installs what a step needs, on Debian and Ubuntu: scripts/setup.sh [build|test|fuzz|soak|torture|bench]
# Does nothing when all is there. Asks apt only for what is missing, as root or by sudo.
# The Swift toolchain is not in Debian: it is checked, and if it is missing one line says where it is.
set -euo pipefail

step=${1:-build}
headers=()
swift_needed=6.3
swift_source=https://www.swift.org/install/linux/

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

case $step in
  # The toolchain brings compiler and linker driver; these bring libc, libstdc++, the linker itself and libcrypto.
  build | fuzz) commands=(gcc ld ld.gold) packages=(build-essential libssl-dev) headers=(openssl/sha.h) ;;
  # promtool checks the metrics; the package brings the server too, which is not left running.
  test)
    commands=(gcc ld ld.gold promtool cc python3) packages=(build-essential libssl-dev prometheus python3)
    headers=(openssl/sha.h)
    ;;
  torture) commands=(cc python3) packages=(gcc libc6-dev python3) ;;
  # Load that is written in Python, for `make soak` and after the tests under a sanitizer.
  soak) commands=(taskset python3) packages=(util-linux python3) ;;
  # Also for `make goals`, which limits descriptors and rights.
  bench)
    commands=(nginx haproxy varnishd wrk h2load taskset prlimit setpriv cc python3)
    packages=(nginx haproxy varnish wrk nghttp2-client util-linux gcc libc6-dev python3)
    ;;
  *) fail "unknown step '$step': expected build, test, fuzz, soak, torture or bench" ;;
esac

# Debian keeps daemons in sbin, which a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin

check_swift() {
  command -v swift >/dev/null ||
    fail "no Swift toolchain: get $swift_needed or newer from $swift_source and put its bin folder into PATH"
  local text version
  text=$(swift --version 2>/dev/null) ||
    fail "'swift --version' fails: is the toolchain made for this system? See $swift_source"
  version=$(sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' <<<"$text" | head -n 1)
  [[ -n $version ]] || fail "cannot read the version from 'swift --version'"
  [[ $(printf '%s\n%s\n' "$swift_needed" "$version" | sort -V | head -n 1) == "$swift_needed" ]] ||
    fail "Swift $version is too old: get $swift_needed or newer from $swift_source"
}

what_is_missing() {
  local command
  for command in "${commands[@]}"; do
    command -v "$command" >/dev/null || printf '%s\n' "$command"
  done
  local header
  for header in "${headers[@]}"; do
    [[ -e /usr/include/$header ]] || printf '%s\n' "$header"
  done
}

# Runs a command as root: as it is, or by sudo, which may ask for a password only at a terminal.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@" </dev/null
  elif [[ -t 0 && -t 2 ]]; then
    sudo -- "$@"
  else
    sudo -n -- "$@" </dev/null
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2
}

# A daemon that Debian starts on installation would keep a core and a port from tests and measurements and
# from whoever else uses this machine. Only those that this run installed are stopped.
stop_started_services() {
  local service package
  for service in nginx haproxy varnish varnishncsa prometheus; do
    package=${service%ncsa}
    [[ " $* " == *" $package "* ]] || continue
    if [[ -d /run/systemd/system ]]; then
      as_root systemctl disable --now "$service" >/dev/null 2>&1 || true
    elif [[ -x /etc/init.d/$service ]]; then
      as_root service "$service" stop >/dev/null 2>&1 || true
    fi
  done
}

install_missing() {
  local missing=() absent=() package
  mapfile -t missing < <(what_is_missing)
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null ||
    fail "missing: ${missing[*]}. There is no apt-get here: install what Debian calls ${packages[*]}"
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null ||
    fail "missing: ${missing[*]}. Run as root, or install sudo, or run: apt-get install ${packages[*]}"
  # Since Debian 13 the gold linker, Swift's default, is a package of its own.
  if [[ " ${missing[*]} " == *" ld.gold "* ]]; then packages+=(binutils-gold); fi

  printf 'setup: installing for %s\n' "${missing[*]}" >&2
  apt update || fail "apt-get update failed, and these are missing: ${missing[*]}"
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
    # binutils-gold is known only to the releases that need it.
    if [[ $package == binutils-gold ]] && ! apt-cache show binutils-gold >/dev/null 2>&1; then continue; fi
    absent+=("$package")
  done
  if [[ ${#absent[@]} -gt 0 ]]; then
    apt install -y --no-install-recommends "${absent[@]}" || fail "apt-get install failed for: ${absent[*]}"
    stop_started_services "${absent[@]}"
  fi

  mapfile -t missing < <(what_is_missing)
  [[ ${#missing[@]} -eq 0 ]] || fail "still missing after apt-get install ${packages[*]}: ${missing[*]}"
}

if [[ $step != bench && $step != soak ]]; then check_swift; fi
install_missing

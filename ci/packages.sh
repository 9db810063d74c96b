#!/usr/bin/env bash
# Installs the Debian packages of programs that are missing.
#
#   ci/packages.sh PROGRAM=PACKAGE...
#
# Where it cannot (not root, no apt-get) it says what is missing and succeeds:
# what needs the program says so itself, and what does not need it goes on.
set -euo pipefail

find_missing() {
  missing=()
  for pair in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
}
find_missing "$@"
((${#missing[@]})) || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "packages: cannot install ${missing[*]}: this takes root and apt-get" >&2
  exit 0
fi

# Another run of this script may be installing the same.
exec 9>"${TMPDIR:-/tmp}/external-services-packages.lock"
flock 9
find_missing "$@"
((${#missing[@]})) || exit 0

export DEBIAN_FRONTEND=noninteractive
echo "packages: installing ${missing[*]}"
install() { apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "${missing[@]}" </dev/null; }
# The package lists of a fresh machine are empty or old.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install >"$log" 2>&1 || { apt-get update -q >"$log" 2>&1 && install >>"$log" 2>&1; } || {
  cat "$log" >&2
  echo "packages: apt-get could not install ${missing[*]}" >&2
  exit 1
}

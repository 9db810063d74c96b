#!/usr/bin/env bash
# Builds the images of the tests' pods, unless that is done, from what make has built and
# what Debian's packages have installed. Prints their names.
#
#   client    a client: BusyBox, the MariaDB client, the programs probe and extsvc
#   server    a server that a Deployment runs: the program probe
#   busybox   what helm test runs in
source "$(dirname "$0")/lib.sh"
use_docker
mkdir -p "$state"
PATH=$PATH:/usr/sbin

programs=("$root/.bin/probe" "$root/.bin/extsvc")
for program in busybox mariadb catatonit; do
  programs+=("$(readlink -f "$(command -v "$program")")") || fail "$program is not installed: run make test-kind"
done
tag=$(key "" "${BASH_SOURCE[0]}" "${programs[@]}")
images=(external-services/kind-{client,server,busybox}:"$tag")
missing=
for image in "${images[@]}"; do docker image inspect "$image" >/dev/null 2>&1 || missing=1; done
if [ "$missing" ]; then
  work=$(mktemp -d "$state/images.XXXXXX")
  trap 'rm -rf "$work"' EXIT

  # add FOLDER PROGRAM... puts programs there, at the paths that they have here, and the
  # libraries that they are linked with.
  add() {
    local folder=$work/$1 file
    shift
    for program in "$@"; do
      # A static one has no libraries, and ldd fails.
      { echo "$program" && { ldd "$program" 2>/dev/null || true; } | sed -n 's,^[^/]*\(/[^ ]*\).*,\1,p'; } | while read -r file; do
        # A library may be found by a link.
        install -D "$file" "$folder$file"
      done
    done
  }
  # image NAME FILE... builds an image from a folder of the same name.
  image() {
    mkdir -p "$work/$1"/{tmp,etc}
    chmod 1777 "$work/$1/tmp"
    echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >"$work/$1/etc/passwd"
    docker build --quiet --tag "external-services/kind-$1:$tag" --file - "$work/$1" >/dev/null 2>"$work/log" <<<"$2" || { cat "$work/log" >&2 && exit 1; }
  }
  busybox=$(readlink -f "$(command -v busybox)")
  for name in client busybox; do
    add "$name" "$busybox"
    mkdir -p "$work/$name/bin"
    for applet in $("$busybox" --list); do ln -s "$busybox" "$work/$name/bin/$applet" 2>/dev/null || true; done
  done
  pause=$(readlink -f "$(command -v catatonit)")
  add client "$(command -v mariadb)" "$pause" "$root/.bin/probe" "$root/.bin/extsvc"
  add server "$root/.bin/probe"
  path="ENV PATH=/bin"
  image client $'FROM scratch\nCOPY . /\n'"$path"$'\nUSER 65534\nENTRYPOINT ["'"$pause"'", "-P"]'
  image server $'FROM scratch\nCOPY . /\nUSER 65534'
  image busybox $'FROM scratch\nCOPY . /\n'"$path"$'\nCMD ["sh"]'
  remove_others "${images[@]}"
fi
printf '%s\n' "${images[@]}"

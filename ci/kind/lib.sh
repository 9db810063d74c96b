# shellcheck shell=bash disable=SC2034 # the scripts use what is set here
# What the scripts of this folder share. They source it; nothing runs it.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
node_image=${KIND_NODE_IMAGE:-}
# shellcheck source=../versions.env
source "$root/ci/versions.env"
KIND_NODE_IMAGE=${node_image:-$KIND_NODE_IMAGE}
export CGO_ENABLED=0

# What is kept between runs, and what goes with a run. A socket's path has to be short.
state=$root/.bin/kind.d
run=/run/external-services-kind

# The names on the machine of everything that these scripts make.
cluster=external-services
network=external-services-kind
bridge=es-kind0
netns=es-kind

# The classic builder is part of every docker, while BuildKit is a package of its own.
export DOCKER_BUILDKIT=0
export KIND_EXPERIMENTAL_DOCKER_NETWORK=$network

# say tells about progress: the output of some scripts is a name.
say() { echo "kind: $*" >&2; }

fail() {
  echo "kind: $*" >&2
  exit 1
}

# step WHAT COMMAND... runs a step and prints what it took.
times=()
step() {
  local what=$1 start=$SECONDS
  shift
  echo "==> $what"
  "$@"
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$what")")
}

print_times() {
  ((${#times[@]})) || return 0
  echo "==> time per step"
  printf '%s\n' "${times[@]}"
}

quietly() { "$root/ci/progress.sh" "$@"; }

# use_docker finds the daemon that docker.sh started, or else the machine's.
use_docker() {
  if [ -S "$run/docker.sock" ]; then export DOCKER_HOST=unix://$run/docker.sock; fi
}

# in_network COMMAND... runs a command where the docker network is: the daemon of
# docker.sh has a network namespace of its own.
in_network() {
  if [ -S "$run/docker.sock" ]; then
    nsenter --net="/run/netns/$netns" "$@"
  else
    "$@"
  fi
}

# key TEXT... FILE... is a hash that names what is built from them.
key() { { printf '%s\n' "$1" && shift && cat "$@"; } | sha256sum | cut -c1-12; }

# embedded NAME prints the path of a binary of the embedded cluster: components, or
# kubernetes of the older version. The binary has a hash of what it is built from in its name.
embedded() {
  [ -x "$root/.bin/cluster" ] || fail ".bin/cluster is not built: run make test-kind or make kind-node-image"
  "$root/.bin/cluster" build --kubernetes "$KUBERNETES_OLDEST_VERSION" | sed -n "s,^\\(.*/$1-[^:]*\\): .*,\\1,p"
}

# remove_others IMAGE... removes what these images replace: their repositories' other images.
remove_others() {
  local kept=" $* " image name
  for image in "$@"; do
    for name in $(docker images --format '{{.Repository}}:{{.Tag}}' "${image%:*}"); do
      [[ $kept == *" $name "* ]] || docker rmi "$name" >/dev/null
    done
  done
}

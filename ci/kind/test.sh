#!/usr/bin/env bash
# Runs the cluster tests on real kind clusters: make test-kind. It leaves nothing behind
# but the images, which the next run uses again.
#
#   ci/kind/test.sh           a plain cluster, and a dual-stack one where the kernel has IPv6
#   ci/kind/test.sh image     the node image only
#   ci/kind/test.sh start     the plain cluster up and down, for the time that this takes
#   ci/kind/test.sh check     says what is missing for the tests, and exits with 1 then
#   ci/kind/test.sh clean     takes down what a run has left, and removes the images
source "$(dirname "$0")/lib.sh"
scripts=$root/ci/kind
lock=${TMPDIR:-/tmp}/external-services-kind.lock

# What is needed for the guard, the networks of hosts outside, and building images.
check() {
  [ "$(uname -s)" = Linux ] || fail "this takes Linux"
  [ "$(id -u)" = 0 ] || fail "this takes root: it makes firewall rules, and runs programs in the networks of containers"
  "$scripts/docker.sh" check
  local free
  free=$(df --output=avail --block-size=1M "$root" | tail -n 1)
  ((free > 8192)) || fail "this takes 8 GiB of free space, and $root has $((free / 1024)) GiB"
}

# clean_up ends a run, also an interrupted one.
clean_up() {
  local code=$?
  trap '' INT TERM
  if ((code)); then
    echo "kind: failed with exit code $code; cleaning up" >&2
    if [ -s "$state/kubeconfig" ]; then
      "$root/.bin/kind" export logs "$state/logs" --name "$cluster" >/dev/null 2>&1 && echo "kind: the logs of the node are in $state/logs" >&2
    fi
  fi
  "$scripts/cluster.sh" down || code=1
  "$scripts/docker.sh" stop || code=1
  print_times
  exit "$code"
}

# choose_image takes the published node image where images can be pulled, and one that is
# built here where not.
choose_image() {
  if docker image inspect "$KIND_NODE_IMAGE" >/dev/null 2>&1 || pull; then
    image=$KIND_NODE_IMAGE
  else
    say "no published node image can be had: building one"
    image=$("$scripts/node-image.sh")
  fi
  say "node image: $image"
}

# pull pulls the node image, unless the daemon is our own, which has no way out.
pull() {
  [ -z "${DOCKER_HOST:-}" ] || [ "$DOCKER_HOST" != "unix://$run/docker.sock" ] || return 1
  quietly "pulling $KIND_NODE_IMAGE" timeout 600 docker pull "$KIND_NODE_IMAGE"
}

compile() {
  # Where the tests run there may be no way to download a module.
  quietly "the tests" go test -c -o "$state/cluster.test" "$root/tests/cluster"
}

# run_tests PATTERN runs tests of tests/cluster, by their names. Those that are about the
# API alone are left out, unless ALL is set.
short=true
if [ "${ALL:-}" ]; then short=false; fi
run_tests() {
  in_network env -C "$root/tests/cluster" EXTERNAL_SERVICES_KIND="$run/cluster.json" "$state/cluster.test" \
    -test.timeout 20m -test.v "-test.short=$short" -test.run "$1" | { grep --line-buffered -v -e '^=== ' -e '^ *--- PASS: [^ ]*/' || true; }
  "$scripts/cluster.sh" check-proxy
}

# The files of ci map what exists nowhere, so that chart-testing leaves the Pod of helm
# test out; TestHelmTest runs it.
chart_testing() {
  local programs namespace file
  programs=$("$scripts/programs.sh" kubectl)
  # The files name these, and a release does not make namespaces.
  for namespace in apps apps-two; do
    in_network "$programs/kubectl" --kubeconfig "$state/kubeconfig" create namespace "$namespace" 2>/dev/null ||
      in_network "$programs/kubectl" --kubeconfig "$state/kubeconfig" get namespace "$namespace"
  done
  in_network env -C "$root" KUBECONFIG="$state/kubeconfig" PATH="$root/.bin:$programs:$PATH" \
    "$root/.bin/ct" install --config ct.yaml --helm-extra-set-args --set=tests.enabled=false >"$state/ct.log" 2>&1 || {
    tail -n 50 "$state/ct.log" >&2
    fail "chart-testing failed"
  }
  for file in "$root"/charts/external-services/ci/*-values.yaml; do
    grep "^Installing chart with values file .*/${file##*/}" "$state/ct.log" || fail "chart-testing has not installed ${file##*/}"
  done
}

# begin readies a run, and its end.
begin() {
  check
  mkdir -p "$state"
  # One run a machine: the names are the same for each.
  exec 9>"$lock"
  flock --nonblock 9 || { say "another run uses kind: waiting for its end" && flock 9; }
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  step "Docker" "$scripts/docker.sh" start
  use_docker
}

build_image() {
  begin
  step "node image" "$scripts/node-image.sh"
}

clean() {
  exec 9>"$lock"
  flock --nonblock 9 || fail "another run uses kind: wait for its end, or end it"
  if [ -d "$run" ]; then
    "$scripts/cluster.sh" down
    "$scripts/docker.sh" stop
  fi
  if docker version >/dev/null 2>&1; then
    docker images --format '{{.Repository}}:{{.Tag}}' 'external-services/kind-*' | xargs --no-run-if-empty docker rmi
  fi
  rm -rf "$state"
}

# resolver_image makes the image of the resolver from the program that make has built. ci/image.sh compiles the
# released one, which takes minutes.
resolver_image() {
  "$root/.bin/image" build -name resolver -version "$(sed -n 's/^version: //p' "$root/charts/external-services/Chart.yaml")" \
    -licenses "$root/charts/external-services/LICENSE" \
    "$state" "linux/$(go env GOARCH)=$root/.bin/resolver"
}

# ready readies a run that makes clusters.
ready() {
  begin
  step "node image" choose_image
  step "images of the tests" quietly "images of the tests" "$scripts/test-images.sh"
  step "image of the resolver" resolver_image
}

# start is for make bench, which reads what the steps took.
start() {
  ready
  step "plain cluster: up" "$scripts/cluster.sh" up "$image"
  step "plain cluster: down" "$scripts/cluster.sh" down
}

test_all() {
  ready
  step "compiling the tests" compile
  step "plain cluster: up" "$scripts/cluster.sh" up "$image"
  step "plain cluster: tests" run_tests .
  step "plain cluster: ct install" chart_testing
  step "plain cluster: down" "$scripts/cluster.sh" down
  if [ -e /proc/net/if_inet6 ]; then
    step "dual-stack cluster: up" "$scripts/cluster.sh" up "$image" dual-stack
    step "dual-stack cluster: tests" run_tests '^(TestDualStack|TestHeadlessDNS|TestCheckOfAHealthyRelease|TestScenarios|TestPlan|TestChangesThatALiveServiceDoesNotTake)$'
    if [ "${ALL:-}" ]; then step "dual-stack cluster: article and migration" run_tests '^(TestArticle|TestMigration)$'; fi
  else
    say "NOT PROVEN: dual stack on kind, for this machine's kernel has no IPv6"
  fi
}

case ${1:-} in
  '') test_all ;;
  image) build_image ;;
  start | check | clean) "$1" ;;
  *) fail "usage: ci/kind/test.sh [image|start|check|clean]" ;;
esac

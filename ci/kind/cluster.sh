#!/usr/bin/env bash
# Makes the kind cluster of the tests, and what is around it.
#
#   ci/kind/cluster.sh up NODE-IMAGE [dual-stack]
#   ci/kind/cluster.sh down
#   ci/kind/cluster.sh check-guard|check-proxy   fails where one of them does not work
#
# NODE-IMAGE is one that node-image.sh has built, or a published one. The nodes get the images of
# test-images.sh, and that of the resolver, which test.sh makes in .bin/kind.d. Around the cluster
# are a docker network, out of which nothing leads, and an outside host with the DNS
# server that the cluster asks for every name outside. Both go with it, and the kernel
# parameters that a node changes are as before.
source "$(dirname "$0")/lib.sh"
use_docker
kind=$root/.bin/kind
kubeconfig=$state/kubeconfig
names=$cluster-names
kubectl() { in_network "$("$root/ci/kind/programs.sh" kubectl)/kubectl" --kubeconfig "$kubeconfig" "$@"; }

# What a node changes of the kernel that it shares with this machine: the kubelet sets
# the first five, kube-proxy the last ones where it may.
parameters=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes
  net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_tcp_timeout_close_wait)
parameters_before=$run/kernel-parameters

save_parameters() {
  # An earlier run that was killed may have left its own.
  [ -f "$parameters_before" ] && return
  local name
  for name in "${parameters[@]}"; do
    if [ -r "/proc/sys/${name//.//}" ]; then echo "$name $(cat "/proc/sys/${name//.//}")"; fi
  done >"$parameters_before"
}

restore_parameters() {
  [ -f "$parameters_before" ] || return 0
  local name value
  while read -r name value; do
    if [ "$(cat "/proc/sys/${name//.//}")" != "$value" ]; then
      echo "$value" >"/proc/sys/${name//.//}"
      say "$name is $value again"
    fi
  done <"$parameters_before"
  rm "$parameters_before"
}

# The rule rejects what the network forwards to anywhere else: a kube-proxy that does not
# work lets connections to Services leave the node by its default route.
guard() {
  local program
  for program in iptables ip6tables; do
    in_network "$program" --wait "$1" FORWARD ${2:+"$2"} --in-interface "$bridge" ! --out-interface "$bridge" \
      --match comment --comment "$network" --jump REJECT
  done
}

unguard() {
  while guard --delete 2>/dev/null; do :; done
}

make_network() {
  local options=()
  if [ -e /proc/net/if_inet6 ]; then options=(--ipv6 --subnet fd00:e5::/64); fi
  docker network create --driver bridge --opt "com.docker.network.bridge.name=$bridge" \
    --opt com.docker.network.bridge.enable_ip_masquerade=false "${options[@]}" "$network" >/dev/null
}

# make_names starts the DNS server outside, with the names of the file hosts.
make_names() {
  local client components
  client=$("$root/ci/kind/test-images.sh" | grep -- -client:)
  docker run --detach --name "$names" --network "$network" --label "$network" "$client" >/dev/null
  mkdir -p "$run/names"
  : >"$run/names/hosts"
  # The plugin hosts cannot say that a name does not exist, and a zone without names can.
  echo '@ 5 IN SOA names.invalid. hostmaster.invalid. 1 3600 600 86400 1' >"$run/names/no-names.zone"
  cat >"$run/names/Corefile" <<COREFILE
. {
    errors
    hosts $run/names/hosts . {
        ttl 5
        reload 200ms
        fallthrough
    }
    file $run/names/no-names.zone .
}
COREFILE
  components=$(embedded components)
  setsid nsenter --net="/proc/$(docker inspect --format '{{.State.Pid}}' "$names")/ns/net" \
    "$components" coredns -conf "$run/names/Corefile" </dev/null >"$run/names/log" 2>&1 9>&- &
}

# configure_names makes the cluster ask that server, and it alone. Answers live for 5 s,
# as in the embedded cluster.
configure_names() {
  local address
  address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$names")
  kubectl --namespace kube-system create configmap coredns --dry-run=client --output yaml --from-literal "Corefile=.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 5
    }
    forward . $address
    cache 5 {
       disable denial
    }
    loop
    reload
    loadbalance
}
" | kubectl replace --filename - >/dev/null
  kubectl --namespace kube-system rollout restart deployment/coredns >/dev/null
  kubectl --namespace kube-system scale deployment/coredns --replicas 1 >/dev/null
}

up() {
  local image=$1 config=$root/ci/kind/cluster${2:+-$2}.yaml client
  mkdir -p "$run" "$state"
  down
  save_parameters
  make_network
  guard --insert 1
  make_names
  # Published images have a network for pods, those of node-image.sh bring the simplest one.
  if [[ $image == external-services/* ]]; then
    sed 's/^networking:$/&\n  disableDefaultCNI: true/' "$config" >"$run/cluster.yaml"
    config=$run/cluster.yaml
  fi
  in_network "$kind" create cluster --name "$cluster" --image "$image" --config "$config" --kubeconfig "$kubeconfig" --quiet || {
    mkdir -p "$state/logs"
    "$kind" export logs "$state/logs" --name "$cluster" >/dev/null 2>&1 || true
    fail "the cluster did not start: what its node says is in $state/logs"
  }
  configure_names
  # shellcheck disable=SC2046 # names of images have no spaces
  "$kind" load docker-image --name "$cluster" $("$root/ci/kind/test-images.sh") 2>&1 | grep -v -e 'not yet present' >&2 || true
  # It has the name that the chart has by default.
  "$kind" load image-archive --name "$cluster" "$state/resolver-image.tar"
  kubectl wait --for condition=Ready node --all --timeout 2m >/dev/null
  kubectl --namespace kube-system rollout status deployment/coredns --timeout 2m >/dev/null
  kubectl --namespace kube-system rollout status daemonset/kube-proxy --timeout 2m >/dev/null
  describe "$([ "${2:-}" = dual-stack ] && echo true || echo false)"
  check_guard
  say "the cluster is ready: $(kubectl version --output json | sed -n '/serverVersion/,/}/s/.*"gitVersion": "\(.*\)".*/Kubernetes \1/p'), $(kubectl get --namespace kube-system configmap kube-proxy --output yaml | sed -n 's/^ *mode: /kube-proxy with /p')"
}

# describe writes down for the tests what there is (tests/internal/kind).
describe() {
  local images nodes
  mapfile -t images < <("$root/ci/kind/test-images.sh")
  mapfile -t nodes < <("$kind" get nodes --name "$cluster" 2>/dev/null)
  jq --null-input --arg kubeconfig "$kubeconfig" --arg kubectl "$("$root/ci/kind/programs.sh" kubectl)/kubectl" --arg network "$network" \
    --arg names "$run/names/hosts" --arg directory "$run" --argjson ipv6 "$1" \
    --arg client "${images[0]}" --arg server "${images[1]}" --arg busybox "${images[2]}" \
    --args '{$kubeconfig, $kubectl, $network, nodes: $ARGS.positional, $names, $directory, $ipv6, $client, $server, $busybox}' \
    "${nodes[@]}" >"$run/cluster.json"
}

# check_guard tries to leave the network, to an address that nobody has (RFC 5737): what
# is rejected fails at once, and what leaves gets no answer.
check_guard() {
  local node code
  for node in $("$kind" get nodes --name "$cluster"); do
    code=0
    docker exec "$node" timeout 10 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' 2>/dev/null || code=$?
    if ((code != 1)); then # 0: it was let out, 124: no answer came
      fail "a packet of $node was let out of the network $network: the rule against it does not work"
    fi
  done
}

# check_proxy fails where kube-proxy could not write its rules.
check_proxy() {
  local log
  log=$(kubectl --namespace kube-system logs daemonset/kube-proxy --tail=-1)
  if grep -i 'sync failed' <<<"$log" >&2; then
    fail "kube-proxy could not write its rules, so nothing that was tested can be trusted"
  fi
}

# end_programs ends the programs of this machine that run in the network of a container
# of a host outside.
end_programs() {
  local pid network process
  pid=$(docker inspect --format '{{.State.Pid}}' "$1")
  [ "$pid" != 0 ] || return 0
  network=$(readlink "/proc/$pid/ns/net")
  for process in /proc/[0-9]*; do
    if [ "$process" != "/proc/$pid" ] && [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$network" ]; then
      kill -KILL "${process#/proc/}" 2>/dev/null || true
    fi
  done
}

down() {
  docker version >/dev/null 2>&1 || { restore_parameters && return; }
  if "$kind" get clusters 2>/dev/null | grep -qx "$cluster"; then
    in_network "$kind" delete cluster --name "$cluster" --kubeconfig "$kubeconfig" --quiet
  fi
  local containers container
  containers=$(docker ps --all --quiet --filter "label=$network")
  for container in $containers; do end_programs "$container"; done
  # shellcheck disable=SC2086 # one word each
  if [ -n "$containers" ]; then docker rm --force --volumes $containers >/dev/null; fi
  if docker network inspect "$network" >/dev/null 2>&1; then docker network rm "$network" >/dev/null; fi
  unguard
  restore_parameters
  rm -rf "$run/names" "$run/cluster.yaml" "$run/cluster.json" "$run"/tests-* "$kubeconfig"
}

case ${1:-} in
  up) up "${@:2}" ;;
  down) down ;;
  check-guard) check_guard ;;
  check-proxy) check_proxy ;;
  *) fail "usage: ci/kind/cluster.sh up NODE-IMAGE [dual-stack] | down | check-guard | check-proxy" ;;
esac

#!/usr/bin/env bash
# Finds a Docker daemon, or starts one.
#
#   ci/kind/docker.sh start    uses the daemon that answers, or else starts one of its own
#   ci/kind/docker.sh stop     ends the one that start has started, and what it made
#   ci/kind/docker.sh check    says what start would lack
#
# The daemon of its own has its own socket, its data in .bin/kind.d/docker, and a network
# namespace: its bridges, firewall rules and kernel parameters of the network are
# there, and the machine's stay as they are. The way out of that namespace leads nowhere.
source "$(dirname "$0")/lib.sh"

answers() { docker version >/dev/null 2>&1; }

check() {
  if command -v docker >/dev/null && answers; then return; fi
  [ "$(id -u)" = 0 ] || fail "no Docker daemon answers, and starting one takes root: start Docker, or run this as root"
  command -v dockerd >/dev/null || command -v apt-get >/dev/null ||
    fail "no Docker daemon answers, and there is no dockerd and no apt-get to install one: install Docker"
}

start() {
  check
  if command -v docker >/dev/null && answers; then
    say "using the Docker daemon that answers, $(docker version --format '{{.Server.Version}}')"
    return
  fi
  stop
  install_docker
  mkdir -p "$run" "$state/docker"
  ip netns add "$netns"
  ip -n "$netns" link set lo up
  # A way out as a machine has one, but into nothing.
  ip -n "$netns" link add out type veth peer name nowhere
  ip -n "$netns" link set out up
  ip -n "$netns" link set nowhere up
  ip -n "$netns" neighbour add 169.254.1.1 lladdr 02:00:00:00:00:01 dev out
  ip -n "$netns" route add default via 169.254.1.1 dev out onlink
  local options=()
  if ! has_sys_resource; then
    # What asks for every capability asks for one that nobody here can have.
    options=(--add-runtime "limited=$root/ci/kind/runc-limited" --default-runtime limited)
  fi
  setsid nsenter --net="/run/netns/$netns" dockerd --host "unix://$run/docker.sock" --pidfile "$run/docker.pid" \
    --data-root "$state/docker" --exec-root "$run/exec" --bridge none \
    --default-address-pool base=172.30.0.0/16,size=24 --exec-opt native.cgroupdriver=cgroupfs "${options[@]}" \
    </dev/null >"$run/docker.log" 2>&1 9>&- &
  local deadline=$((SECONDS + 60))
  until DOCKER_HOST=unix://$run/docker.sock answers; do
    if ((SECONDS > deadline)) || ! kill -0 $! 2>/dev/null; then
      tail -n 30 "$run/docker.log" >&2
      fail "the Docker daemon did not start"
    fi
    sleep 0.2
  done
  say "no Docker daemon answered: started one, $(DOCKER_HOST=unix://$run/docker.sock docker version --format '{{.Server.Version}}')"
}

# install_docker installs Docker, and keeps Debian from starting its daemon, which would change
# the machine's network.
install_docker() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"; fi
  local code=0
  "$root/ci/packages.sh" docker=docker.io dockerd=docker.io iptables=iptables ip=iproute2 || code=$?
  if [ "$policy" ]; then rm "$policy"; fi
  return "$code"
}

# has_sys_resource says whether this machine's processes may have CAP_SYS_RESOURCE, number 24.
has_sys_resource() { ((0x$(awk '/^CapBnd/ { print $2 }' /proc/self/status) >> 24 & 1)); }

stop() {
  [ -d "$run" ] || return 0
  # What a killed run has left, the kernel parameters for one, which are noted there.
  if [ -e "$run/kernel-parameters" ]; then "$root/ci/kind/cluster.sh" down; fi
  # The number of a daemon that was killed may be another process's by now.
  local pid
  pid=$(cat "$run/docker.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "--host unix://$run/docker.sock "; then
    kill "$pid"
    local deadline=$((SECONDS + 60))
    while kill -0 "$pid" 2>/dev/null; do
      ((SECONDS < deadline)) || fail "the Docker daemon, process $pid, does not end"
      sleep 0.2
    done
    say "stopped the Docker daemon"
  fi
  if [ -e "/run/netns/$netns" ]; then ip netns delete "$netns"; fi
  # What a killed daemon has left mounted.
  awk -v run="$run/" -v data="$state/docker/" 'index($2, run) == 1 || index($2, data) == 1 { print $2 }' /proc/mounts | sort -r |
    while read -r mount; do umount -l "$mount"; done
  rm -rf "$run"
}

case ${1:-} in
  start | stop | check) "$1" ;;
  *) fail "usage: ci/kind/docker.sh start|stop|check" ;;
esac

#!/usr/bin/env bash
# Builds programs of the embedded cluster's older Kubernetes that are not in its binary,
# unless that is done. Prints the folder that they are in.
#
#   ci/kind/programs.sh kubeadm|kubelet|kubectl|kube-scheduler|kube-controller-manager...
source "$(dirname "$0")/lib.sh"

version=$KUBERNETES_OLDEST_VERSION
kubernetes=$(embedded kubernetes)
programs=$state/programs-${kubernetes##*-}
missing=()
for program in "$@"; do
  [ -x "$programs/$program" ] || missing+=("k8s.io/kubernetes/cmd/$program")
done
if ((${#missing[@]})); then
  # With the flags of the embedded cluster's binary the packages that they share are in
  # Go's cache.
  mapfile -t flags < <("$root/.bin/cluster" build --kubernetes "$version" --flags)
  ((${#flags[@]})) || fail "the flags of $version are unknown"
  mkdir -p "$programs"
  quietly "${missing[*]##*/} $version" env GOWORK=off go -C "$root/tools/cluster" build -v "${flags[@]}" -o "$programs/" "${missing[@]}" >&2
  for other in "$state"/programs-*; do [ "$other" = "$programs" ] || rm -rf "$other"; done
fi
echo "$programs"

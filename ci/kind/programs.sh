#!/usr/bin/env bash
# Builds programs of the embedded cluster's older Kubernetes that are not in its binary,
# unless that is done. Prints the folder that they are in.
#
#   ci/kind/programs.sh kubeadm|kubelet|kubectl|kube-scheduler|kube-controller-manager...
source "$(dirname "$0")/lib.sh"

version=$KUBERNETES_OLDEST_VERSION
minor=${version#v}
kubernetes=$(embedded kubernetes)
programs=$state/programs-${kubernetes##*-}
missing=()
for program in "$@"; do
  [ -x "$programs/$program" ] || missing+=("k8s.io/kubernetes/cmd/$program")
done
if ((${#missing[@]})); then
  # The flags are those of the embedded cluster, read out of its binary, so that the
  # packages that they share are in Go's cache.
  flags=$(go version -m "$kubernetes" | sed -n 's/^\tbuild\t-ldflags="\(.*\)"$/\1/p')
  [ -n "$flags" ] || fail "$kubernetes does not say how it was linked"
  mkdir -p "$programs"
  quietly "${missing[*]##*/} $version" env GOWORK=off go -C "$root/tools/cluster" build -v \
    -modfile="kubernetes-${minor%.*}.mod" -buildvcs=false -ldflags "$flags" -o "$programs/" "${missing[@]}" >&2
  for other in "$state"/programs-*; do [ "$other" = "$programs" ] || rm -rf "$other"; done
fi
echo "$programs"

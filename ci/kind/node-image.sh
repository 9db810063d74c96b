#!/usr/bin/env bash
# Builds the image of a kind node, unless that is done: make kind-node-image. Prints its
# name.
#
# Its Kubernetes is the older one of the embedded cluster, the same binary, but for
# kube-controller-manager, of which that has a part; etcd and CoreDNS are the embedded
# cluster's too. So their images have the names that kubeadm
# asks for, and in them the versions of ci/versions.env.
source "$(dirname "$0")/lib.sh"
use_docker
mkdir -p "$state"
version=$KUBERNETES_OLDEST_VERSION
components=$(embedded components)
kubernetes=$(embedded kubernetes)

base=$("$root/ci/kind/base-image.sh")
# The names of the binaries have the hash of all that they are built from.
image=external-services/kind-node:$version-$(key "$base ${components##*/} ${kubernetes##*/}" "${BASH_SOURCE[0]}")
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi

work=$(mktemp -d "$state/node.XXXXXX")
container=$cluster-node-build
loaded=()
clean_up() {
  local code=$?
  if ((code)) && [ -f "$work/log" ]; then tail -n 50 "$work/log" >&2; fi
  docker rm --force --volumes "$container" >/dev/null 2>&1 || true
  # They have the names of published images, and are none.
  if ((${#loaded[@]})); then docker rmi "${loaded[@]}" >/dev/null 2>&1 || true; fi
  rm -rf "$work"
}
trap clean_up EXIT

programs=$("$root/ci/kind/programs.sh" kubeadm kubelet kubectl kube-scheduler kube-controller-manager)
"$root/ci/packages.sh" mmdebstrap=mmdebstrap catatonit=catatonit >&2
names=$("$programs/kubeadm" config images list --kubernetes-version "$version")
# The configuration that base-image.sh takes from kind names one more: the pause image.
names+=$'\n'$(docker run --rm --entrypoint sed "$base" -n 's/^ *sandbox_image = "\(.*\)"$/\1/p' /etc/containerd/config.toml)

# image_of PROGRAM INSTRUCTIONS builds an image from what lies in the folder of the
# program, and gives it every name that is asked for.
image_of() {
  local program=$1 name tags=()
  while read -r name; do tags+=(--tag "$name"); done < <(grep -E "/$program:" <<<"$names" | sort -u)
  ((${#tags[@]})) || fail "kubeadm $version asks for no image of $program"
  docker build --quiet "${tags[@]}" --file - "$work/$program" <<<"$2" >/dev/null
  while read -r name; do loaded+=("$name"); done < <(grep -E "/$program:" <<<"$names" | sort -u)
}
path="ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

build_images() {
  local program
  # The binaries of several programs are one layer each, which their images share.
  mkdir -p "$work/kubernetes/usr/local/bin" "$work/others/usr/local/bin" "$work/kubernetes/tmp" "$work/others/tmp"
  cp "$kubernetes" "$work/kubernetes/usr/local/bin/kubernetes"
  cp "$components" "$work/others/usr/local/bin/components"
  for program in kube-apiserver kube-proxy; do ln -s kubernetes "$work/kubernetes/usr/local/bin/$program"; done
  for program in etcd coredns; do ln -s components "$work/others/usr/local/bin/$program"; done
  ln -s kubernetes "$work/kube-apiserver"
  image_of kube-apiserver $'FROM scratch\nCOPY . /\n'"$path"$'\nENTRYPOINT ["/usr/local/bin/kube-apiserver"]'
  for program in etcd coredns; do
    ln -s others "$work/$program"
    image_of "$program" $'FROM scratch\nCOPY . /\n'"$path"$'\nENTRYPOINT ["/usr/local/bin/'"$program"'"]'
  done
  for program in kube-scheduler kube-controller-manager; do
    mkdir -p "$work/$program/usr/local/bin"
    cp "$programs/$program" "$work/$program/usr/local/bin/"
    image_of "$program" $'FROM scratch\nCOPY . /\n'"$path"$'\nENTRYPOINT ["/usr/local/bin/'"$program"'"]'
  done
  mkdir "$work/pause"
  cp "$(command -v catatonit)" "$work/pause/pause"
  image_of pause $'FROM scratch\nCOPY . /\nENTRYPOINT ["/pause", "-P"]'

  # kube-proxy calls iptables or nft, with every extension and its libraries: with one
  # missing it goes on and says "Sync failed" in its log.
  mkdir "$work/kube-proxy"
  mmdebstrap --variant=extract --include=iptables,nftables,conntrack,ipset,kmod bookworm "$work/packages.tar"
  tar -C "$work/kube-proxy" -xf "$work/packages.tar"
  rm -rf "$work"/kube-proxy/{dev,proc,sys,var} "$work"/kube-proxy/usr/share/{doc,man,locale}
  # Debian's packages leave the choice of an iptables to scripts that have not run.
  for program in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf xtables-nft-multi "$work/kube-proxy/usr/sbin/$program"
  done
  mkdir -p "$work"/kube-proxy/{run,usr/local/bin}
  cp -a "$work"/kubernetes/usr/local/bin/{kubernetes,kube-proxy} "$work/kube-proxy/usr/local/bin/"
  image_of kube-proxy $'FROM scratch\nCOPY . /\n'"$path"$'\nENTRYPOINT ["/usr/local/bin/kube-proxy"]'
  docker save --output "$work/images.tar" "${loaded[@]}"
}

# fill_node puts the programs and the images where the node's containerd finds them.
fill_node() {
  docker run --detach --name "$container" --network none --security-opt seccomp=unconfined --entrypoint sleep "$base" infinity
  for program in kubeadm kubelet kubectl; do docker cp "$programs/$program" "$container:/usr/bin/$program"; done
  docker exec -i "$container" sh -c "mkdir -p /kind && printf %s $version >/kind/version"
  docker exec -i "$container" bash -c '
    set -euo pipefail
    containerd >/tmp/containerd.log 2>&1 &
    deadline=$((SECONDS + 60))
    until ctr version >/dev/null 2>&1; do
      ((SECONDS < deadline)) || { cat /tmp/containerd.log; exit 1; }
      sleep 0.2
    done
    ctr --namespace k8s.io images import --all-platforms --no-unpack --digests -
    kill $!
    wait $! || true
    rm -rf /tmp/containerd.log /run/containerd' <"$work/images.tar"
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' "$container" "$image"
}

say "building the images of the node's programs"
build_images >"$work/log" 2>&1
say "building the image of the node"
fill_node >>"$work/log" 2>&1
remove_others "$image" "$base"
echo "$image"

#!/usr/bin/env bash
# Builds the system of a kind node, of Debian packages and the files that kind's own
# module has for it, unless that is done. Prints the name of the image.
#
# kind's published images are built in the same steps, from a Dockerfile that takes
# containerd, runc and crictl from elsewhere (images/base of the module).
source "$(dirname "$0")/lib.sh"
use_docker

# Debian 12, whatever this machine is: its systemd and its runc know both versions of cgroups.
suite=bookworm
packages=systemd,systemd-sysv,dbus,containerd,runc,containernetworking-plugins
packages+=,conntrack,iptables,nftables,ipset,iproute2,ethtool,socat,kmod,mount,util-linux,e2fsprogs
packages+=,bash,ca-certificates,curl,jq,procps,hostname

kind_module=$(cd "$root/ci/tools" && go mod download -json sigs.k8s.io/kind | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
kind_files=$kind_module/images/base/files
[ -d "$kind_files" ] || fail "the module sigs.k8s.io/kind has no folder images/base/files: $kind_module"

image=external-services/kind-base:$(key "${kind_module##*/}" "${BASH_SOURCE[0]}" "$root"/ci/kind/node/*)
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi

[ "$(id -u)" = 0 ] || fail "building the node image takes root: mmdebstrap sets up a Debian system in a folder"
"$root/ci/packages.sh" mmdebstrap=mmdebstrap jq=jq >&2
command -v mmdebstrap >/dev/null || fail "mmdebstrap is not installed: install the Debian package mmdebstrap"

work=$(mktemp -d "$state/base.XXXXXX")
trap 'rm -rf "$work"' EXIT

# configure runs on the finished system, whose root is its argument.
cat >"$work/configure" <<'HOOK'
#!/bin/bash
set -euo pipefail
system=$1
# The files of a Go module are read-only, and none is executable.
copy() { install -D -m "$1" "$kind_files/$2" "$system/$2"; }
while read -r file; do copy 0755 "$file"; done < <(cd "$kind_files" && find usr/local/bin kind/bin -type f)
while read -r file; do copy 0644 "$file"; done < <(cd "$kind_files" && find etc -type f)
mkdir -p "$system"/{kind/manifests,etc/kubernetes/manifests,etc/cni/net.d,opt/cni}
ln -s /usr/bin/containerd /usr/bin/ctr "$system/usr/local/bin/"
ln -s /usr/lib/cni "$system/opt/cni/bin"

# What kind's Dockerfile does after it has installed the packages.
units=$system/lib/systemd/system
rm -f "$units"/sysinit.target.wants/systemd-tmpfiles-setup.service "$units"/{multi-user,local-fs,basic}.target.wants/* \
  "$units"/sockets.target.wants/*{udev,initctl}* "$system"/etc/systemd/system/*.wants/*
echo ReadKMsg=no >>"$system/etc/systemd/journald.conf"
chroot "$system" systemctl enable kubelet.service containerd.service undo-mount-hacks.service
chroot "$system" systemctl mask systemd-binfmt.service # it registers programs with the machine's kernel
chroot "$system" ctr oci spec | jq '.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
  >"$system/etc/containerd/cri-base.json"

# What is not as in kind's image: containerd writes the network configuration of pods
# from what the node is given, instead of a program that every node runs as a pod, and
# does not lower the scores of the out-of-memory killer, which takes CAP_SYS_RESOURCE.
install -m 0644 "$node_files/cni.conflist.tmpl" "$system/etc/containerd/"
install -m 0644 "$node_files/storage.yaml" "$system/kind/manifests/default-storage.yaml"
install -m 0755 "$node_files/crictl" "$system/usr/local/bin/"
config=$system/etc/containerd/config.toml
grep -q 'restrict_oom_score_adj = false' "$config"
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$config"
printf '\n[plugins."io.containerd.grpc.v1.cri".cni]\n  conf_template = "/etc/containerd/cni.conflist.tmpl"\n' >>"$config"
rm -f "$system"/etc/cni/net.d/* "$system"/etc/machine-id
HOOK
chmod +x "$work/configure"

export kind_files node_files=$root/ci/kind/node
quietly "the system of a kind node, of Debian packages" mmdebstrap --variant=apt --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook="$work/configure" "$suite" "$work/system.tar" >&2
# docker import could not set the signal that ends systemd.
cat >"$work/Dockerfile" <<'DOCKERFILE'
FROM scratch
ADD system.tar /
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
DOCKERFILE
quietly "the image of it" docker build --quiet --tag "$image" "$work" >&2
echo "$image"

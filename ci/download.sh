#!/usr/bin/env bash
# Downloads the modules that make test builds from, those of each go.mod.
set -euo pipefail
cd "$(dirname "$0")/.."

# list FOLDER ARGUMENTS...
list() { go -C "$1" list -deps "${@:2}" >/dev/null; }
list . -test ./... helm.sh/helm/v3/cmd/helm
list tools/cluster -test ./...
for modfile in tools/cluster/kubernetes-*.mod; do
  list tools/cluster -modfile="${modfile##*/}" -tags=kubernetes_only ./cmd/components
done
list ci/tools -test ./... helm.sh/helm/v4/cmd/helm

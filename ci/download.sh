#!/usr/bin/env bash
# Downloads the modules that make test builds from, those of each go.mod.
set -euo pipefail
cd "$(dirname "$0")/.."

list() { go list -deps "$@" >/dev/null; }
list -test ./...
for modfile in tools/cluster/*.mod; do
  list -C tools/cluster -modfile="${modfile##*/}" -test ./...
done
list -C ci/tools ./suite ./slim helm.sh/helm/v4/cmd/helm

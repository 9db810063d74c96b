#!/usr/bin/env bash
# Makes what users install of extsvc: the same bytes from the same files, wherever and whenever.
#
#   ci/dist.sh DIST LICENSES CYCLONEDX EXTSVC FOLDER [PLATFORM]...
#
# DIST, LICENSES and CYCLONEDX are programs of ci/tools, and EXTSVC is the program for this machine, which writes the
# completions. FOLDER gets, for each platform, extsvc-VERSION-OS-ARCHITECTURE.tar.gz (.zip for windows) and its bill of
# materials (.cdx.json), and their checksums. With the environment variable REPOSITORY_URL, such as
# https://git.example/group/external-services, it gets extsvc.yaml too, by which krew installs the archives of that
# repository's release.
set -euo pipefail

dist=$1 licenses=$2 cyclonedx=$3 extsvc=$4 folder=$5
shift 5
platforms=("$@")
(($#)) || platforms=({linux,darwin,windows}/{amd64,arm64})
version=$(sed -n 's/^version: //p' charts/external-services/Chart.yaml)
source ci/go-settings.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder" "$work/completions"
rm -f "$folder"/extsvc{-*,.yaml}
"$extsvc" completion bash >"$work/completions/extsvc.bash"
"$extsvc" completion fish >"$work/completions/extsvc.fish"
"$extsvc" completion powershell >"$work/completions/extsvc.ps1"
"$extsvc" completion zsh >"$work/completions/extsvc.zsh"

files=()
for platform in "${platforms[@]}"; do
  export GOOS=${platform%/*} GOARCH=${platform#*/}
  ci/progress.sh "extsvc for $platform" \
    go build -v -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$work/extsvc" ./tools/cmd/extsvc >&2
  "$licenses" -texts "$work/LICENSES" .:./tools/cmd/extsvc
  files+=("$("$dist" archive -version "$version" -license LICENSE -licenses "$work/LICENSES" \
    -completions "$work/completions" "$folder" "$platform=$work/extsvc")")
  files+=("extsvc-$version-$GOOS-$GOARCH.cdx.json")
  "$cyclonedx" bin -json -noserial -notimestamp -std -version "v$version" -output "$folder/${files[-1]}" "$work/extsvc"
done
(cd "$folder" && sha256sum "${files[@]}" >"extsvc-$version-checksums.txt")
if [ -n "${REPOSITORY_URL:-}" ]; then
  "$dist" krew -version "$version" -repository "$REPOSITORY_URL" "$folder"
fi

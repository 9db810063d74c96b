#!/usr/bin/env bash
# Builds the image of the resolver from scratch, without Docker: the same bytes from the same files,
# wherever and whenever.
#
#   ci/image.sh IMAGE LICENSES FOLDER [PLATFORM]...
#
# IMAGE and LICENSES are the programs of ci/tools. FOLDER gets what IMAGE writes, the binaries of the platforms
# (linux/amd64 and linux/arm64) as resolver-OS-ARCHITECTURE, and the licences in the image as resolver-LICENSES.
set -euo pipefail

image=$1 licenses=$2 folder=$3
shift 3
platforms=("$@")
(($#)) || platforms=(linux/amd64 linux/arm64)
version=$(sed -n 's/^version: //p' charts/external-services/Chart.yaml)
source ci/go-settings.sh

mkdir -p "$folder"
binaries=()
for platform in "${platforms[@]}"; do
  binary=$folder/resolver-${platform/\//-}
  ci/progress.sh "resolver for $platform" env GOOS="${platform%/*}" GOARCH="${platform#*/}" \
    go build -v -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid= -X main.version=$version" -o "$binary" ./tools/cmd/resolver >&2
  binaries+=("$platform=$binary")
done
GOOS=linux GOARCH=amd64 "$licenses" -texts "$folder/resolver-LICENSES" .:./tools/cmd/resolver
"$image" build -name resolver -version "$version" -licenses "$folder/resolver-LICENSES" "$folder" "${binaries[@]}"

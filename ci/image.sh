#!/usr/bin/env bash
# Builds the image of the resolver from scratch, without Docker: the same bytes from the same files,
# wherever and whenever.
#
#   ci/image.sh IMAGE LICENSES FOLDER [PLATFORM]...
#
# IMAGE and LICENSES are the programs of ci/tools. FOLDER gets what IMAGE writes, the binaries of the platforms
# (linux/amd64 and linux/arm64) as resolver-OS-ARCHITECTURE, and the licences in the image as resolver-LICENSES.
#
# The bytes depend on the sources, the go.mod files and GO_VERSION of ci/versions.env alone. Of the settings
# of Go in the environment and of go env -w, only those count that say where modules come from and are kept.
set -euo pipefail

image=$1 licenses=$2 folder=$3
shift 3
platforms=("$@")
(($#)) || platforms=(linux/amd64 linux/arm64)
version=$(sed -n 's/^version: //p' charts/external-services/Chart.yaml)

downloads=(GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE GOINSECURE GOVCS GOAUTH GOMODCACHE GOCACHE)
mapfile -t found < <(go env "${downloads[@]}")
for name in "${!GO@}"; do
  case $name in
    GOGC | GOMEMLIMIT | GOMAXPROCS) ;; # how fast the compiler is
    *) unset "$name" ;;
  esac
done
export GOENV=off GOWORK=off CGO_ENABLED=0
for i in "${!downloads[@]}"; do export "${downloads[i]}=${found[i]}"; done
source ci/versions.env
export GOTOOLCHAIN=$GO_VERSION

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

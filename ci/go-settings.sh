# Sourced by what makes binaries for a release: their bytes depend on the sources, the go.mod files and GO_VERSION of
# ci/versions.env alone. Of the settings of Go in the environment and of go env -w, only those count that say where
# modules come from and are kept.
# shellcheck shell=bash

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

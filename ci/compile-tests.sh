#!/usr/bin/env bash
# Compiles the packages that the tests are made of, and links nothing: go test links each
# test when it runs it, and would do so twice.
set -euo pipefail
cd "$(dirname "$0")/.."

format='{{if and .GoFiles (not .Standard) (not .ForTest) (ne .Name "main")}}{{.ImportPath}}{{end}}'
mapfile -t packages < <(go list -deps -test -f "$format" ./...)
go build -v "${packages[@]}"

#!/usr/bin/env bash
# Compiles the packages that the tests are made of, and links nothing: go test links each
# test when it runs it, and would do so twice. tests/report, which make verify runs, brings a protocol
# of browsers along.
set -euo pipefail
cd "$(dirname "$0")/.."

format='{{if and .GoFiles (not .Standard) (not .ForTest) (ne .Name "main")}}{{.ImportPath}}{{end}}'
mapfile -t tests < <(go list ./... | grep -v /tests/report$)
mapfile -t packages < <(go list -deps -test -f "$format" "${tests[@]}")
go build -v "${packages[@]}"

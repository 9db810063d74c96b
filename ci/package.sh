#!/usr/bin/env bash
# Makes the chart's archive: the same bytes from the same files, wherever and whenever.
#
#   ci/package.sh HELM4 FOLDER [OPTION OF helm package]...
#
# Helm 4 stores the times of the files, sorted by their names and with modes and owners
# of its own; Helm 3 would store the time of the day. The times are set on a copy.
set -euo pipefail

helm=$1 folder=$2
shift 2
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R charts/external-services "$copy"
find "$copy" -exec touch -d 1980-01-01T00:00:00Z {} +
"$helm" package "$copy/external-services" --destination "$folder" "$@"

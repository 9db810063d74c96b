#!/usr/bin/env bash
# Makes the chart's archive: the same bytes from the same files, wherever and whenever.
#
#   ci/package.sh HELM4 SLIM FOLDER [OPTION OF helm package]...
#
# Helm 4 stores the times of the files, sorted by their names and with modes and owners
# of its own; Helm 3 would store the time of the day. Of a copy the times can be set, and
# what each release would store and not need is left out: see ci/tools/slim.
set -euo pipefail

helm=$1 slim=$2 folder=$3
shift 3
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R charts/external-services "$copy"
"$slim" "$copy/external-services"
find "$copy" -exec touch -d 1980-01-01T00:00:00Z {} +
"$helm" package "$copy/external-services" --destination "$folder" "$@"

#!/usr/bin/env bash
# Makes the chart's archive: the same bytes from the same files, wherever and whenever.
#
#   ci/package.sh HELM4 GENERATE FOLDER [OPTION OF helm package]...
#
# Helm 4 stores the times of the files, sorted by their names and with modes and owners
# of its own; Helm 3 would store the time of the day. The times are set on a copy.
#
# With the environment variable IMAGE_REPOSITORY, such as registry.example/external-services-resolver,
# the copy has that image as its default, by the digest in FOLDER/resolver-image.digest. Neither can be
# in the tree: it knows no registry, and the digest is a hash of what is compiled from it. The image is
# in generated text alone, so GENERATE writes it: two defaults in values.yaml and what is derived from them.
# With REPOSITORY_URL, such as https://git.example/group/external-services, the copy of Chart.yaml names that
# repository: home, sources and a screenshot. All other lines are those of the tree.
set -euo pipefail

helm=$(realpath "$1") generate=$(realpath "$2") folder=$3
shift 3
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/charts"
cp -R charts/external-services "$copy/charts"
options=()
if [ -n "${IMAGE_REPOSITORY:-}" ]; then
  digest=$(cat "$folder/resolver-image.digest")
  options+=(-image "$IMAGE_REPOSITORY@$digest")
fi
if [ -n "${REPOSITORY_URL:-}" ]; then options+=(-repository "$REPOSITORY_URL"); fi
if ((${#options[@]})); then (cd "$copy" && "$generate" "${options[@]}"); fi
find "$copy" -exec touch -d 1980-01-01T00:00:00Z {} +
"$helm" package "$copy/charts/external-services" --destination "$folder" "$@"

#!/usr/bin/env bash
# Releases the chart and the image of the resolver: packages and signs the chart, and pushes
# the image, then the chart, to an OCI registry. Signs the archives of extsvc, which the workflow publishes.
#
#   ci/release.sh HELM4 GENERATE IMAGE DIST FOLDER
#
# FOLDER has what make image and make dist write. The chart refers to the image by its digest, so that the
# signature of the chart covers it. The chart is signed before anything is pushed, and pushed last:
# the registry has no chart without its image, and a release that was broken off can be run again.
#
# The environment variables are
#   REGISTRY          where the chart goes, such as oci://registry.example/charts, to which
#                     helm registry login has logged in
#   IMAGE_REPOSITORY  where the image goes; by default external-services-resolver next to
#                     the charts, such as registry.example/external-services-resolver
#   KEY               the name or e-mail of the key that signs
#   KEYRING           the file of a GPG keyring that holds it: gpg --export-secret-keys
#   PASSPHRASE_FILE   the file of its passphrase, where it has one
#   REPOSITORY_URL    where the sources and the archives of extsvc are, such as
#                     https://git.example/group/external-services; the chart names it; optional
#   VERSION           what the version must be, such as that of a tag; optional
set -euo pipefail

refuse() {
  echo "release: $*" >&2
  exit 1
}

# image_next_to REGISTRY prints the repository of the image: external-services-resolver in the folder that
# holds the one of the charts.
image_next_to() {
  local path=${1#oci://}
  path=${path%/}
  [[ $path != */* ]] || path=${path%/*}
  echo "$path/external-services-resolver"
}

helm=$1 generate=$2 image=$3 dist=$4 folder=$5
changelog=charts/external-services/CHANGELOG.md
version=$(sed -n 's/^version: //p' charts/external-services/Chart.yaml)

[[ ${REGISTRY:-} == oci://?* ]] || refuse "REGISTRY is \"${REGISTRY:-}\": write where the chart goes, such as REGISTRY=oci://registry.example/charts"
[ -n "${KEY:-}" ] || refuse "KEY is not set: write the name or e-mail of the key that signs"
[ -f "${KEYRING:-}" ] || refuse "KEYRING is \"${KEYRING:-}\", which is no file: write the file of a GPG keyring with the secret key"
[ "${VERSION:-$version}" = "$version" ] || refuse "VERSION is $VERSION, and Chart.yaml has $version: change one of them"
changed=$(git status --porcelain)
[ -z "$changed" ] || refuse "the tree has changes that are not committed, so that nobody else could make the same archive: commit them or take them back"$'\n'"$changed"
! grep -q '^## Unreleased' "$changelog" || refuse "$changelog has changes under Unreleased: give them a version, and Chart.yaml the same"
"$generate" -check # the changelog has the version, and Chart.yaml its changes

if "$helm" show chart "$REGISTRY/external-services" --version "$version" >/dev/null 2>&1; then
  refuse "$REGISTRY/external-services has the version $version already, and a version never changes: write the next one into Chart.yaml and $changelog"
fi

export IMAGE_REPOSITORY=${IMAGE_REPOSITORY:-$(image_next_to "$REGISTRY")}
archive=$folder/external-services-$version.tgz
"$dist" sign -version "$version" -key "$KEY" -keyring "$KEYRING" ${PASSPHRASE_FILE:+-passphrase-file "$PASSPHRASE_FILE"} "$folder"
ci/package.sh "$helm" "$generate" "$folder" --sign --key "$KEY" --keyring "$KEYRING" ${PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE"}
"$helm" verify "$archive" --keyring "$KEYRING"
"$image" push -digest "$(cat "$folder/resolver-image.digest")" -sbom "$folder/resolver-$version.cdx.json" \
  -login "$("$helm" env HELM_REGISTRY_CONFIG)" "$folder/resolver-image" "$IMAGE_REPOSITORY" "$version"
"$helm" push "$archive" "$REGISTRY"

#!/bin/sh
# Refuses manifests of which an image is named by a tag alone, which may mean another one tomorrow.
# Usage: kubectl kustomize deploy/overlays/mine | pinned.sh
set -eu
manifests=$(cat)
images=$(printf '%s\n' "$manifests" | sed -n \
  -e 's/^[- ]*image: *//p' -e '/name: DAGSTER_CURRENT_IMAGE$/{n;s/^ *value: *//p;}' | tr -d "\"'" | sort -u)
[ -n "$images" ] || { echo "there is no image in what was given" >&2; exit 2; }
loose=$(printf '%s\n' "$images" | grep -Ev '@sha256:[0-9a-f]{64}$' || true)
[ -z "$loose" ] || { printf 'named without a digest: %s\n' "$loose" >&2; exit 1; }

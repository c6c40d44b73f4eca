#!/bin/sh
# Lets an overlay's pods and runs have an image by its digest. Usage: pin.sh OVERLAY NAME@sha256:DIGEST
set -eu
name=${2%@*} digest=${2##*@}
if ! printf '%s' "$2" | grep -Eqx '[A-Za-z0-9._:/-]+@sha256:[0-9a-f]{64}'; then
  echo "$2 names no digest: say NAME@sha256: and 64 hex digits, as your registry tells it" >&2
  exit 2
fi
file=$1/kustomization.yaml
line="  - {name: vda-assets, newName: $name, digest: \"$digest\"}"
grep -q '^  - {name: vda-assets, ' "$file" || { echo "$file has no line for the image vda-assets" >&2; exit 2; }
sed -i.before "s|^  - {name: vda-assets, .*|$line|" "$file"
rm "$file.before"

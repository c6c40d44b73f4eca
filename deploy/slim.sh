#!/bin/sh
# Takes out of an environment what no process of ours reads: about 140 MB. Usage: slim.sh ENVIRONMENT
set -eu
cd "$1"/lib/python3*/site-packages
# Source maps of the Dagster UI, for those who debug its JavaScript.
find . -name '*.map' -delete
# Interfaces of C for those who compile against a library, and its tests.
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.c' \) -delete
find . -type d -name tests -prune -exec rm -rf {} +
# A second client of Kubernetes, for asyncio, which nothing here imports.
rm -rf kubernetes/aio
# Faster ways to do what the libraries beside them do as well: a loop of the web server, downloads of weights.
rm -rf uvloop uvloop-*.dist-info hf_xet hf_xet-*.dist-info
# Descriptions of all services of AWS: storage is S3, and logging in is STS and SSO.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
  ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
# Symbols for debuggers.
if command -v strip >/dev/null; then
  find . -type f -name '*.so*' -exec strip --strip-unneeded {} +
else
  echo "BUILD_BASE has no strip: the image stays 60 MB larger" >&2
fi

#!/bin/sh
# Compiles what the processes of the image import, so that they start in a second on a root that cannot be written to.
# All that lies there would be twice as much. Usage: compile.sh ENVIRONMENT
set -eu
cd /
PATH="$1/bin:$PATH" VDA_ASSETS_CFG=$(mktemp -d)
export PATH VDA_ASSETS_CFG
unset PYTHONDONTWRITEBYTECODE
vda --help >/dev/null
python - <<'CODE'
import importlib

for module in (
    "vda_assets.definitions",
    "vda_assets.telemetry.exporter",
    "apprise",
    "dagster._cli",
    "dagster._daemon.cli",
    "dagster_webserver.cli",
    "dagster_k8s",
    "dagster_postgres",
    "uvicorn.protocols.http.auto",
    "uvicorn.lifespan.on",
    "adlfs",
    "gcsfs",
    "s3fs",
    "av",
    "PIL.Image",
):
    importlib.import_module(module)
CODE

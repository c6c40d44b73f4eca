#!/bin/sh
# What Python libraries an image holds, as a bill of materials (CycloneDX, JSON). Usage: sbom.sh IMAGE > sbom.json
# ENGINE is podman or docker, by default docker. uv, which `make .venv/dev` brings, runs CycloneDX's own program in an
# environment of its own: beside this project, what it requires would make jsonschema slow to import.
set -eu
# The options of an engine are words of their own.
# shellcheck disable=SC2086
held=$(${ENGINE:-docker} run --rm "$1" python -c '
from importlib.metadata import distributions
for one in sorted({f"{each.name}=={each.version}" for each in distributions()}):
    print(one)
')
printf '%s\n' "$held" | uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements - --mc-type application --output-reproducible --output-format JSON

#!/bin/sh
# What Python libraries an image holds, as a bill of materials (CycloneDX, JSON). Usage: sbom.sh IMAGE > sbom.json
# ENGINE is podman or docker, by default docker. Needs cyclonedx-py: the extra dev brings it.
set -eu
# The options of an engine are words of their own.
# shellcheck disable=SC2086
held=$(${ENGINE:-docker} run --rm "$1" python -c '
from importlib.metadata import distributions
for one in sorted({f"{each.name}=={each.version}" for each in distributions()}):
    print(one)
')
printf '%s\n' "$held" | cyclonedx-py requirements - --mc-type application --output-reproducible --output-format JSON

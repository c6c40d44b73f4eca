"""Reads one thing from outside and says what that took, in a process whose peak is this reading's alone.

python -m vda_assets_tests.reading_cost clip|dataset|deployment|cookbook PATH
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.config.errors import ConfigError
from vda_assets.config.yaml_file import read_model
from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import probe
from vda_assets_tests.labels.reading_cost import peak_mib

READERS: dict[str, Callable[[Path], Any]] = {
    "clip": lambda path: probe(path, name=path.name),
    "dataset": lambda path: read_model(path, Dataset, variables={}),
    "deployment": lambda path: read_model(path, Deployment, variables={}),
    "cookbook": lambda path: read_cookbook(path, name=path.name),
}


@dataclass(frozen=True)
class Cost:
    """`refusal` is empty when the thing was taken."""

    seconds: float
    mib: float
    refusal: str


def cost_of(reader: str, path: Path) -> Cost:
    command = [sys.executable, "-m", "vda_assets_tests.reading_cost", reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    return Cost(**json.loads(done.stdout))


def _read(reader: str, path: Path) -> str:
    try:
        READERS[reader](path)
    except (ConfigError, MediaError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    before, started = peak_mib(), time.process_time()
    refusal = _read(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"seconds": time.process_time() - started, "mib": peak_mib() - before, "refusal": refusal}))

"""Every benchmark begins as its page says: by its path alone, wherever the project is not on Python's own path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = [
    path for path in sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py")) if "--quick" in path.read_text()
]


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_begins_and_takes_the_options_that_all_have(benchmark: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(benchmark), "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
    assert "--json" in done.stdout

"""The worker's own environment, which the setup completes."""

from __future__ import annotations

import os
from pathlib import Path

from vda_assets.worker.failure import BAD_SETUP, WorkerError


def load_environment(setup: Path) -> None:
    """Values already in the environment win over the setup's."""
    # `runtime.env` says the same, for storage tools that leave out names with a leading dot.
    path = next((path for path in (setup / ".env", setup / "runtime.env") if path.is_file()), None)
    if path is None:
        raise WorkerError(BAD_SETUP, f"the setup has no .env: {setup} is not a run's setup folder")
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value)


def seconds_of(variable: str, default: float) -> float:
    text = os.environ.get(variable) or str(default)
    try:
        return float(text)
    except ValueError:
        raise WorkerError(BAD_SETUP, f"{variable} is {text!r}, not a number of seconds") from None

"""The project's wheel, built of a copy: in the project's own folder a build leaves files that the next one takes in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from vda_assets_tests.end_to_end.world import REPOSITORY

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def build_wheel(folder: Path) -> Path:
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "vda_assets", source / "vda_assets", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(REPOSITORY / name, source / name)
    uv("build", "--wheel", "--out-dir", str(folder / "wheel"), str(source))
    return next((folder / "wheel").glob("*.whl"))


def uv(*arguments: str) -> None:
    if UV is None:
        pytest.skip("needs uv: `pip install uv`")
    run(UV, *arguments, environment={**os.environ, "UV_NATIVE_TLS": "1"})


def run(*command: str, environment: Mapping[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done

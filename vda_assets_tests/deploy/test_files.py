"""The image's Dockerfile and the project's scripts, as their linters see them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vda_assets_tests.end_to_end.world import REPOSITORY

SCRIPTS = [
    *sorted(REPOSITORY.glob("deploy/*.sh")),
    *(path for path in sorted(REPOSITORY.glob(".ci/*")) if path.is_file()),
    REPOSITORY / "vda_assets/worker/start.sh",
]


def linter(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: the extra dev brings it")
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_free_of_what_shellcheck_finds(script: Path) -> None:
    done = subprocess.run([linter("shellcheck"), "--shell", shell(script), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def shell(script: Path) -> str:
    first = script.read_text().partition("\n")[0]
    return "sh" if first == "#!/bin/sh" else "bash"


def test_the_dockerfile_is_free_of_what_hadolint_finds() -> None:
    dockerfile = str(REPOSITORY / "deploy/Dockerfile")
    done = subprocess.run([linter("hadolint"), dockerfile], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_build_context_holds_what_the_dockerfile_copies_and_nothing_else() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    lines = (REPOSITORY / "deploy/Dockerfile").read_text().splitlines()
    copies = [line.split()[1:] for line in lines if line.startswith("COPY ") and "--from" not in line]
    copied = {source for *sources, _ in copies for source in sources}
    assert "*" in ignored
    assert copied == let_in
    assert [path for path in copied if not (REPOSITORY / path).exists()] == []

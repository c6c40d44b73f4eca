"""How a task finds its interpreter: in a root folder that has nothing of an image but what the test puts there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from vda_assets_tests.worker.bench import Bench

MACHINE = [folder for folder in ("/usr", "/bin", "/lib", "/lib64") if Path(folder).exists()]
ARGUMENTS = ["augmentation", "--name", "my clip ü; $(touch x) '\"_aug0"]

Start = Callable[..., subprocess.CompletedProcess[str]]


def in_image(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the words where `root` is `/`; of this machine there are the programs that the shell needs, off PATH."""
    for folder in MACHINE:
        (root / folder[1:]).mkdir(exist_ok=True)
    mounts = " && ".join(f'mount --rbind {folder} "$0{folder}"' for folder in MACHINE)
    command = ["unshare", "--map-root-user", "--mount", "bash", "-c", f'{mounts} && exec chroot "$0" "$@"', str(root)]
    path = {"PATH": "/programs", **environment}
    return subprocess.run(
        [*command, "/usr/bin/env", "-i", *(f"{name}={value}" for name, value in path.items()), *words],
        capture_output=True,
        text=True,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The root folder of an image without any Python."""
    root = tmp_path / "image"
    (root / "programs").mkdir(parents=True)
    (root / "programs/dirname").symlink_to("/usr/bin/dirname")
    (root / "setup dir").mkdir()
    (root / "setup dir/start.sh").write_bytes(resources.files("vda_assets.worker").joinpath("start.sh").read_bytes())
    if not shutil.which("unshare") or in_image(root, "/usr/bin/true").returncode:
        pytest.skip("this machine gives nobody a root folder of its own")
    return root


def put_python(root: Path, path: str) -> None:
    """One that says where it lies and what it was given, each word on a line."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text('#!/usr/bin/bash\nprintf "%s\\n" "$0" "$@"\n')
    (root / path).chmod(0o755)


@pytest.mark.parametrize(
    "python", ["app/.venv/bin/python", "workspace/.venv/bin/python", "opt/venv/bin/python", "programs/python3"]
)
def test_the_interpreter_is_found_where_an_image_has_it(image: Path, python: str) -> None:
    put_python(image, python)
    started = in_image(image, "/usr/bin/bash", "/setup dir/start.sh", *ARGUMENTS)
    assert started.stdout.splitlines() == [f"/{python}", "/setup dir/vda_assets/worker", *ARGUMENTS], started.stderr


def test_the_environment_that_the_image_names_goes_before_all_others(image: Path) -> None:
    for path in ("opt/own venv/bin/python", "app/.venv/bin/python", "programs/python3"):
        put_python(image, path)
    named = {"UV_PROJECT_ENVIRONMENT": "/opt/own venv"}
    started = in_image(image, "/usr/bin/bash", "/setup dir/start.sh", *ARGUMENTS, **named)
    assert started.stdout.splitlines()[0] == "/opt/own venv/bin/python"


def test_an_image_without_python_is_said_in_one_line(image: Path) -> None:
    started = in_image(image, "/usr/bin/bash", "/setup dir/start.sh", *ARGUMENTS)
    assert started.returncode == 64
    assert started.stdout.startswith("vda_worker: FAILED: the image has no Python where its versions have one")
    assert (started.stdout.count("\n"), started.stderr) == (1, "")


def test_the_worker_keeps_the_process_that_osmo_started(bench: Bench) -> None:
    """OSMO's signals reach the worker, not a shell around it."""
    (bench.folder / "setup/vda_assets/worker/run.py").write_text(
        "import os\n\n\ndef main(argv: list[str]) -> int:\n    print(os.getpid())\n    return 0\n"
    )
    started = subprocess.Popen(
        bench.command("augmentation"), env=bench.environment_for("good"), stdout=subprocess.PIPE, text=True
    )
    said, _ = started.communicate()
    assert int(said) == started.pid
    assert os.waitstatus_to_exitcode(started.returncode) == 0

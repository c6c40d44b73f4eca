"""A project whose one dataset lies on a backend, and `vda` called in it as a process, to its end or to its death."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.storage.emulators import BACKENDS, Place, configure, secrets_of
from vda_assets_tests.warm import WarmProcess

DATASET = "street"
RUN = "run-0a1b2c3d"
BIG_BYTES = 8_000_000


@dataclass(frozen=True)
class Project:
    folder: Path
    place: Place

    @property
    def clips(self) -> StorageUrl:
        return self.place.root / f"datasets/{DATASET}"

    @property
    def demo_clips(self) -> StorageUrl:
        return self.place.root / "datasets/vda-demo"

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.place.root, DATASET, RUN)

    @property
    def media(self) -> Path:
        return self.folder / "media/vda/runs" / RUN

    def start(self, *arguments: str, largest_file_bytes: int | None = None, **environment: str) -> WarmProcess:
        """The command as a process. A bound on its files is what a full disk looks like to it."""
        known = {"VDA_ASSETS_CFG": str(self.folder / "assets_cfg"), "VDA_HOME": str(self.folder / "home")}
        return WarmProcess(
            arguments,
            cwd=self.folder,
            env={**os.environ, **known, **secrets_of(self.place), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            largest_file_bytes=largest_file_bytes,
        )

    def vda(
        self, *arguments: str, largest_file_bytes: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, largest_file_bytes=largest_file_bytes, **environment) as process:
            output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def hashes_here(self) -> dict[str, str]:
        """Path below the mirrored run -> hash, without what is still being written."""
        files = [path for path in self.media.rglob("*") if path.is_file() and not path.name.endswith(".part")]
        return {str(path.relative_to(self.media)): hash_of(path.read_bytes()) for path in files}


@contextmanager
def project_on(backend: str, folder: Path) -> Iterator[Project]:
    shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg")
    with BACKENDS[backend](folder) as place:
        configure(folder / "assets_cfg", place)
        yield Project(folder, place)


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def killed_after_lines(process: WarmProcess, lines: int) -> None:
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.kill()


def killed_after_bytes(process: WarmProcess, folder: Path, size_bytes: int) -> None:
    """When so much more lies in the folder: mostly amid a file."""
    enough = size_bytes_of(folder) + size_bytes
    while process.poll() is None and size_bytes_of(folder) < enough:
        time.sleep(0.002)
    process.kill()


def size_bytes_of(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in folder.rglob("*"))
    return 0

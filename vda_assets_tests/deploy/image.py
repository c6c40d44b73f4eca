"""The image of deploy/Dockerfile, really built and run on this machine, without any registry and without an engine.

The base is Debian, made by mmdebstrap. Bases, layers and the image stay in a folder below the temporary one, so that
only what changed is built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vda_assets_tests.end_to_end.world import REPOSITORY

TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
FOLDER = Path(tempfile.gettempdir()) / "vda-image"
_NAME = "localhost/vda-assets"
_BUILD_SECONDS = 900
_CA = "/etc/ssl/certs/ca-certificates.crt"
_ROOT = ("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp")
_LIMITS = (*_ROOT, "--cap-drop", "all", "--security-opt", "no-new-privileges")
# BUILD_BASE is what there is before the hook that takes its tools away, BASE what is left.
_BASES = """
mmdebstrap --quiet --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --include=usr-is-merged,python3,python3-venv,ca-certificates,binutils \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook='tar -C "$1" --one-file-system --exclude="./proc/*" --exclude="./sys/*" --exclude="./dev/*" \
    -cf build.tar .' \
  --customize-hook='chroot "$1" apt-get purge -qq -y --auto-remove binutils python3-venv' \
  bookworm base.tar
"""


def why_not() -> str | None:
    """Why no image can be built here; None when one can."""
    if os.geteuid():
        return "needs root to build an image"
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"needs {', '.join(lacking)}: apt-get install --no-install-recommends {' '.join(TOOLS)}" if lacking else None


@dataclass(frozen=True)
class Container:
    name: str

    def running(self) -> bool:
        return podman("inspect", "--format", "{{.State.Running}}", self.name).strip() == "true"

    def logs(self) -> str:
        done = subprocess.run([*ENGINE, "logs", self.name], capture_output=True, text=True, env=environment())
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Its exit code; 137 when it did not end by itself."""
        podman("stop", "--time", "20", self.name)
        return int(podman("inspect", "--format", "{{.State.ExitCode}}", self.name))


@dataclass(frozen=True)
class Image:
    name: str

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(podman("image", "inspect", self.name))[0]

    def run(self, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """The command as a container to its end, with no more rights than a pod has."""
        started = [*ENGINE, "run", "--rm", "--network", "host", *_LIMITS, *options, self.name, *command]
        return subprocess.run(started, capture_output=True, text=True, timeout=240, env=environment())

    @contextmanager
    def running(self, *command: str, options: Sequence[str] = ()) -> Iterator[Container]:
        limits = [*_LIMITS, *options]
        name = podman("run", "--detach", "--network", "host", *limits, self.name, *command).strip()
        try:
            yield Container(name)
        finally:
            podman("rm", "--force", "--time", "0", name)


_STORE = ("--root", str(FOLDER / "storage"), "--runroot", str(FOLDER / "run"))
ENGINE = ("podman", *_STORE, "--runtime", "runc", "--cgroup-manager", "cgroupfs")


def podman(*arguments: str) -> str:
    return _said([*ENGINE, *arguments])


def built_image() -> Image:
    """Built unless it is there: its tag is a hash of what goes into it."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (FOLDER / "containers.conf").write_text("[containers]\ndefault_ulimits = []\n")
        name = f"{_NAME}:{_hash_of_sources()}"
        if not _is_there(name):
            base, build_base = _bases()
            _build(name, base, build_base)
            _forget_others(name)
    return Image(name)


def base_of_tests() -> Image:
    """What the image is built on here."""
    return Image(_bases()[0])


def _build(name: str, base: str, build_base: str) -> None:
    """An index and a CA of its own are those that this machine has, mounted for the build alone."""
    mounts = [f"{path}:{path}:ro" for path in (_CA, "/etc/pip.conf", "/etc/uv/uv.toml") if Path(path).exists()]
    options = [word for mount in mounts for word in ("--volume", mount)]
    arguments = ["--build-arg", f"BASE={base}", "--build-arg", f"BUILD_BASE={build_base}"]
    build = ["buildah", *_STORE, "build", "--quiet", "--isolation", "chroot", "--layers", "--pull-never", *arguments]
    _said([*build, *options, "--file", "deploy/Dockerfile", "--tag", name, "."], folder=REPOSITORY)


def _bases() -> tuple[str, str]:
    version = hashlib.sha256(_BASES.encode()).hexdigest()[:12]
    names = (f"localhost/vda-base:{version}", f"localhost/vda-build-base:{version}")
    if not all(map(_is_there, names)):
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            _said(["sh", "-e", "-c", _BASES], folder=Path(folder))
            for archive, name in zip(("base.tar", "build.tar"), names, strict=True):
                podman("import", "--quiet", f"{folder}/{archive}", name)
    return names


def _forget_others(name: str) -> None:
    """Of the image; bases stay."""
    for other in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        if other.startswith(f"{_NAME}:") and other != name:
            podman("rmi", "--force", other)
    # Layers that builds of the last days may take again stay; the others would fill the disk.
    podman("image", "prune", "--force", "--filter", "until=72h")


def _is_there(name: str) -> bool:
    done = subprocess.run([*ENGINE, "image", "exists", name], capture_output=True, env=environment())
    return done.returncode == 0


def _hash_of_sources() -> str:
    """Of everything that the build context holds."""
    digest = hashlib.sha256(_BASES.encode())
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            top = REPOSITORY / line.removeprefix("!")
            files = sorted(top.rglob("*")) if top.is_dir() else [top]
            for path in files:
                if path.is_file() and "__pycache__" not in path.parts:
                    digest.update(f"{path.relative_to(REPOSITORY)}\0{path.stat().st_mode:o}\0".encode())
                    digest.update(path.read_bytes())
    digest.update((REPOSITORY / "deploy/Dockerfile").read_bytes())
    return digest.hexdigest()[:12]


def _said(command: Sequence[str], *, folder: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_BUILD_SECONDS, cwd=folder, env=environment()
    )
    assert done.returncode == 0, f"{' '.join(command[:6])} …: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def environment() -> dict[str, str]:
    """Nothing limits a container that this machine would not."""
    return {**os.environ, "CONTAINERS_CONF": str(FOLDER / "containers.conf")}

"""The worker as a real process: a run's setup folder, a tiny clip, the NIM stand-in, and containers that obey."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vda_assets.config.deployment import Endpoint, Endpoints
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import draws_for
from vda_assets.flows.setup import setup_files
from vda_assets.flows.worker_files import START_SCRIPT

COOKBOOK = Path(__file__).parents[2] / "assets_cfg/cookbooks/city_traffic"
SCRIPTED = Path(__file__).parent / "containers/scripted.py"
VLM, LLM = "Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen/Qwen2.5-14B-Instruct"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """How a worker ended. `reason` is what it says after `FAILED: `."""

    code: int
    log: str
    output: Path

    @property
    def reason(self) -> str:
        lines = [line for line in self.log.splitlines() if line.startswith("vda_worker: FAILED: ")]
        assert len(lines) <= 1, self.log
        return lines[0].removeprefix("vda_worker: FAILED: ") if lines else ""

    @property
    def outcome(self) -> dict[str, Any] | None:
        path = self.output / "outcome.json"
        return json.loads(path.read_text()) if path.exists() else None


@dataclass
class Bench:
    """Everything one worker needs, each in a folder of its own below `folder`."""

    folder: Path
    cookbook: Cookbook
    endpoints: Endpoints
    environment: dict[str, str] = field(default_factory=dict)
    name: str = "yard cam=07 Straße_aug0"

    def __post_init__(self) -> None:
        for name in ("setup", "clip", "cache", "tmp"):
            (self.folder / name).mkdir()
        self.write_setup(self.endpoints)

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def write_setup(self, endpoints: Endpoints) -> None:
        video = self.name.removesuffix("_aug0")
        draws = draws_for(self.cookbook.distribution, video)
        files = setup_files(
            {f"{video}.mp4": draws}, cookbook=self.cookbook, endpoints=endpoints, super_resolution=False
        )
        for name, content in files.items():
            (self.folder / "setup" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "setup" / name).write_bytes(content)

    def command(self, container: str, *arguments: str) -> list[str]:
        folders = {name: str(self.folder / name) for name in ("setup", "clip", "cache")}
        return [
            *("bash", f"{folders['setup']}/{START_SCRIPT}", container),
            *("--setup", folders["setup"], "--clip", folders["clip"], "--model-cache", folders["cache"]),
            *("--name", self.name, "--output", str(self.output), "--work", "0123abcd", "--attempt", "2", *arguments),
        ]

    def environment_for(self, behaviour: str | None, **environment: str) -> dict[str, str]:
        """`behaviour` is one of the scripted container; None for the stand-in of the real one."""
        command = {"PAIDF_CLI": f"{sys.executable} {SCRIPTED}", "BEHAVIOUR": behaviour} if behaviour else {}
        return {
            **{name: value for name, value in os.environ.items() if "LLM" not in name and "VLM" not in name},
            "TMPDIR": str(self.folder / "tmp"),
            "ENDPOINT_WAIT_TIMEOUT_SECONDS": "1",
            "UV_PROJECT_ENVIRONMENT": sys.prefix,
            **self.environment,
            **command,
            **environment,
        }

    def run(
        self,
        container: str,
        *arguments: str,
        behaviour: str | None = None,
        preexec_fn: Callable[[], object] | None = None,
        **environment: str,
    ) -> Ended:
        reference = {"PAIDF_CLI": f"{sys.executable} -m vda_assets.embedded.containers.{container}"}
        done = subprocess.run(
            self.command(container, *arguments),
            env={**reference, **self.environment_for(behaviour, **environment)},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            preexec_fn=preexec_fn,
        )
        assert not list((self.folder / "tmp").glob("vda-*")), "the worker cleans up after itself"
        return Ended(done.returncode, done.stdout, self.output)


def start_nim(model: str) -> tuple[subprocess.Popen[str], str]:
    """The stand-in as a process of its own, and its base URL."""
    command = [sys.executable, "-m", "vda_assets.embedded.nim", "--model", model, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
    return process, url


@contextmanager
def serving() -> Iterator[Endpoints]:
    """Both stand-ins, as long as the context lasts."""
    started = [start_nim(model) for model in (VLM, LLM)]
    (_, vlm), (_, llm) = started
    yield Endpoints(vlm=Endpoint(url=vlm, model=VLM), llm=Endpoint(url=llm, model=LLM))
    for process, _ in started:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def paths(outcome: Mapping[str, Any]) -> Sequence[str]:
    return [file["path"] for file in outcome["files"]]

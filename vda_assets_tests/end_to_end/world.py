"""The embedded world in a folder of its own: configuration with free ports, clips, a served OSMO, and `vda`."""

from __future__ import annotations

import atexit
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from pathlib import Path

import dagster as dg
import httpx
import yaml

from vda_assets_tests.warm import WarmProcess, run_warm

REPOSITORY = Path(__file__).parents[2]
DATASET = "street"
START_SECONDS = 120
WORKSPACE = str(REPOSITORY / "workspace.yaml")
VDA = (sys.executable, "-m", "vda_assets.cli")
Process = WarmProcess | subprocess.Popen[bytes]


@dataclass(frozen=True)
class World:
    """`shows` starts `vda` as a shell would, so that its arguments and environment show from outside."""

    folder: Path
    osmo_url: str
    shows: bool = field(default=False, kw_only=True)

    @property
    def clips(self) -> Path:
        return self.folder / "home" / "storage" / "datasets" / DATASET

    @property
    def outputs(self) -> Path:
        return self.folder / "home" / "storage" / "datasets" / f"{DATASET}-outputs"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "VDA_ASSETS_CFG": str(self.folder / "assets_cfg"),
            "VDA_HOME": str(self.folder / "home"),
            "DAGSTER_HOME": str(self.folder / "dagster"),
        }

    def vda(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        started_with = {"env": self.environment, "cwd": self.folder, "timeout": timeout}
        if self.shows:
            return subprocess.run([*VDA, *arguments], capture_output=True, text=True, **started_with)
        return run_warm(arguments, **started_with)

    def start(self, *arguments: str, log: str) -> Process:
        """`vda`, in a session of its own."""
        with (self.folder / log).open("wb") as output:
            started_with = {"env": self.environment, "cwd": self.folder, "start_new_session": True}
            started_with |= {"stdout": output, "stderr": subprocess.STDOUT}
            return (
                subprocess.Popen([*VDA, *arguments], **started_with)
                if self.shows
                else WarmProcess(arguments, **started_with)
            )

    def workflows(self) -> dict[str, str]:
        """Every workflow that was ever submitted -> its status."""
        return {entry["name"]: entry["status"] for entry in self.workflow_entries()}

    def workflow_entries(self) -> list[dict]:
        params = {"all_users": True, "all_pools": True, "limit": 1000}
        answer = httpx.get(f"{self.osmo_url}/api/workflow", params=params, headers=self.login)
        return answer.raise_for_status().json()["workflows"]

    @property
    def login(self) -> dict[str, str]:
        """The header that the served OSMO asks for."""
        return {"Authorization": f"Bearer {(self.folder / 'home/osmo/access_token').read_text()}"}

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.folder / "dagster"))

    def runs(self) -> list[Path]:
        """Folders of the runs so far."""
        return sorted(self.outputs.glob("run-*")) if self.outputs.exists() else []


def make_world(folder: Path, *, shows: bool = False) -> World:
    """Copies the project's configuration and gives it free ports."""
    shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg")
    deployment = folder / "assets_cfg" / "deployments" / "local.yaml"
    text = deployment.read_text()
    port = free_port()
    for old, new in {"8710": port, "8711": free_port(), "8712": free_port()}.items():
        text = text.replace(old, str(new))
    deployment.write_text(text)
    shutil.copytree(_new_dagster_home(), folder / "dagster")
    world = World(folder, f"http://127.0.0.1:{port}", shows=shows)
    world.clips.mkdir(parents=True)
    return world


@cache
def _new_dagster_home() -> Path:
    """One whose databases have their tables, to be copied: making them takes most of a second."""
    home = Path(tempfile.mkdtemp(prefix="vda-dagster-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    shutil.copyfile(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.get_runs(limit=1)
        assert not instance.all_instigator_state()
        assert not instance.get_asset_keys()
    return home


@contextmanager
def serving(world: World) -> Iterator[Process]:
    """`vda osmo-local serve` as a process, until the block ends."""
    with running(world, "osmo-local", "serve", log="osmo.log") as server:
        wait_for_answer(f"{world.osmo_url}/health", server, log=world.folder / "osmo.log")
        yield server


@contextmanager
def serving_ui(world: World) -> Iterator[str]:
    """The address of the Dagster UI, started as `make ui` starts it: with the embedded OSMO and a server of media."""
    port, media_port = free_port(), free_port()
    deployment = world.folder / "assets_cfg/deployments/local.yaml"
    media_url = f"http://127.0.0.1:{media_port}"
    deployment.write_text(yaml.safe_dump(yaml.safe_load(deployment.read_text()) | {"media_url": media_url}))
    dagster_dev = ["dagster", "dev", "-w", WORKSPACE, "--host", "127.0.0.1", "--port", str(port)]
    with (
        running(world, "media", "--port", str(media_port), log="media.log"),
        running(world, "osmo-local", "exec", "--", *dagster_dev, log="ui.log") as process,
    ):
        wait_for_answer(f"http://127.0.0.1:{port}/server_info", process, log=world.folder / "ui.log")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(world: World, *arguments: str, log: str) -> Iterator[Process]:
    """`vda` as a process, until the block ends."""
    process = world.start(*arguments, log=log)
    try:
        yield process
    finally:
        stop(process)


def process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int:
    said = [re.search(r"\(pid: (\d+)\)", one.message) for one in instance.all_logs(run.run_id)]
    return int(next(one[1] for one in said if one))


def stop(process: Process) -> None:
    """Asks the process to end; kills it, and whatever it left of its session, when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition, what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


def wait_for_answer(url: str, process: Process, *, log: Path) -> None:
    def answering() -> bool:
        assert process.poll() is None, log.read_text()
        return answers(url)

    wait_for(answering, url)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """Where nobody listens, below the ports that the system gives to any other socket: one of those may be taken before
    the server that is started for it gets there. No other test gets it, while that server is down for a while."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ports_of_this_process() -> Iterator[int]:
    """Each once: of several test processes, each has its own."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = range(10_000 + number, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    start = random.randrange(len(share))
    return cycle([*share[start:], *share[:start]])


_ports = _ports_of_this_process()

"""Starting, ending and coming back: ports, state folders, kill -9, SIGTERM, tokens, web pages."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import ValidationError

from vda_assets.embedded.service.errors import PortTaken, StateFolderTaken
from vda_assets.embedded.service.server import EmbeddedOsmo, serve
from vda_assets.embedded.service.settings import EmbeddedSettings, PlatformCapacity
from vda_assets_tests.embedded.service.conftest import Caller, settings_below, task, wait_for, workflow

_SERVE = (
    "import sys; from vda_assets.embedded.service.server import serve; "
    "from vda_assets.embedded.service.settings import EmbeddedSettings as S; "
    "serve(S.model_validate_json(sys.argv[1]), ready=lambda url: print(url, flush=True))"
)
Served = tuple[subprocess.Popen[str], Caller]


@pytest.fixture
def serve_apart(settings: EmbeddedSettings) -> Iterator[Callable[[], Served]]:
    """Starts a server process of its own on the settings' state folder; as often as wanted."""
    started: list[subprocess.Popen[str]] = []

    def start() -> Served:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, settings.model_dump_json()], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        return process, Caller(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _long_task(pid_file: Path) -> dict[str, object]:
    script = (
        f"setsid sleep 1000 & a=$!; sleep 1000 & echo $a $! $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"
    )
    return task("long", script)


def _pids(pid_file: Path) -> list[int]:
    return [int(pid) for pid in wait_for(lambda: pid_file.exists() and pid_file.read_text()).split()]


def test_after_kill_9_every_workflow_is_known_and_nothing_is_left_running(
    serve_apart: Callable[[], Served], tmp_path: Path
) -> None:
    server, caller = serve_apart()
    done = caller.submit(workflow(task("quick", "echo kept")))
    caller.ended(done)
    long = caller.submit(
        workflow(_long_task(tmp_path / "pids"), task("after", "true", inputs=[{"task": "long"}]), name="long")
    )
    pids = _pids(tmp_path / "pids")
    both_gpus = {"default": {"cpu": 1, "gpu": 2}}
    waiting = caller.submit(workflow(task("waits", "true"), name="waiting", resources=both_gpus))
    assert caller.tasks(waiting)["waits"]["status"] == "SCHEDULING"
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    assert all(map(psutil.pid_exists, pids))

    _, caller = serve_apart()
    assert not any(map(psutil.pid_exists, pids))
    ended = caller.ended(long)
    assert ended["status"] == "FAILED"
    found = caller.tasks(long)
    assert (found["long"]["status"], found["long"]["exit_code"]) == ("FAILED_BACKEND_ERROR", 3001)
    assert "restarted while the task ran" in found["long"]["failure_message"]
    assert found["after"]["status"] == "FAILED_UPSTREAM"
    assert caller.ended(waiting)["status"] == "COMPLETED"
    assert caller.query(done)["status"] == "COMPLETED"
    assert "[quick] kept" in caller.logs(done)
    assert caller.submit(workflow(task("quick", "true"))) == "demo-2"


def test_sigterm_ends_the_server_and_its_tasks(serve_apart: Callable[[], Served], tmp_path: Path) -> None:
    server, caller = serve_apart()
    caller.submit(workflow(_long_task(tmp_path / "pids")))
    pids = _pids(tmp_path / "pids")
    server.terminate()
    assert server.wait(timeout=20) in (0, -signal.SIGTERM)
    assert not any(map(psutil.pid_exists, pids))


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} of 127.0.0.1 is taken"):
            serve(settings_below(tmp_path, port=port))
    assert not (tmp_path / "state").exists()


def test_two_servers_never_share_a_state_folder(settings: EmbeddedSettings) -> None:
    with (
        EmbeddedOsmo(settings),
        pytest.raises(StateFolderTaken, match="in use by another embedded OSMO"),
        EmbeddedOsmo(settings),
    ):
        pass


def test_only_the_owner_may_enter_the_state_folder(settings: EmbeddedSettings) -> None:
    with EmbeddedOsmo(settings):
        assert stat.S_IMODE(settings.state_folder.stat().st_mode) == 0o700


def test_a_configured_token_is_required(tmp_path: Path) -> None:
    with EmbeddedOsmo(settings_below(tmp_path, token="the-access-token")) as osmo:
        assert httpx.get(f"{osmo.url}/health").json() == {"status": "OK"}
        assert httpx.get(f"{osmo.url}/api/pool").status_code == 401
        assert httpx.get(f"{osmo.url}/api/pool", headers={"Authorization": "Bearer wrong.one.x"}).status_code == 401
        exchange = f"{osmo.url}/api/auth/jwt/access_token"
        assert httpx.post(exchange, json={"token": "wrong"}).json()["message"] == "Access Token is invalid"
        signed = httpx.post(exchange, json={"token": "the-access-token"}).json()["token"]
        assert signed.count(".") == 2
        for bearer in ("the-access-token", signed):
            assert httpx.get(f"{osmo.url}/api/pool", headers={"Authorization": f"Bearer {bearer}"}).status_code == 200


def test_web_pages_are_turned_away(caller: Caller) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert caller.http.get("/api/pool", headers=headers).status_code == 403


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="set a token"):
        settings_below(tmp_path, host="0.0.0.0")


def test_a_task_that_no_longer_fits_after_a_restart_fails_clearly(settings: EmbeddedSettings) -> None:
    both_gpus = {"default": {"cpu": 1, "gpu": 2}}
    with EmbeddedOsmo(settings) as osmo:
        caller = Caller(osmo.url)
        first = caller.submit(workflow(task("runs", "sleep 1000"), resources=both_gpus))
        caller.wait_for_status(first, "runs", "RUNNING")
        second = caller.submit(workflow(task("waits", "true"), resources=both_gpus))
    smaller = settings.model_copy(update={"platforms": {"gpu": PlatformCapacity(gpus=1, cpus=1)}})
    with EmbeddedOsmo(smaller) as osmo:
        caller = Caller(osmo.url)
        assert caller.ended(first)["status"] == "FAILED"
        caller.ended(second)
        found = caller.tasks(second)["waits"]
        assert (found["status"], found["exit_code"]) == ("FAILED_BACKEND_ERROR", 3001)
        assert "Task waits asks for more than the platform gpu has" in found["failure_message"]

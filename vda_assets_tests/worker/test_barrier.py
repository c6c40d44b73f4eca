"""Four workers of one group, each on a loopback address as in the embedded OSMO: the lead ends last, nobody hangs."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets_tests.worker.bench import PATIENCE_SECONDS, Bench

PEERS = 4
PORT = 12346


class Group:
    """Workers as processes, each with an output folder and a log of its own."""

    def __init__(self, bench: Bench, *, lead_host: str) -> None:
        self.bench, self.lead_host = bench, lead_host
        self.workers: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, rank: int, container: str, *, prefix: tuple[str, ...] = (), **environment: str) -> None:
        bench = self.bench
        command = bench.command(
            *("augmentation", "--rank", str(rank), "--peers", str(PEERS), "--lead-host", self.lead_host),
            *("--output", str(self.output(rank))),
        )
        given = {
            "BARRIER_ARRIVAL_SECONDS": "20",
            "BARRIER_TIMEOUT_SECONDS": "40",
            "PIDS": str(self.bench.folder / f"pids{rank}"),
            "GO": str(self.bench.folder / "go"),
            **environment,
        }
        with self.log_file(rank).open("wb") as log:
            self.workers[rank] = subprocess.Popen(
                [*prefix, *command],
                env=bench.environment_for(container, **given),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self, rank: int) -> Path:
        return self.bench.folder / f"output{rank}"

    def log_file(self, rank: int) -> Path:
        return self.bench.folder / f"log{rank}"

    def log(self, rank: int) -> str:
        return self.log_file(rank).read_text()

    def wait_for_log(self, rank: int, text: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.log(rank):
            assert time.monotonic() < end, self.log(rank)
            time.sleep(0.02)

    def code(self, rank: int) -> int:
        return self.workers[rank].wait(PATIENCE_SECONDS)

    def go(self) -> None:
        """Lets every container end that waits to be told."""
        (self.bench.folder / "go").touch()

    def kill(self, rank: int) -> None:
        os.killpg(self.workers[rank].pid, signal.SIGKILL)

    def end(self) -> None:
        for worker in self.workers.values():
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()


@pytest.fixture
def group(bench: Bench) -> Iterator[Group]:
    lead_host = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
    group = Group(bench, lead_host=lead_host)
    yield group
    group.end()


def start_all(group: Group, *containers: str, **environment: str) -> None:
    for rank, container in enumerate(containers):
        group.start(rank, container, **environment)


def test_the_lead_ends_after_all_others(group: Group) -> None:
    start_all(group, "good", "good", "good_when_told", "good")
    assert [group.code(rank) for rank in (1, 3)] == [0, 0]
    assert group.workers[2].poll() is None
    assert group.workers[0].poll() is None
    group.go()
    assert group.code(2) == 0
    assert group.workers[0].poll() is None
    assert group.code(0) == 0
    assert "WARNING" not in group.log(0)
    assert group.log(0).endswith("the workers of the group have ended\n")


def test_a_worker_that_is_killed_is_not_waited_for(group: Group) -> None:
    start_all(group, "good", "good", "silent_with_a_child", "good")
    group.wait_for_log(2, "vda_worker: running")
    assert [group.code(rank) for rank in (1, 3)] == [0, 0]
    group.wait_for_log(0, "vda_worker: done")
    assert group.workers[0].poll() is None
    group.kill(2)
    assert group.code(0) == 0
    assert "WARNING: worker 2 of the group died; going on without it" in group.log(0)


def test_a_worker_that_fails_is_waited_for_no_longer_than_it_lives(group: Group) -> None:
    start_all(group, "good", "nothing", "good", "crash_in_a_progress_bar")
    assert [group.code(rank) for rank in range(PEERS)] == [0, 70, 0, 3]
    assert "WARNING" not in group.log(0)


def test_a_lead_that_fails_still_lets_the_others_finish(group: Group) -> None:
    start_all(group, "nothing", "good_when_told", "good", "good")
    group.wait_for_log(0, "vda_worker: FAILED")
    assert [group.code(rank) for rank in (2, 3)] == [0, 0]
    assert group.workers[0].poll() is None
    group.go()
    assert [group.code(rank) for rank in (0, 1)] == [70, 0]


def test_without_its_lead_the_others_end_all_the_same(group: Group) -> None:
    start_all(group, "silent_with_a_child", "good_when_told", "good", "good")
    for rank in (1, 2, 3):
        group.wait_for_log(rank, "vda_worker: running")
    group.kill(0)
    group.go()
    assert [group.code(rank) for rank in (1, 2, 3)] == [0, 0, 0]


def test_a_lead_that_never_comes_is_waited_for_within_bounds(group: Group) -> None:
    group.start(1, "good", BARRIER_ARRIVAL_SECONDS="0.3")
    assert group.code(1) == 0
    assert f"WARNING: rank 0 does not answer at {group.lead_host}" in group.log(1)


def test_a_worker_that_never_comes_is_waited_for_within_bounds(group: Group) -> None:
    start_all(group, "good", "good", "good", BARRIER_ARRIVAL_SECONDS="2")
    assert [group.code(rank) for rank in (0, 1, 2)] == [0, 0, 0]
    assert "WARNING: worker 3 of the group never came; going on without it" in group.log(0)


def test_somebody_else_at_the_port_is_no_worker(group: Group) -> None:
    group.start(0, "good")
    group.wait_for_log(0, "vda_worker: running")
    with socket.create_connection((group.lead_host, PORT)) as probe:
        probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for rank in (1, 2, 3):
            group.start(rank, "good")
        assert [group.code(rank) for rank in range(PEERS)] == [0, 0, 0, 0]
    assert "WARNING" not in group.log(0)

"""A dozen clips through the embedded OSMO while everything around them breaks: each is finished exactly once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from vda_assets_tests.chaos_proxy import Proxy, Trouble, proxying
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving, stop
from vda_assets_tests.quick_results import add_clips, go_through, use_quick_container

CLIPS = 12
OUTPUTS = ("original_labels", "augmented_videos", "augmented_labels")
COMMAND = (
    "run",
    "--dataset",
    DATASET,
    *(part for output in OUTPUTS for part in ("--select", output)),
)


@pytest.mark.timeout(900)
def test_every_clip_is_finished_exactly_once_whatever_breaks_on_the_way(quick_results: Path, tmp_path: Path) -> None:
    (tmp_path / "chaos").mkdir()
    world = make_world(tmp_path / "chaos")
    use_quick_container(world, quick_results, seconds=0.3)
    add_clips(world, quick_results, CLIPS)
    chance = random.Random(20261122)
    trouble = Trouble(
        seed=7, unavailable=0.04, dropped=0.04, lost_answer=0.02, late_error=0.03, doubled=0.05, slow_seconds=0.05
    )
    proxy = Proxy(world.osmo_url, trouble, hold_seconds=3)
    with proxying(proxy):
        go_through(world, proxy.url, answer_seconds=2)
        _kill_runs_and_servers(world, chance)
        with serving(world):
            last = world.vda(*COMMAND)
            assert last.returncode == 0, last.stdout[-4000:] + last.stderr[-4000:]
            _assert_exactly_once(world, proxy)


def _kill_runs_and_servers(world: World, chance: random.Random) -> None:
    """Three runs are killed at random moments; the service is killed under the second and the third of them."""
    for number in range(3):
        with serving(world) as server:
            run = world.start(*COMMAND, log=f"run{number}.log")
            _wait(chance.uniform(5, 9), run)
            if number in (1, 2):
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
        if number in (1, 2):
            with serving(world):
                _wait(chance.uniform(1, 4), run)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        stop(run)


def _wait(seconds: float, run) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.05)


def _assert_exactly_once(world: World, proxy: Proxy) -> None:
    statuses_of = {}
    for entry in world.workflow_entries():
        statuses_of.setdefault(entry["labels"]["vda-clip"], Counter())[entry["status"]] += 1
    statuses = sum(statuses_of.values(), Counter())
    assert len(statuses_of) == CLIPS
    # Nothing orphaned is left running, and nothing but a killed service made anything fail.
    assert set(statuses) <= {"COMPLETED", "FAILED", "FAILED_CANCELED"}, statuses
    # A clip is sent again only after a genuine failure; what the network doubled is known to the proxy.
    again = {clip: count.total() - 1 - count["FAILED"] for clip, count in statuses_of.items()}
    assert sum(extra for extra in again.values() if extra > 0) <= proxy.broken["POST submit", "doubled"], again
    assert statuses["FAILED_CANCELED"] <= proxy.broken["POST submit", "doubled"]
    # Each stage of each clip lies whole in exactly one run's folder.
    finished = Counter(
        f"{path.parents[1].name}/{path.parent.name}" for path in world.outputs.glob("run-*/outputs/*/*/outcome.json")
    )
    assert set(finished.values()) == {1}, {name: count for name, count in finished.items() if count != 1}
    assert len(finished) == CLIPS * len(OUTPUTS)
    with world.instance() as instance:
        for output in OUTPUTS:
            key = dg.AssetKey(["street", output])
            assert len(instance.get_materialized_partitions(key)) == CLIPS

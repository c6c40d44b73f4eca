"""Two datasets with equal clips and two runs of one of them, on a bucket that goes away and a service that is slow.

Submissions are interrupted on top of it. Each clip of each dataset is still finished exactly once, by its own workflow.
"""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.storage.url import StorageUrl
from vda_assets_tests.chaos_proxy import Proxy, Trouble, proxying
from vda_assets_tests.end_to_end.test_backends import StoredWorld, give_osmo_the_credential
from vda_assets_tests.end_to_end.world import DATASET, Process, make_world, serving, stop, wait_for
from vda_assets_tests.quick_results import change_yaml, use_quick_container
from vda_assets_tests.storage.emulators import configure, moto

OTHER = "night-shift"
CLIPS = 4
OUTPUTS = ("original_labels", "augmented_videos", "augmented_labels")
# Slower than the deployment's answer_seconds: most POSTs are given up before they are answered.
ANSWER_SECONDS, SLOW_SECONDS = 1.0, 3.0
# More than the client of the bucket tries by itself: who waits longer is the run.
REFUSALS = 20


@dataclass
class Troubled:
    """Runs reach OSMO and the bucket through proxies; OSMO's own workers reach the bucket as it is."""

    world: StoredWorld
    osmo: Proxy
    bucket: Proxy

    def start(self, dataset: str, *, log: str) -> Process:
        outputs = (part for output in OUTPUTS for part in ("--select", output))
        return self.world.start("run", "--dataset", dataset, *outputs, log=log)

    def log(self, name: str) -> str:
        return (self.world.folder / name).read_text()


@pytest.fixture
def troubled(tmp_path: Path, quick_results: Path) -> Iterator[Troubled]:
    with ExitStack() as stack:
        place = stack.enter_context(moto(tmp_path))
        assert place.credential is not None
        world = make_world(tmp_path)
        stored = StoredWorld(world.folder, world.osmo_url, place)
        configure(world.folder / "assets_cfg", place)
        use_quick_container(world, quick_results, seconds=0.2)
        osmo = Proxy(world.osmo_url, Trouble(seed=3), hold_seconds=ANSWER_SECONDS)
        bucket = Proxy(place.credential.override_url or "", Trouble(seed=4))
        stack.enter_context(proxying(osmo))
        stack.enter_context(proxying(bucket))
        stack.enter_context(serving(stored))
        give_osmo_the_credential(stored)

        def go_through_proxies(deployment: dict) -> None:
            deployment["osmo"].update(url=osmo.url, answer_seconds=ANSWER_SECONDS)
            deployment["storage"][0]["override_url"] = bucket.url

        configuration = world.folder / "assets_cfg"
        shutil.copyfile(configuration / "deployments/local.yaml", configuration / "deployments/proxied.yaml")
        change_yaml(configuration / "deployments/proxied.yaml", go_through_proxies)
        change_yaml(configuration / f"datasets/{DATASET}.yaml", lambda one: one.update(deployment="proxied"))
        shutil.copyfile(configuration / f"datasets/{DATASET}.yaml", configuration / f"datasets/{OTHER}.yaml")
        url = f"{place.root}/datasets/{OTHER}"
        change_yaml(configuration / f"datasets/{OTHER}.yaml", lambda one: one.update(url=url))
        clip = (quick_results / "clip.mp4").read_bytes()
        for dataset in (DATASET, OTHER):
            for number in range(CLIPS):
                place.storage.write_bytes(place.root / f"datasets/{dataset}/clip{number:03d}.mp4", clip)
        yield Troubled(stored, osmo, bucket)


@pytest.mark.timeout(900)
def test_equal_clips_of_two_datasets_are_each_finished_exactly_once_whatever_breaks(troubled: Troubled) -> None:
    _interrupt_amid_submissions(troubled)
    runs = {"first.log": DATASET, "second.log": DATASET, "other.log": OTHER}
    started = {log: troubled.start(dataset, log=log) for log, dataset in runs.items()}
    try:
        troubled.osmo.trouble = replace(troubled.osmo.trouble, slow_seconds=SLOW_SECONDS)
        sent = troubled.osmo.calls["POST submit"]
        wait_for(lambda: troubled.osmo.calls["POST submit"] >= sent + CLIPS, "submissions", seconds=120)
        troubled.osmo.trouble = replace(troubled.osmo.trouble, slow_seconds=0.0)
        wait_for(lambda: any(" accepted" in troubled.log(log) for log in runs), "a first result", seconds=120)
        _take_the_bucket_away(troubled)
        ended = {log: run.wait(240) for log, run in started.items()}
    finally:
        for run in started.values():
            stop(run)
    assert ended == dict.fromkeys(runs, 0), {log: troubled.log(log)[-3000:] for log in runs}
    _assert_exactly_once(troubled)


def _interrupt_amid_submissions(troubled: Troubled) -> None:
    """Ctrl-C while POSTs are under way: nothing of that run is left on the pool."""
    troubled.osmo.trouble = replace(troubled.osmo.trouble, slow_seconds=0.8)
    run = troubled.start(DATASET, log="interrupted.log")
    wait_for(lambda: troubled.osmo.calls["POST submit"] > 1, "two submissions", seconds=90)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130, troubled.log("interrupted.log")
    stop(run)
    left = [entry["name"] for entry in troubled.world.workflow_entries() if entry["status"] in {"RUNNING", "PENDING"}]
    assert left == [], troubled.log("interrupted.log")


def _take_the_bucket_away(troubled: Troubled) -> None:
    troubled.bucket.trouble = replace(troubled.bucket.trouble, unavailable=1.0)
    wait_for(lambda: troubled.bucket.broken.total() >= REFUSALS, "somebody who needs the bucket", seconds=60)
    troubled.bucket.trouble = replace(troubled.bucket.trouble, unavailable=0.0)


def _assert_exactly_once(troubled: Troubled) -> None:
    place, entries = troubled.world.place, troubled.world.workflow_entries()
    statuses = Counter(entry["status"] for entry in entries)
    assert set(statuses) <= {"COMPLETED", "FAILED_CANCELED"}, statuses
    completed = Counter(
        (entry["labels"]["vda-dataset"], entry["labels"]["vda-clip"])
        for entry in entries
        if entry["status"] == "COMPLETED"
    )
    assert set(completed.values()) <= {1, 2}
    for dataset in (DATASET, OTHER):
        outputs: StorageUrl = place.root / f"datasets/{dataset}-outputs"
        finished = Counter(
            "/".join(found.path.split("/")[-3:-1])
            for found in place.storage.walk(outputs)
            if found.path.endswith("/outcome.json")
        )
        assert len(finished) == CLIPS * len(OUTPUTS)
        assert set(finished.values()) == {1}, finished
    with troubled.world.instance() as instance:
        for slug in ("street", "night_shift"):
            for output in OUTPUTS:
                assert len(instance.get_materialized_partitions(dg.AssetKey([slug, output]))) == CLIPS

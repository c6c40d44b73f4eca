"""The upload sensor, tick by tick, with what Dagster's daemon does with each tick's answer."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.sensors.uploads import GONE_SECONDS, LISTING_SECONDS, MOST_REPORTED, evaluate
from vda_assets.flows.selection import FLOWS
from vda_assets.project import load_project
from vda_assets.runs.dead_runs import HOST_TAG, PROCESS_TAG, RUN_TAG
from vda_assets.runs.neighbours import Neighbours
from vda_assets.storage.access import Storage
from vda_assets.storage.objects import StoredObject
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.simulated_clock import SimulatedClock

REPOSITORY = Path(__file__).parents[2]
PARTITIONS = "street_videos"
NOW = time.time()


@dataclass
class Sensor:
    """A dataset in `folder`, its sensor, and the daemon that asks it."""

    dataset: Dataset
    instance: dg.DagsterInstance
    storage: Storage = field(default_factory=Storage)
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    cursor: str | None = None
    told: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return Path("/" + self.dataset.dataset_url.key)

    @property
    def partitions(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions(PARTITIONS))

    def put(self, *names: str, content: bytes = b"clip", changed: float = NOW - 60) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (changed, changed))

    def evaluate(self) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        context.log.info = self.told.append  # type: ignore[method-assign]
        return evaluate(context, self.dataset, self.storage, clock=self.clock)

    def tick(self) -> list[str]:
        """The keys that the tick reported; the daemon stores them, adds what is new and keeps the cursor."""
        answer = self.evaluate()
        for event in answer.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in answer.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(PARTITIONS, request.partition_keys)
                continue
            for key in request.partition_keys:
                self.instance.delete_dynamic_partition(PARTITIONS, key)
        self.cursor = answer.cursor
        assert answer.skip_reason is not None
        self.said = answer.skip_reason.skip_message or ""
        return [event.partition or "" for event in answer.asset_events]


@pytest.fixture
def sensor(tmp_path: Path) -> Iterator[Sensor]:
    project = load_project({"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg"), "VDA_HOME": str(tmp_path)})
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(project.dataset("street"), instance)


def test_new_clips_are_added_and_observed_once(sensor: Sensor) -> None:
    sensor.put("a.mp4", "notes.txt")
    assert sensor.tick() == ["a.mp4"]
    assert sensor.partitions == ["a.mp4"]
    assert sensor.tick() == []

    sensor.put("b.mp4")
    assert sensor.tick() == ["b.mp4"]
    assert sensor.partitions == ["a.mp4", "b.mp4"]
    assert sensor.said == "2 clips looked at, 1 of them new or changed"


CHANGES: dict[str, Callable[[Sensor], None]] = {
    "later": lambda sensor: sensor.put("a.mp4", content=b"again", changed=NOW - 5),
    "an older file copied with its time": lambda sensor: sensor.put("a.mp4", content=b"older", changed=NOW - 9999),
    "an older file of the same size": lambda sensor: sensor.put("a.mp4", content=b"clop", changed=NOW - 9999),
    "a file of the same time": lambda sensor: sensor.put("a.mp4", content=b"longer"),
    "a file from the future": lambda sensor: sensor.put("a.mp4", content=b"clap", changed=NOW + 99_999),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("neighbour", [NOW - 60, NOW + 99_999], ids=["", "beside a file from the future"])
def test_a_changed_clip_is_observed_again_whatever_its_time_says(
    sensor: Sensor, change: Callable[[Sensor], None], neighbour: float
) -> None:
    sensor.put("a.mp4")
    sensor.put("b.mp4", changed=neighbour)
    assert sensor.tick() == ["a.mp4", "b.mp4"]
    change(sensor)
    assert sensor.tick() == ["a.mp4"]
    assert sensor.tick() == []
    assert sensor.partitions == ["a.mp4", "b.mp4"]


def test_a_clip_that_is_its_former_version_again_is_observed_again(sensor: Sensor) -> None:
    for content in (b"one", b"three", b"one"):
        sensor.put("a.mp4", content=content)
        assert sensor.tick() == ["a.mp4"]


def test_a_burst_of_clips_takes_several_ticks_of_bounded_answers(sensor: Sensor) -> None:
    names = sorted(f"{number % 7}/{number:04}.mp4" for number in range(1200))
    sensor.put(*names)
    ticks = []
    while not ticks or ticks[-1]:
        ticks.append(sensor.tick())
        assert len(sensor.cursor or "") < 10_000
        assert len(sensor.partitions) == sum(map(len, ticks)), "a clip is a partition as soon as it is reported"
        if len(ticks) == 1:
            assert "500 clips looked at" in sensor.said
            assert f"goes on behind {names[499]!r}" in sensor.said
    assert list(map(len, ticks)) == [MOST_REPORTED, MOST_REPORTED, 200, 0]
    assert [key.replace("=2F", "/") for keys in ticks for key in keys] == names
    assert sensor.said == "1200 clips looked at, 0 of them new or changed"


class SlowStorage(Storage):
    """Every object takes a while to come."""

    def __init__(self, clock: SimulatedClock, seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds

    def walk(self, url: StorageUrl, *, after: str = "", with_checksums: bool = False) -> Iterator[StoredObject]:
        for found in super().walk(url, after=after, with_checksums=with_checksums):
            self._clock.sleep(self._seconds)
            yield found


@pytest.mark.parametrize("seconds", [3.0, LISTING_SECONDS, 50.0])
@pytest.mark.parametrize("names", ["{:02}.mp4", "{:02}.webm", ".hidden/{:02}.mp4", "{:02},.mp4"])
def test_a_listing_slower_than_a_tick_comes_to_its_end_all_the_same(sensor: Sensor, seconds: float, names: str) -> None:
    sensor.storage = SlowStorage(sensor.clock, seconds)
    sensor.put(*(names.format(number) for number in range(20)), "z.mp4")
    reported: list[str] = []
    for _ in range(21):
        before = sensor.clock.monotonic()
        reported += sensor.tick()
        assert sensor.clock.monotonic() - before <= LISTING_SECONDS + 3 * seconds
        if '"after":""' in (sensor.cursor or ""):
            break
    assert reported[-1] == "z.mp4"
    assert sensor.partitions == sorted(reported)


@pytest.mark.parametrize("lost", [None, "no JSON", '{"version": 1, "newest": 5}', '{"version": 99}', "[]"])
def test_a_cursor_that_is_lost_costs_a_listing_and_no_clip(sensor: Sensor, lost: str | None) -> None:
    sensor.put(*(f"{number:04}.mp4" for number in range(700)))
    first = sensor.tick()
    sensor.cursor = lost
    assert sorted(first + sensor.tick()) == sensor.partitions
    assert len(sensor.partitions) == 700


@pytest.mark.parametrize("stored", [0, 1, 2], ids=["nothing", "one report", "all reports"])
def test_a_daemon_that_is_killed_while_it_stores_a_tick_loses_no_clip(sensor: Sensor, stored: int) -> None:
    sensor.put("a.mp4", "b.mp4")
    for event in list(sensor.evaluate().asset_events)[:stored]:
        sensor.instance.report_runless_asset_event(event)
    assert sensor.tick() == ["a.mp4", "b.mp4"]
    assert sensor.partitions == ["a.mp4", "b.mp4"]
    assert sensor.tick() == []


def test_a_clip_that_is_deleted_or_moved_keeps_its_partition(sensor: Sensor) -> None:
    sensor.put("a.mp4", "b.mp4")
    sensor.tick()
    (sensor.folder / "a.mp4").unlink()
    (sensor.folder / "b.mp4").rename(sensor.folder / "c.mp4")
    assert sensor.tick() == ["c.mp4"]
    (sensor.folder / "c.mp4").unlink()
    assert sensor.tick() == []
    assert sensor.partitions == ["a.mp4", "b.mp4", "c.mp4"]


def test_what_is_no_clip_is_told_when_it_changes_and_not_at_every_tick(sensor: Sensor) -> None:
    sensor.put("a.mp4", "b.webm", ".c.mp4", "d,.mp4", os.fsdecode(b"\xff.\xff"))
    sensor.tick()
    first, sensor.told = sensor.told, []
    assert [line for line in first if line.startswith("d,.mp4 is left out")]
    assert [line for line in first if line.startswith("skipped: 1 .webm file")]
    assert [line for line in first if line.startswith("skipped: 1 hidden file")]
    sensor.tick()
    assert sensor.told == []
    sensor.put("e.webm", "f.mp4")
    sensor.tick()
    assert [line for line in sensor.told if line.startswith("skipped: 2 .webm files")]


def test_what_is_left_out_is_told_in_few_lines(sensor: Sensor) -> None:
    sensor.put(*(f"{number:03},.mp4" for number in range(300)))
    sensor.tick()
    assert len(sensor.told) == 21
    assert sensor.told[-1] == "… and 280 more; `vda videos` names them"


@pytest.mark.parametrize("name", [b"\xff.webm", b"\x01\x02.webm", "ü\U0001f3a5.webm".encode(), b'"\\.webm'])
def test_no_name_breaks_the_cursor(sensor: Sensor, name: bytes) -> None:
    sensor.storage = SlowStorage(sensor.clock, 2 * LISTING_SECONDS)
    sensor.put(*(f"{os.fsdecode(name)}{number:04}.mp4.webm" for number in range(3)))
    for _ in range(4):
        sensor.tick()
        assert len(sensor.cursor or "") < 10_000


def delete(sensor: Sensor, *names: str) -> None:
    for name in names:
        (sensor.folder / name).unlink()


def wait(sensor: Sensor, seconds: float) -> None:
    sensor.clock.advance(seconds)
    sensor.tick()


def test_a_deleted_clip_is_forgotten_when_it_was_missed_for_long_enough(sensor: Sensor) -> None:
    sensor.put("a.mp4", "b.mp4", "c.mp4")
    sensor.tick()
    delete(sensor, "b.mp4")
    sensor.tick()
    assert sensor.said.endswith("; 1 is gone")
    wait(sensor, GONE_SECONDS - 1)
    assert sensor.partitions == ["a.mp4", "b.mp4", "c.mp4"]
    wait(sensor, 1)
    assert sensor.partitions == ["a.mp4", "c.mp4"]
    assert sensor.said.endswith("; forgotten: b.mp4")


def test_a_clip_that_comes_back_in_the_meantime_is_missed_anew_the_next_time(sensor: Sensor) -> None:
    sensor.put("a.mp4", "b.mp4", "c.mp4")
    sensor.tick()
    delete(sensor, "b.mp4")
    sensor.tick()
    sensor.put("b.mp4")
    wait(sensor, GONE_SECONDS)
    delete(sensor, "b.mp4")
    wait(sensor, GONE_SECONDS)
    assert "b.mp4" in sensor.partitions
    wait(sensor, GONE_SECONDS)
    assert "b.mp4" not in sensor.partitions


@pytest.mark.parametrize("left", [[], ["a.mp4"]])
def test_a_listing_that_shows_nothing_or_few_forgets_nothing(sensor: Sensor, left: list[str]) -> None:
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    sensor.put(*names)
    sensor.tick()
    delete(sensor, *({*names} - {*left}))
    for _ in range(3):
        wait(sensor, GONE_SECONDS)
    assert sensor.partitions == names


def test_a_clip_that_a_run_works_on_is_forgotten_only_when_that_has_ended(sensor: Sensor) -> None:
    sensor.put("a.mp4", "b.mp4", "c.mp4")
    sensor.tick()
    run = sensor.instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED)
    Neighbours(sensor.instance, run.run_id, dataset=sensor.dataset, selection=FLOWS["e2e"], keys=["b.mp4"])
    delete(sensor, "b.mp4")
    sensor.tick()
    wait(sensor, GONE_SECONDS)
    assert "b.mp4" in sensor.partitions
    sensor.instance.report_run_failed(run)
    sensor.tick()
    assert "b.mp4" not in sensor.partitions


def test_what_lies_behind_the_end_of_a_tick_is_not_missed(sensor: Sensor) -> None:
    names = [f"{number:04}.mp4" for number in range(MOST_REPORTED + 100)]
    sensor.put(*names)
    sensor.tick()
    assert len(sensor.partitions) == MOST_REPORTED
    sensor.tick()
    assert sensor.partitions == names
    sensor.put(*names[: MOST_REPORTED + 2], content=b"other")
    delete(sensor, names[-1], names[0])
    sensor.tick()
    assert sensor.said.endswith("; 1 is gone"), "the last one is behind the end of this tick"
    sensor.tick()
    assert sensor.said.endswith("; 2 are gone")


@dg.job
def _nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("of_another", "killed", "status"),
    [
        ({}, True, dg.DagsterRunStatus.FAILURE),
        ({}, False, dg.DagsterRunStatus.STARTED),
        ({HOST_TAG: "elsewhere"}, True, dg.DagsterRunStatus.STARTED),
        ({RUN_TAG: "the run that it is a copy of"}, True, dg.DagsterRunStatus.STARTED),
    ],
)
def test_a_tick_ends_runs_whose_process_on_this_machine_was_killed(
    sensor: Sensor, of_another: dict[str, str], killed: bool, status: dg.DagsterRunStatus
) -> None:
    @dg.job
    def job() -> None: ...

    run = sensor.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    process = subprocess.Popen(["sleep", "60"])
    began = psutil.Process(process.pid).create_time()
    tags = {HOST_TAG: socket.gethostname(), PROCESS_TAG: f"{process.pid} {began}", RUN_TAG: run.run_id}
    sensor.instance.add_run_tags(run.run_id, tags | of_another)
    try:
        if killed:
            process.kill()
            process.wait()
        sensor.tick()
        assert sensor.instance.get_run_by_id(run.run_id).status is status
    finally:
        process.kill()
        process.wait()

"""The exporter and the alerts at the books of a cluster: PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from vda_assets.project import load_project
from vda_assets.runs.names import FAILED_ALIKE, FAILURE
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.telemetry.alerts import GATHERED_SECONDS, Watch, Watched
from vda_assets.telemetry.books import Books
from vda_assets.telemetry.metrics import Metrics
from vda_assets_tests.cluster.deployed import BASE
from vda_assets_tests.end_to_end.world import DATASET, make_world
from vda_assets_tests.postgres import PostgresServer
from vda_assets_tests.telemetry.page import values
from vda_assets_tests.telemetry.ticking import tick, ticking


@pytest.fixture
def instance(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name, value in postgres.new_database().variables.items():
        monkeypatch.setenv(name, value)
    storage = yaml.safe_load((BASE / "dagster.yaml").read_text())["storage"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage, "telemetry": {"enabled": False}}))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def report(instance: dg.DagsterInstance, *clips: str) -> None:
    key = dg.AssetKey([DATASET, "original_labels"])
    for clip in clips:
        made = dg.AssetMaterialization(key, partition=clip, metadata={"verdict": "accepted", "gpu_seconds": 2.0})
        instance.report_runless_asset_event(made)
        tags = {DATA_VERSION_TAG: "x"}
        failed = dg.AssetObservation(key, partition=clip, metadata={FAILURE: "x", FAILED_ALIKE: 2}, tags=tags)
        instance.report_runless_asset_event(failed)


def test_events_runs_and_ticks_are_counted_by_one_connection_at_a_time(
    instance: dg.DagsterInstance, postgres: PostgresServer
) -> None:
    metrics = Metrics()
    books = Books(instance, {DATASET: DATASET}, metrics)
    report(instance, "before.mp4")
    sensor = ticking(instance, f"{DATASET}__uploads")
    books.read()()
    report(instance, "a.mp4", "b.mp4")
    tick(instance, sensor, time.time() + 1, 2.0)
    run = instance.create_run_for_job(dg.job(name="some")(lambda: None), tags={"dataset": DATASET})
    instance.report_run_failed(run, "x")
    before = postgres.connections()
    with postgres.most_connections() as most:
        put = books.read()
    put()
    told = values(metrics.page())
    assert told["vda_outputs_total"][DATASET, "original_labels", "accepted"] == 2
    assert told["vda_quarantined_total"][DATASET, "original_labels"] == 2
    assert told["vda_gpu_seconds_total"][DATASET, "original_labels"] == 4
    assert told["vda_runs_total"][DATASET, "failure"] == 1
    assert told["vda_ticks_total"] == {(f"{DATASET}__uploads", "skipped"): 1}
    # The server counts one that was closed for a moment longer.
    assert most[0] - before <= 2


def test_what_is_to_be_told_is_found(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    project = load_project(world.environment)
    watched, now = Watched(), time.time()
    assert Watch(instance, project, {}, "", now).alerts(watched) == []
    report(instance, "a.mp4")
    (alert,) = Watch(instance, project, {}, "", now + 60).alerts(watched)
    assert alert.title == f"{DATASET}: 1 output more in quarantine"
    assert Watch(instance, project, {}, "", now + GATHERED_SECONDS).alerts(watched) == []

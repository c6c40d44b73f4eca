"""The newest word on an output counts, be it a materialization or a failure."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.runs.names import asset_key
from vda_assets.runs.recording.materializing import failure_observation
from vda_assets.runs.status import status_of

DATASET = Dataset(url="s3://bucket/datasets/yard", deployment="local")
LABELS = asset_key(DATASET, Stage.ORIGINAL_LABELS)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def made(instance: dg.DagsterInstance, verdict: str, reasons: str = "-") -> None:
    metadata = {"verdict": verdict, "reasons": reasons}
    instance.report_runless_asset_event(dg.AssetMaterialization(LABELS, partition="a.mp4", metadata=metadata))


def failed(instance: dg.DagsterInstance, reason: str) -> None:
    instance.report_runless_asset_event(failure_observation(LABELS, "a.mp4", reason=reason, taken={}))


def state(instance: dg.DagsterInstance) -> tuple[str, str]:
    found = status_of(instance, DATASET, ["a.mp4"])["a.mp4"][Stage.ORIGINAL_LABELS]
    return found.state, found.reason


def test_what_nobody_made_is_missing(instance: dg.DagsterInstance) -> None:
    assert state(instance) == ("missing", "")


def test_a_verdict_comes_with_its_reason(instance: dg.DagsterInstance) -> None:
    made(instance, "accepted")
    assert state(instance) == ("accepted", "")
    made(instance, "rejected", "the gate scored 0.1")
    assert state(instance) == ("rejected", "the gate scored 0.1")


def test_a_failure_counts_until_the_output_is_made(instance: dg.DagsterInstance) -> None:
    made(instance, "accepted")
    failed(instance, "exit code 69: the endpoint was not ready")
    assert state(instance) == ("failed", "exit code 69: the endpoint was not ready")
    made(instance, "accepted")
    assert state(instance) == ("accepted", "")


def test_an_observation_of_somebody_else_says_nothing(instance: dg.DagsterInstance) -> None:
    made(instance, "accepted")
    instance.report_runless_asset_event(dg.AssetObservation(LABELS, partition="a.mp4", metadata={"looked": True}))
    assert state(instance) == ("accepted", "")


def test_a_comparison_has_no_verdict(instance: dg.DagsterInstance) -> None:
    key = asset_key(DATASET, Rendered.COMPARISONS)
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="a.mp4"))
    assert status_of(instance, DATASET, ["a.mp4"])["a.mp4"][Rendered.COMPARISONS].state == "done"

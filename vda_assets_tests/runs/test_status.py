"""The newest word on an output counts, be it a materialization or a failure; what changed since says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vda_assets.flows.stages import Rendered, Stage
from vda_assets.runs.names import PARTS, asset_key
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.materializing import shown_parts
from vda_assets.runs.status import OutputStatus, status_of
from vda_assets_tests.dagster_defs.asked import Asked
from vda_assets_tests.quick_results import change_yaml

LABELS, VIDEOS = Stage.ORIGINAL_LABELS, Stage.AUGMENTED_VIDEOS
CLIP = "a.mp4"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    with dg.DagsterInstance.ephemeral() as instance:
        asked = Asked(tmp_path, instance)
        asked.say(cookbook="city_traffic")
        asked.upload(CLIP)
        yield asked


def make(asked: Asked, output: Any, **metadata: object) -> None:
    """As a run records it."""
    item = asked.item(CLIP)
    event = dg.AssetMaterialization(
        asset_key(asked.scope.dataset, output),
        partition=CLIP,
        metadata={PARTS: shown_parts(item.parts[output]), **metadata},
        tags={DATA_VERSION_TAG: item.output_hashes[output]},
    )
    asked.instance.report_runless_asset_event(event)


def status(asked: Asked, output: Any = LABELS) -> OutputStatus:
    return status_of(asked.instance, asked.scope, [asked.item(CLIP).clip])[CLIP][output]


def said(asked: Asked, output: Any = LABELS) -> tuple[str, str]:
    found = status(asked, output)
    return found.state, found.reason


def test_what_nobody_made_is_missing(asked: Asked) -> None:
    assert said(asked) == ("missing", "")


def test_a_verdict_comes_with_its_reason(asked: Asked) -> None:
    make(asked, LABELS, verdict="accepted")
    assert said(asked) == ("accepted", "")
    make(asked, LABELS, verdict="rejected", reasons="the gate scored 0.1")
    assert said(asked) == ("rejected", "the gate scored 0.1")


def test_a_failure_counts_until_the_output_is_made(asked: Asked) -> None:
    make(asked, LABELS, verdict="accepted")
    asked.fail(CLIP, reason="exit code 69: the endpoint was not ready")
    assert said(asked) == ("failed", "exit code 69: the endpoint was not ready")
    asked.fail(CLIP, reason="exit code 69: the endpoint was not ready")
    assert said(asked)[0] == "quarantined"
    make(asked, LABELS, verdict="accepted")
    assert said(asked) == ("accepted", "")


def test_an_observation_of_somebody_else_says_nothing(asked: Asked) -> None:
    make(asked, LABELS, verdict="accepted")
    labels = asset_key(asked.scope.dataset, LABELS)
    for tags in (None, {DATA_VERSION_TAG: "somebody's"}):
        asked.instance.report_runless_asset_event(dg.AssetObservation(labels, partition=CLIP, tags=tags))
    assert said(asked) == ("accepted", "")


def test_a_comparison_has_no_verdict(asked: Asked) -> None:
    make(asked, Rendered.COMPARISONS)
    assert said(asked, Rendered.COMPARISONS) == ("done", "")


def newer_image(asked: Asked) -> None:
    path = asked.folder / "assets_cfg/deployments/local.yaml"
    change_yaml(path, lambda one: one["images"].update(auto_labeling="mirror/paidf-auto-labeling:1.0.0"))
    asked.say()


@pytest.mark.parametrize(
    ("change", "labels", "videos"),
    [
        (lambda asked: asked.upload(CLIP, version="2"), "another clip", "another clip"),
        (lambda asked: asked.say(cookbook="warehouse"), "another cookbook", "another cookbook, draw"),
        (newer_image, "another container", None),
    ],
)
def test_what_was_made_of_something_else_says_what_changed(
    asked: Asked, change: Any, labels: str, videos: str | None
) -> None:
    for output in (LABELS, VIDEOS):
        make(asked, output, verdict="accepted")
    change(asked)
    assert said(asked) == ("changed", f"{labels} than it was made from")
    assert said(asked, VIDEOS) == (("changed", f"{videos} than it was made from") if videos else ("accepted", ""))


def test_of_what_an_older_version_made_it_is_not_known_what_changed(asked: Asked) -> None:
    asked.make(CLIP)
    asked.upload(CLIP, version="2")
    assert said(asked) == ("changed", "it is not known what it was made from")

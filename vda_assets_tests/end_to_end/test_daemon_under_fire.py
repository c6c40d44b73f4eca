"""The daemon, its code server and runs are killed while clips come in: all of it ends, and nothing is made twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.flows.stages import OUTPUTS
from vda_assets.runs.recording.tries import MOST_TRIES
from vda_assets.runs.standing import Stand
from vda_assets_tests.end_to_end.fire import Ashes, set_fire

CLIPS = 40

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def ashes(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Ashes:
    return set_fire(tmp_path_factory.mktemp("fire") / "world", quick_results, clips=CLIPS)


def test_every_clip_ends_made_or_quarantined_with_its_reason(ashes: Ashes) -> None:
    assert {"a run", "a code server", "the daemon"} <= set(ashes.killed)
    assert ashes.stands == {clip: Stand.QUARANTINED if clip in ashes.failing else Stand.MADE for clip in ashes.clips}
    assert set(ashes.reasons) == ashes.failing
    assert all("told to fail" in reason for reason in ashes.reasons.values())


def test_each_output_of_each_clip_is_made_once(ashes: Ashes) -> None:
    good = ashes.clips - ashes.failing
    assert dict(ashes.made) == {(clip, output): 1 for clip in good for output in OUTPUTS}


def test_osmo_was_sent_one_workflow_per_clip_and_one_for_each_further_try_of_a_failing_one(ashes: Ashes) -> None:
    assert dict(ashes.workflows) == {clip: MOST_TRIES if clip in ashes.failing else 1 for clip in ashes.clips}
    assert ashes.foreign_workflows == 0

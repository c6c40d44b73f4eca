"""The daemon, its code server and runs are killed while clips come in: all of it ends, and nothing is made twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets.flows.stages import Stage
from vda_assets.runs.recording.tries import MOST_TRIES
from vda_assets.runs.standing import Stand
from vda_assets_tests.end_to_end.fire import Ashes, set_fire

CLIPS = 16

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def ashes(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Ashes:
    return set_fire(tmp_path_factory.mktemp("fire") / "world", quick_results, clips=CLIPS)


def test_every_clip_ends_made_or_quarantined_with_its_reason(ashes: Ashes) -> None:
    assert {"a run", "a code server", "the daemon"} <= set(ashes.killed)
    assert ashes.stands == {clip: Stand.QUARANTINED if clip in ashes.failing else Stand.MADE for clip in ashes.clips}
    assert set(ashes.reasons) == ashes.failing
    assert all("told to fail" in reason for reason in ashes.reasons.values())


def test_each_output_of_each_clip_is_made_by_one_workflow(ashes: Ashes) -> None:
    assert {(clip, stage) for clip in ashes.clips - ashes.failing for stage in Stage} == set(ashes.made)
    assert {len(workflows) for workflows in ashes.made.values()} == {1}


def test_osmo_was_sent_one_workflow_per_clip_and_one_for_each_further_try_of_a_failing_one(ashes: Ashes) -> None:
    good = ashes.clips - ashes.failing
    assert {clip: ashes.workflows[clip] for clip in good} == dict.fromkeys(good, 1)
    # A try whose run was killed before it could say so does not count.
    most = MOST_TRIES + ashes.killed.count("a run")
    assert all(MOST_TRIES <= ashes.workflows[clip] <= most for clip in ashes.failing)
    assert ashes.foreign_workflows == 0

"""The time overview: what is ahead, from the reference's minutes or from the dataset's own workflows."""

from __future__ import annotations

import pytest

from vda_assets.flows.selection import FLOWS
from vda_assets.readiness.finding import blocking, cold, note, ready
from vda_assets.readiness.outlook import History, Outlook, sample_of
from vda_assets.readiness.overview import time_overview

CACHE, ENDPOINT = "model cache cosmos_transfer", "endpoint vlm"
ONE = Outlook(1, 1)


@pytest.mark.parametrize(
    ("flow", "total"), [("auto_labeling", (8, 20)), ("e2e", (24, 45)), ("augmentation_and_al", (22, 40))]
)
def test_a_warm_start_takes_the_minutes_of_its_flow(flow: str, total: tuple[int, int]) -> None:
    overview = time_overview(FLOWS[flow], [ready(CACHE, ""), note(ENDPOINT, "")], ONE, stand_in=False)
    assert overview.warm
    assert overview.total_minutes == total


@pytest.mark.parametrize(
    ("findings", "total"),
    [
        ([cold(CACHE, "")], (39, 70)),
        ([cold(ENDPOINT, "")], (34, 60)),
        ([blocking(ENDPOINT, "")], (34, 60)),
        # They are made at the same time.
        ([cold(CACHE, ""), cold(ENDPOINT, "")], (39, 70)),
    ],
)
def test_what_is_cold_is_made_first(findings: list, total: tuple[int, int]) -> None:
    overview = time_overview(FLOWS["e2e"], findings, ONE, stand_in=False)
    assert not overview.warm
    assert overview.total_minutes == total
    assert "cold: caches or endpoints must be made first" in overview.lines()[0]


def test_clips_share_the_pool_and_come_one_round_after_the_other() -> None:
    overview = time_overview(FLOWS["e2e"], [], Outlook(33, 16), stand_in=False)
    assert overview.phases[-1] == ("e2e", 66, 120)


@pytest.mark.parametrize(("frames", "longer"), [(93, 0), (186, 0), (187, 9), (930, 68)])
def test_a_longer_clip_takes_longer_to_augment_and_not_to_label(frames: int, longer: int) -> None:
    outlook = Outlook(1, 1, mean_seconds=frames / 30, mean_frames=frames)
    augmented = time_overview(FLOWS["e2e"], [], outlook, stand_in=False).phases[-1]
    labelled = time_overview(FLOWS["auto_labeling"], [], outlook, stand_in=False).phases[-1]
    assert augmented[1] == 22 + longer
    assert labelled[1] == 6


def test_the_datasets_own_workflows_count_as_soon_as_there_are_some() -> None:
    overview = time_overview(FLOWS["e2e"], [], Outlook(4, 2, history=History(12, (3.2, 4.6))), stand_in=True)
    assert overview.phases[-1] == ("e2e", 7, 10)
    assert "(from 12 workflows of this dataset)" in overview.lines()[-2]


def test_it_says_how_many_clips_of_what_length_and_how_many_gpus_are_free() -> None:
    outlook = Outlook(3, 2, mean_seconds=12.04, mean_frames=361, free_gpus=4)
    said = time_overview(FLOWS["e2e"], [], outlook, stand_in=False).lines()
    assert said[0].startswith("Time overview for 3 clips of 12.0 s each, 2 at once, 4 GPUs free (warm")


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 100_000])
def test_only_a_few_clips_are_opened_from_all_over_the_dataset(count: int) -> None:
    sample = sample_of(range(count))
    assert len(sample) == min(count, 8) or 4 < len(sample) <= 8
    assert count < 9 or sample[-1] > count / 2

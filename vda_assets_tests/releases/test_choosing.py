"""What is never released, whatever else is good; what a person may ask for; and where each clip goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from vda_assets.config.dataset import VerdictPolicy
from vda_assets.datasets.clips import Clip
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.releases.candidates import Candidate
from vda_assets.releases.choosing import LeftOut, Pick, Wanted, choose
from vda_assets.releases.layout import released_name
from vda_assets.releases.splits import SHARES, split_of
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.releases.made import LABELS, ORIGINAL, VIDEOS, books_of, changed

DEGRADED = frozenset({Verdict.DEGRADED})
RAIN, CLEAR = {"weather": "rain"}, {"weather": "clear"}


def candidate(key: str = "a.mp4", *, drawn: Any = (RAIN,)) -> Candidate:
    clip = Clip(key, StorageUrl.parse(f"s3://b/datasets/yard/{key}"), 1, "etag", 0.0)
    return Candidate(clip, books_of(clip, drawn))


def picked(one: Candidate, **said: Any) -> set[str]:
    """`original`, and the indexes of what is released of it."""
    picks = [pick for pick in choose(one, Wanted(**said)) if isinstance(pick, Pick)]
    return {str(pick.draw.index) if pick.draw else "original" for pick in picks}


def reasons(one: Candidate, **said: Any) -> list[str]:
    return [left.reason for left in choose(one, Wanted(**said)) if isinstance(left, LeftOut)]


def test_an_accepted_clip_is_released_with_all_that_was_made_of_it() -> None:
    assert picked(candidate(drawn=(RAIN, CLEAR))) == {"original", "0", "1"}


@pytest.mark.parametrize("said", ["rejected", "unverified", "failed", "quarantined", "missing"])
@pytest.mark.parametrize(("stage", "left"), [(ORIGINAL, {"0"}), (VIDEOS, {"original"}), (LABELS, {"original"})])
@pytest.mark.parametrize("verdicts", [set(), set(Verdict)])
def test_what_is_not_good_is_never_released_even_if_somebody_asks(
    said: str, stage: Stage, left: set[str], verdicts: set[Verdict]
) -> None:
    is_made = said in set(Verdict)
    bad = changed(candidate(), stage, said=said, is_made=is_made)
    assert picked(bad, verdicts=frozenset(verdicts)) == left
    assert [said in reason for reason in reasons(bad, verdicts=frozenset(verdicts))] == [True]


def test_degraded_labels_are_released_when_that_is_said_and_the_dataset_s_policy_passes_them() -> None:
    bad = changed(candidate(), LABELS, said="degraded")
    assert picked(bad) == {"original"}
    assert picked(bad, verdicts=DEGRADED) == {"original", "0"}
    assert picked(bad, verdicts=DEGRADED, policy=VerdictPolicy(degraded="flag")) == {"original"}


@pytest.mark.parametrize(
    ("stage", "said", "reason"),
    [
        (LABELS, {"parent": "rejected"}, "its labels, of a clip that is rejected"),
        (LABELS, {"has_doubts": True}, "answers do not fit what was drawn"),
        (LABELS, {"stand_in": True}, "a stand-in's"),
        (VIDEOS, {"stand_in": True}, "a stand-in's"),
        (VIDEOS, {"made_from": {"clip": "an older one"}}, "made of another version of the clip"),
        (LABELS, {"made_from": {"clip of augmented_videos": "an older one"}}, "labels are of another augmented video"),
    ],
)
def test_labels_are_worth_no_more_than_what_they_are_of(stage: Stage, said: dict[str, Any], reason: str) -> None:
    bad = changed(candidate(), stage, **said)
    assert picked(bad) == {"original"}
    assert reason in reasons(bad)[0]


def test_labels_of_a_clip_that_was_replaced_since_are_not_released_with_it() -> None:
    bad = changed(candidate(), ORIGINAL, made_from={"clip": "an older one"})
    assert picked(bad) == {"0"}


def test_stand_ins_are_released_when_that_is_said() -> None:
    bad = candidate()
    for stage in Stage:
        bad = changed(bad, stage, stand_in=True)
    assert picked(bad) == set()
    assert picked(bad, with_stand_ins=True) == {"original", "0"}


def test_values_that_must_have_been_drawn_leave_out_all_others_and_the_originals() -> None:
    both = candidate(drawn=(RAIN, CLEAR))
    assert picked(both, where={"weather": "clear"}) == {"1"}
    assert picked(both, where={"weather": "clear", "light": "dim"}) == set()


def test_a_source_stays_in_its_split_when_the_dataset_grows_and_the_splits_keep_their_shares() -> None:
    splits = {key: split_of(key) for key in (f"clip{number}.mp4" for number in range(3000))}
    counts = Counter(splits.values())
    assert {name: round(count / 3000, 1) for name, count in counts.items()} == SHARES
    assert {key: split_of(key) for key in list(splits)[::7]} == {key: splits[key] for key in list(splits)[::7]}
    (split,) = {pick.split for pick in choose(candidate(drawn=(RAIN, CLEAR)), Wanted()) if isinstance(pick, Pick)}
    assert split == splits.get("a.mp4", split_of("a.mp4"))


def test_no_two_videos_have_one_name_not_even_where_case_does_not_count() -> None:
    keys = ["a.mp4", "A.mp4", "a_aug0.mp4", "a-original.mp4", "a.mov.mp4", "a=2Faug0.mp4"]
    names = [released_name(key, key.rpartition(".")[0], index) for key in keys for index in (None, 0, 1)]
    assert len({name.casefold() for name in names}) == len(names)

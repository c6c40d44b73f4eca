"""What lacks of the wanted distribution is asked for once, kept in the books like a clip, made, and released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.cookbooks.draw import draws_for
from vda_assets.datasets.clips import Clip
from vda_assets.flows.planning import Item
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import load_project
from vda_assets.releases.choosing import LeftOut, Pick, Wanted, choose
from vda_assets.runs.asking import UNFINISHED
from vda_assets.runs.attempts import item_at
from vda_assets.runs.covering import Cover, cover, further_standing
from vda_assets.runs.names import asset_key
from vda_assets.runs.recording.materializing import failure_observation
from vda_assets.runs.recording.tries import FailedTry, ask_again
from vda_assets.runs.releasing import candidates
from vda_assets.runs.standing import Stand, further_in_books, standings, worst_of
from vda_assets_tests.as_drawn import VARIABLES
from vda_assets_tests.end_to_end.world import make_world
from vda_assets_tests.quick_results import have_drawn
from vda_assets_tests.releases.made import LABELS, VIDEOS
from vda_assets_tests.runs.test_releasing import Books

E2E = FLOWS["e2e"]
PATHS = [f"{name}.mp4" for name in "abcdefgh"]


class Dataset(Books):
    """Eight clips, all labelled; of the last three the augmented clip is rejected, all else is accepted."""

    def make_all(self) -> None:
        self.items = [self.make(path) for path in PATHS]
        for item in self.items[5:]:
            self.record(item, VIDEOS, Verdict.REJECTED)
        self.all = [item.clip for item in self.items]

    def cover(self, limit: int | None = None) -> Cover:
        return cover(self.instance, self.scope, E2E, self.all, limit=limit)

    def ask(self, clips: Sequence[Clip]) -> None:
        for clip in clips:
            ask_again(self.instance, self.scope.dataset, VIDEOS, clip.key)

    def further(self, clip: Clip) -> Item:
        return item_at(clip, self.scope, 1, super_resolution=False)

    def accept(self, clip: Clip) -> None:
        for stage in (VIDEOS, LABELS):
            self.record(self.further(clip), stage)

    def fail_often(self, clip: Clip, tries: int) -> None:
        key = asset_key(self.scope.dataset, VIDEOS)
        first = FailedTry.first(self.further(clip).output_hashes[VIDEOS], "no track", is_own=True)
        failed = FailedTry(first.of, first.cause, tries)
        event = failure_observation(key, clip.key, reason="no track", failed=failed, taken={})
        self.instance.report_runless_asset_event(event)

    def chosen(self) -> list[Pick | LeftOut]:
        found = candidates(self.instance, self.scope, self.all)
        return [one for candidate in found for one in choose(candidate, Wanted())]

    def picks(self) -> list[Pick]:
        return [one for one in self.chosen() if isinstance(one, Pick)]

    def stands(self, clips: Sequence[Clip]) -> set[Stand]:
        found = standings(self.instance, self.scope, [VIDEOS, LABELS], clips)
        return {worst_of(of) for of in found.values()}


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    world = make_world(tmp_path)
    have_drawn(world, VARIABLES)
    with dg.DagsterInstance.ephemeral() as instance:
        dataset = Dataset(world, load_project(world.environment), instance)
        dataset.make_all()
        yield dataset


def keys(clips: Sequence[Clip]) -> list[str]:
    return [clip.key for clip in clips]


def test_what_lacks_is_chosen_by_the_rule_of_all_draws_and_asks_for_nothing_yet(dataset: Dataset) -> None:
    found = dataset.cover()
    assert found.is_new
    assert found.clips
    distribution = dataset.scope.cookbook.distribution
    for clip, draw in zip(found.clips, found.draws, strict=True):
        assert clip.key == f"{draw.video}.mp4=aug{draw.index}"
        assert draws_for(distribution, draw.video, further=draw.index) == (draw,)
        assert dataset.further(clip).draws == (draw,)
    assert all(one.accepted + one.chosen >= int(one.wanted) for one in found.lacking)
    assert dataset.cover() == found
    few = dataset.cover(limit=2)
    assert few.clips == found.clips[:2]
    assert further_in_books(dataset.instance, dataset.scope.dataset, dataset.all) == []


def test_clips_of_which_nothing_is_accepted_are_not_augmented_further(dataset: Dataset) -> None:
    for item in dataset.items[1:]:
        for stage in Stage:
            dataset.record(item, stage, Verdict.REJECTED)
    assert {clip.video for clip in dataset.cover().clips} == {"a"}
    for stage in Stage:
        dataset.record(dataset.items[0], stage, Verdict.REJECTED)
    found = dataset.cover()
    assert (found.clips, found.sources) == ([], 0)


def test_what_was_asked_for_is_made_before_anything_else_is_chosen(dataset: Dataset) -> None:
    asked = dataset.cover(limit=3).clips
    dataset.ask(asked)
    left = dataset.cover()
    assert (keys(left.clips), left.is_new, list(left.lacking)) == (keys(asked), False, [])
    assert [draw.index for draw in left.draws] == [clip.further for clip in asked]
    dataset.accept(asked[0])
    dataset.fail_often(asked[1], 1)
    assert keys(dataset.cover().clips) == keys(asked[1:])
    assert keys(dataset.cover(limit=1).clips) == keys(asked[1:2])
    dataset.record(dataset.further(asked[1]), VIDEOS)
    assert keys(dataset.cover().clips) == keys(asked[1:]), "its labels are not there yet"


@pytest.mark.parametrize("ended", ["rejected", "labels with doubts", "failed alike twice"])
def test_what_came_to_nothing_is_not_asked_for_again_and_another_draw_takes_its_place(
    dataset: Dataset, ended: str
) -> None:
    first = dataset.cover(limit=1)
    (asked,) = first.clips
    dataset.ask([asked])
    if ended == "rejected":
        dataset.record(dataset.further(asked), VIDEOS, Verdict.REJECTED)
        dataset.record(dataset.further(asked), LABELS)
    elif ended == "failed alike twice":
        dataset.fail_often(asked, 2)
    else:
        dataset.record(dataset.further(asked), VIDEOS)
        dataset.record(dataset.further(asked), LABELS, doubts=("meant to be rain, answered 'clear'",))
    then = dataset.cover(limit=1)
    assert then.is_new
    assert then.clips != first.clips
    assert then.lacking[0].values == first.lacking[0].values
    assert then.lacking[0].accepted == first.lacking[0].accepted


def test_what_is_accepted_is_covered_and_released_beside_its_source(dataset: Dataset) -> None:
    before = Counter(pick.candidate.clip.key for pick in dataset.picks())
    asked = dataset.cover().clips
    for clip in asked:
        dataset.accept(clip)
    assert dataset.cover() == Cover([], [], is_new=True, lacking=[], sources=8)
    after = [pick for pick in dataset.picks() if pick.draw and pick.draw.index > 0]
    assert {(pick.candidate.clip.video, pick.draw.index) for pick in after if pick.draw} == {
        (clip.video, clip.further) for clip in asked
    }
    assert len(dataset.picks()) == sum(before.values()) + len(asked)
    for pick in after:
        assert pick.name.endswith(f"-aug{pick.draw.index if pick.draw else ''}")
        (source,) = [one for one in dataset.picks() if one.candidate.clip == pick.candidate.clip and not one.draw]
        assert (pick.split, pick.name.rpartition("-")[0]) == (source.split, source.name.rpartition("-")[0])


def test_what_is_not_finished_is_left_out_of_a_release_and_told_by_its_index(dataset: Dataset) -> None:
    (asked,) = dataset.cover(limit=1).clips
    dataset.ask([asked])
    left = [one for one in dataset.chosen() if isinstance(one, LeftOut)]
    assert LeftOut(f"{asked.path}, augmented {asked.further}", "its video: missing") in left


def test_a_clip_stands_as_it_stood_whatever_becomes_of_its_further_augmentations(dataset: Dataset) -> None:
    accepted, failed, pending = dataset.cover(limit=3).clips
    dataset.ask([accepted, failed, pending])
    dataset.accept(accepted)
    dataset.fail_often(failed, 1)
    assert dataset.stands(dataset.all) == {Stand.MADE}
    assert [dataset.stands([one]) for one in (accepted, failed, pending)] == [
        {Stand.MADE}, {Stand.FAILED}, {Stand.MISSING},
    ]  # fmt: skip


def test_a_changed_clip_has_its_further_augmentations_made_again(dataset: Dataset) -> None:
    (asked,) = dataset.cover(limit=1).clips
    dataset.accept(asked)
    changed = frozenset({Stand.CHANGED})
    assert further_standing(dataset.instance, dataset.scope, E2E, dataset.all, changed) == []
    dataset.all = [dataset.clips.upload(path, frames=3 if path == asked.path else 6) for path in PATHS]
    found = further_standing(dataset.instance, dataset.scope, E2E, dataset.all, changed)
    assert keys(found) == [asked.key]
    assert dataset.cover(limit=1).is_new, "it was not asked for anew"
    released = {(pick.candidate.clip.key, pick.draw.index) for pick in dataset.picks() if pick.draw}
    assert not released & {(asked.path, 0), (asked.path, asked.further)}


def test_an_index_that_the_cookbook_asks_for_by_now_is_the_clip_s_own(dataset: Dataset) -> None:
    clip = dataset.all[0].augmented_further(2)
    dataset.accept(clip)
    dataset.ask([dataset.all[1].augmented_further(2)])
    workflow_config = dataset.world.folder / "assets_cfg/cookbooks/city_traffic/workflow_config.yaml"
    workflow_config.write_text(workflow_config.read_text().replace("n_augmentations: 1", "n_augmentations: 3"))
    dataset.project = load_project(dataset.world.environment)
    dataset.scope = dataset.project.scope_of(dataset.scope.dataset)
    for stands in (UNFINISHED, frozenset({Stand.CHANGED})):
        assert further_standing(dataset.instance, dataset.scope, E2E, dataset.all, stands) == []
    assert ("a.mp4", 2) in {(one.candidate.clip.key, one.draw.index) for one in dataset.picks() if one.draw}
    own = dataset.make("a.mp4")
    dataset.all[0] = own.clip
    assert len(own.draws) == 3
    of_a = [one.draw.index for one in dataset.picks() if one.draw and one.candidate.clip.key == "a.mp4"]
    assert of_a == [0, 1, 2], "each once"

"""What Dagster's books say of clips is what a release is made of, by a command or by the asset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vda_assets.cookbooks.draw import draws_for
from vda_assets.dagster_defs.build import build_definitions
from vda_assets.datasets.clips import key_of, video_of
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.project import Project, Scope, load_project
from vda_assets.releases.candidates import Candidate
from vda_assets.runs.attempts import item_at
from vda_assets.runs.names import IMAGE, asset_key
from vda_assets.runs.recording.materializing import failure_observation, stage_materialization
from vda_assets.runs.recording.tries import FailedTry, ask_again
from vda_assets.runs.releasing import candidates
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets_tests.end_to_end.world import DATASET, World, make_world
from vda_assets_tests.releases.made import LABELS, ORIGINAL, RUN, VIDEOS, MadeClips


@dataclass
class Books:
    """A world whose clips have outputs in storage and in Dagster's books, as a run would have left them."""

    world: World
    project: Project
    instance: dg.DagsterInstance

    def __post_init__(self) -> None:
        self.scope: Scope = self.project.scope_of(self.project.dataset(DATASET))
        self.clips = MadeClips(Storage(), self.scope.dataset.storage_url, DATASET)

    def make(self, path: str, *, attempt: int = 1, **worth: Any) -> Item:
        """`worth` is what the judgements say besides, by stage."""
        draws = draws_for(self.scope.cookbook.distribution, video_of(key_of(path)))
        made = self.clips.add(path, drawn=[dict(draw.sampled_vars) for draw in draws])
        item = item_at(made.clip, self.scope, attempt, super_resolution=False)
        for stage in Stage:
            self.record(item, stage, **worth.get(stage.name, {}))
        return item

    def record(self, item: Item, stage: Stage, verdict: Verdict = Verdict.ACCEPTED, **said: Any) -> None:
        dataset = self.scope.dataset
        layout = RunLayout(dataset.storage_url, dataset.name, RUN)
        facts = {"size_bytes": 1, "files": 1} | ({"parent_verdict": "accepted"} if stage is LABELS else {})
        event = stage_materialization(
            asset_key(dataset, stage),
            item,
            stage,
            layout=layout,
            urls=[layout.root],
            judgements=[replace(Judgement(verdict, facts=facts | said.pop("facts", {})), **said)],
            workflow_id="vda-0a1b2c3d-1",
            made_with={IMAGE: "c@sha256:12"},
            link=lambda _: None,
            taken={},
        )
        self.instance.report_runless_asset_event(event)

    def fail(self, item: Item, stage: Stage) -> None:
        key, failed = asset_key(self.scope.dataset, stage), FailedTry.first(item.output_hashes[stage], "x", is_own=True)
        event = failure_observation(key, item.clip.key, reason="x", failed=failed, taken={})
        self.instance.report_runless_asset_event(event)

    def candidate(self, item: Item) -> Candidate:
        (found,) = candidates(self.instance, self.scope, [item.clip])
        return found


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    world = make_world(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Books(world, load_project(world.environment), instance)


@pytest.fixture
def kept_books(tmp_path: Path) -> Iterator[Books]:
    """On disk, for other processes."""
    world = make_world(tmp_path)
    with world.instance() as instance:
        yield Books(world, load_project(world.environment), instance)


def test_the_books_say_of_each_output_what_it_is_worth_and_what_it_was_made_of(books: Books) -> None:
    item = books.make("a.mp4", attempt=2, AUGMENTED_LABELS={"doubts": ("answered 'clear'",), "stand_in": True})
    found = books.candidate(item)
    labels, videos = found.of(LABELS), found.of(VIDEOS)
    assert (labels.said, labels.parent, labels.has_doubts, labels.stand_in) == ("accepted", "accepted", True, True)
    assert (videos.said, videos.has_doubts, videos.stand_in, videos.attempt) == ("accepted", False, False, 2)
    assert (videos.run_id, videos.workflow, videos.image) == (RUN, "vda-0a1b2c3d-1", "c@sha256:12")
    assert videos.made_from["clip"] == item.clip.version
    assert found.draws() == list(item.draws)


def test_the_newest_word_counts_be_it_a_verdict_a_failure_or_a_wish(books: Books) -> None:
    item = books.make("a.mp4")
    books.record(item, ORIGINAL, Verdict.REJECTED)
    books.fail(item, VIDEOS)
    ask_again(books.instance, books.scope.dataset, LABELS, item.clip.key)
    found = books.candidate(item)
    assert [(found.of(stage).said, found.of(stage).is_made) for stage in Stage] == [
        ("rejected", True), ("failed", False), ("missing", False),
    ]  # fmt: skip


def test_of_a_clip_of_which_nothing_was_made_nothing_is_known(books: Books) -> None:
    clip = books.clips.upload("a.mp4")
    (found,) = candidates(books.instance, books.scope, [clip])
    assert {found.of(stage).said for stage in Stage} == {"missing"}


def test_a_release_is_made_by_command_and_stands_in_the_books(kept_books: Books) -> None:
    books = kept_books
    books.make("a.mp4")
    rejected = books.make("b.mp4")
    books.record(rejected, ORIGINAL, Verdict.DEGRADED)
    books.record(rejected, VIDEOS, Verdict.REJECTED)
    vda = books.world.vda
    shown = vda("release", "--dataset", DATASET, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "1 original, 1 augmented" in shown.stdout
    assert "left out: 1 x its labels: degraded" in shown.stdout
    assert "left out: 1 x its video: rejected" in shown.stdout
    assert not (books.world.clips.parents[1] / "releases").exists()
    made = vda("release", "--dataset", DATASET, "--version", "v1")
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == str(books.scope.dataset.storage_url / f"releases/{DATASET}/v1")
    assert "2 videos of 1 clip" in made.stderr
    event = books.instance.get_latest_materialization_event(asset_key(books.scope.dataset, "release"))
    metadata = event.asset_materialization.metadata
    assert (metadata["version"].value, metadata["videos"].value, metadata["augmented"].value) == ("v1", 2, 1)
    assert metadata["dagster/uri"].value == made.stdout.strip()
    video = next((books.world.clips.parents[1] / f"releases/{DATASET}/v1/videos").rglob("*aug0.mp4"))
    row = json.loads(vda("trace", str(video), "--json").stdout)
    assert (row["source_key"], row["augmentation_run"], row["cookbook"]) == ("a.mp4", RUN, "city_traffic")
    lines = dict(line.split("\t") for line in vda("trace", str(video)).stdout.splitlines())
    assert lines["release"] == f"{DATASET} v1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--where", "weather=snow"), "--where 'weather=snow' is none of weather=clear|overcast|rain; time_of_day="),
        (("--verdict", "rejected"), "'rejected' is not one of 'accepted', 'degraded'"),
        (("--version", "a/b"), "version 'a/b' must be 1 to 63"),
    ],
)
def test_what_cannot_be_released_is_one_error_that_says_what_to_say(
    wordless: World, arguments: tuple[str, ...], said: str
) -> None:
    done = wordless.vda("release", "--dataset", DATASET, *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.fixture(scope="module")
def wordless(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which nothing was ever made."""
    return make_world(tmp_path_factory.mktemp("world"))


def test_a_release_is_made_by_the_asset(books: Books) -> None:
    books.make("a.mp4")
    release = asset_key(books.scope.dataset, "release")
    job = build_definitions(books.project).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=books.instance, asset_selection=[release], raise_on_error=False)
    assert result.success
    (materialization,) = result.asset_materializations_for_node("local__releases")
    version = materialization.metadata["version"].value
    assert (books.world.clips.parents[1] / f"releases/{DATASET}/CURRENT").read_text() == f"{version}\n"
    assert materialization.metadata["splits"].value == {"train": 2, "val": 0, "test": 0}
    assert materialization.metadata["sources"].value == 1


def test_the_asset_ends_with_the_reason_when_nothing_is_accepted(books: Books) -> None:
    release = asset_key(books.scope.dataset, "release")
    job = build_definitions(books.project).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=books.instance, asset_selection=[release], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "nothing of street is accepted" in failure.step_failure_data.user_failure_data.description

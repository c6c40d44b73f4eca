"""What a report tells of clips is what Dagster's books say of them, and what lies in the bucket."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from vda_assets.config.errors import UnknownName
from vda_assets.dagster_defs.assets.report import report_assets
from vda_assets.flows.stages import OUTPUTS, Output, Rendered, Stage
from vda_assets.runs.names import asset_key
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets.runs.reporting import Report, report_on
from vda_assets.runs.resources import deployment_resources
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.cli.project import DATASET, project_on
from vda_assets_tests.dagster_defs.asked import Asked
from vda_assets_tests.storage.emulators import secrets_of

RUN = "run-0a1b2c3d"
COUNTS = [{"frames": 10, "frames_with_objects": 4, "objects": {"car": 2}}]
BASE_VIDEOS = {"run_id": RUN, "sampled_vars": {"1": {"weather": "snow"}, "0": {"weather": "rain"}}}


class World(Asked):
    """Books and bucket of a dataset; `note` adds what a run would have recorded of one output."""

    @property
    def storage(self) -> Storage:
        return self.project.storage_of(self.scope.deployment, {})

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.scope.dataset.storage_url, self.scope.dataset.name, RUN)

    def put(self, *paths: str) -> None:
        for path in paths:
            self.storage.write_bytes(self.scope.dataset.dataset_url / path, b"clip")

    def note(self, key: str, output: Output, verdict: str = "", **metadata: Any) -> dg.AssetMaterialization:
        version = OutputVersion(self.item(key).output_hashes[output], verdict=verdict)
        asset = asset_key(self.scope.dataset, output)
        tags = {DATA_VERSION_TAG: str(version)}
        return dg.AssetMaterialization(asset, partition=key, metadata=metadata, tags=tags)

    def videos(self, key: str, verdict: str = "accepted", *, attempt: str = "") -> dg.AssetMaterialization:
        uri = self.layout.output("outputs/augmented", f"{key.removesuffix('.mp4')}_aug0{attempt}")
        return self.note(key, Stage.AUGMENTED_VIDEOS, verdict, **{**BASE_VIDEOS, "dagster/uri": str(uri)})

    def tell(self, *events: dg.AssetMaterialization) -> None:
        for event in events:
            self.instance.report_runless_asset_event(event)

    def report(self, **asked: Any) -> tuple[Report, dict[str, Any]]:
        found = report_on(self.instance, self.scope, self.storage, **asked)
        page = Path(found.page.removeprefix("file://"))
        return found, json.loads((page.parent / "report.json").read_text())

    def clip(self, key: str = "a.mp4") -> dict[str, Any]:
        return next(clip for clip in self.report()[1]["clips"] if clip["clip"] == key)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance)
        world.say(cookbook="city_traffic")
        world.put("a.mp4")
        world.upload("a.mp4")
        yield world


def test_each_output_comes_with_its_verdict_its_reason_and_what_it_took(world: World) -> None:
    taken = {"gpu_seconds": 90.0, "cost": 0.25, "currency": "EUR"}
    world.tell(
        world.note("a.mp4", Stage.ORIGINAL_LABELS, "degraded", reasons="no events", label_counts=COUNTS, **taken),
        world.note("a.mp4", Stage.AUGMENTED_LABELS, "accepted", doubts="meant to be rain; meant to be noon", **taken),
        world.note("a.mp4", Rendered.COMPARISONS, run_id=RUN),
    )
    clip = world.clip()
    assert (clip["verdict"], clip["gpu_seconds"], clip["costs"]) == ("degraded", 180.0, {"EUR": 0.5})
    labels = clip["outputs"]["original_labels"]
    assert (labels["state"], labels["reason"], labels["labels"]["tracks"]) == ("degraded", "no events", {"car": 2})
    assert clip["outputs"]["comparisons"]["state"] == "made"
    assert clip["outputs"]["augmented_videos"]["state"] == "missing"
    assert clip["doubts"] == ["meant to be rain", "meant to be noon"]


def test_the_newest_word_counts_be_it_a_failure_or_a_result(world: World) -> None:
    world.tell(world.note("a.mp4", Stage.ORIGINAL_LABELS, "accepted"))
    for state in ("failed", "quarantined"):
        world.fail("a.mp4", reason="exit code 3", outputs=[Stage.ORIGINAL_LABELS])
        assert (world.clip()["verdict"], world.clip()["outputs"]["original_labels"]["reason"]) == (state, "exit code 3")
    world.tell(world.note("a.mp4", Stage.ORIGINAL_LABELS, "accepted"))
    assert world.clip()["verdict"] == "accepted"


def test_of_what_failed_it_is_told_what_was_to_be_drawn(world: World) -> None:
    world.fail("a.mp4", outputs=[Stage.AUGMENTED_VIDEOS])
    (variant,) = world.clip()["variants"]
    assert variant["values"] == dict(world.item("a.mp4").draws[0].sampled_vars)
    assert (variant["augmented"], variant["comparison"]) == (None, None)


@pytest.mark.parametrize("attempt", ["", "_try2"])
def test_of_several_augmentations_the_attempt_that_is_taken_is_shown(world: World, attempt: str) -> None:
    world.tell(world.videos("a.mp4", attempt=attempt), world.note("a.mp4", Rendered.COMPARISONS, run_id=RUN))
    compared = [world.layout.comparison(f"a_aug{index}{attempt}") for index in (0, 1)]
    world.storage.write_bytes(compared[0], b"video")
    variants = world.clip()["variants"]
    assert [one["values"] for one in variants] == [{"weather": "rain"}, {"weather": "snow"}]
    assert [one["augmented"].split("/")[-2] for one in variants] == [f"a_aug{index}{attempt}" for index in (0, 1)]
    assert [one["comparison"] for one in variants] == [str(compared[0]), None], "of what lies there alone"


def test_a_further_augmentation_is_told_beside_its_clip_and_is_no_clip(world: World) -> None:
    further = "a.mp4=aug12"
    world.upload(further)
    world.instance.delete_dynamic_partition("street_videos", further)
    uri = world.layout.output("outputs/augmented", "a_aug12_try2")
    said = {"run_id": RUN, "sampled_vars": {"12": {"weather": "snow"}}, "dagster/uri": str(uri), "gpu_seconds": 7.0}
    world.tell(world.videos("a.mp4"), world.note(further, Stage.AUGMENTED_VIDEOS, "degraded", **said))
    _, document = world.report()
    assert (document["clip_count"], document["further_augmentations"]) == (1, 1)
    assert [one["clip"] for one in document["clips"]] == ["a.mp4", further]
    told = world.clip(further)
    assert (told["file"], told["original"]) == ("a.mp4", world.clip()["original"])
    assert (told["verdict"], told["gpu_seconds"]) == ("degraded", 7.0)
    assert "original_labels" not in told["outputs"]
    (variant,) = told["variants"]
    assert (variant["index"], variant["values"]) == (12, {"weather": "snow"})
    assert variant["augmented"].split("/")[-2] == "a_aug12_try2"


def test_what_a_stand_in_made_is_said_to_be_no_training_data(world: World) -> None:
    for stand_in in (False, True):
        world.tell(world.note("a.mp4", Stage.ORIGINAL_LABELS, "accepted", stand_in=stand_in))
        found, document = world.report()
        assert (document["stand_in_clips"], world.clip()["stand_in"]) == (int(stand_in), stand_in)
        assert ("not for training" in Path(found.page.removeprefix("file://")).read_text()) == stand_in


def test_clips_of_the_bucket_and_of_the_books_are_told(world: World) -> None:
    world.put("new/b.mp4", "empty/..b")
    world.storage.write_bytes(world.scope.dataset.dataset_url / "none.mp4", b"")
    world.upload("gone.mp4")
    document = world.report()[1]
    assert [(clip["clip"], clip["size_bytes"]) for clip in document["clips"]] == [
        ("a.mp4", 4),
        ("gone.mp4", None),
        ("new=2Fb.mp4", 4),
    ]
    assert document["unusable"] == {"none.mp4": "'none.mp4' has zero bytes; upload it again"}


def execute(world: World, *events: dg.AssetMaterialization, dataset: str = DATASET) -> str:
    @dg.op
    def says(context: dg.OpExecutionContext) -> None:
        for event in events:
            context.log_event(event)

    @dg.job
    def job() -> None:
        says()

    return job.execute_in_process(instance=world.instance, tags={"dataset": dataset}).run_id


def test_a_report_on_a_run_has_the_clips_that_it_made(world: World) -> None:
    world.put("b.mp4")
    world.upload("b.mp4")
    run = execute(world, world.note("b.mp4", Stage.ORIGINAL_LABELS, "accepted"))
    for name in (run, f"run-{run[:8]}"):
        found, document = world.report(run=name)
        assert [clip["clip"] for clip in document["clips"]] == ["b.mp4"]
        assert document["run"] == f"run-{run[:8]}"
        assert found.page.endswith(f"-outputs/report/run-{run[:8]}/report.html")


def test_a_run_that_is_none_of_the_dataset_is_one_clear_error(world: World) -> None:
    own, others = execute(world), execute(world, dataset="yard")
    for name in ("run-00000000", others, "../x"):
        with pytest.raises(UnknownName, match=f"unknown run of street '{name}'; choose from: run-{own[:8]}$"):
            world.report(run=name)


def test_a_folder_to_be_sent_on_has_small_pictures_of_what_can_be_shown(world: World, tmp_path: Path) -> None:
    world.tell(world.videos("a.mp4"), world.note("a.mp4", Rendered.COMPARISONS, run_id=RUN))
    for index, size in ((0, (2000, 500)), (1, None)):
        webp = BytesIO(b"no picture")
        if size:
            Image.new("RGB", size, "red").save(webp, "WEBP")
        path = f"display/{DATASET}_a_aug{index}_compare.webp"
        world.storage.write_bytes(world.layout.root / path, webp.getvalue())
    folder = tmp_path / "to send/on"
    found, _ = world.report(folder=folder)
    assert found.page == str(folder / "report.html")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "previews/a.mp4.0.jpg",
        "report.csv",
        "report.html",
        "report.json",
    ]
    with Image.open(folder / "previews/a.mp4.0.jpg") as small:
        assert (small.format, small.size) == ("JPEG", (480, 120))
    assert '"picture":["previews","a.mp4.0.jpg"]' in (folder / "report.html").read_text()


@pytest.mark.parametrize("backend", ["file", "s3"])
def test_the_asset_writes_the_page_into_storage_and_says_where_and_how_many(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project_on(backend, tmp_path) as project, dg.DagsterInstance.ephemeral() as instance:
        for name, value in secrets_of(project.place).items():
            monkeypatch.setenv(name, value)
        project.place.storage.write_bytes(project.clips / "a.mp4", b"clip")
        world = Asked(tmp_path, instance)
        world.say(flow="e2e")
        world.upload("a.mp4", "b.mp4")
        world.make("a.mp4", verdict="accepted")
        world.fail("b.mp4", outputs=[OUTPUTS[0]])
        dataset = world.scope.dataset
        result = dg.materialize(
            [report_assets(world.scope.dataset.deployment, [world.scope])],
            instance=instance,
            resources=deployment_resources(dataset.deployment, world.scope.deployment),
        )
        (event,) = result.asset_materializations_for_node("local__reports")
        told = {name: value.value for name, value in event.metadata.items()}
        page = StorageUrl.parse(told["dagster/uri"])
        assert page == dataset.storage_url / "datasets/street-outputs/report/report.html"
        assert (told["clips"], told["accepted"], told["failed"], told["missing"]) == (2, 1, 1, 0)
        assert str(told["page"]).endswith("/street/outputs/report/report.html")
        for name in ("report.html", "report.json", "report.csv"):
            assert project.place.storage.info(page.parent / name).size_bytes > 0

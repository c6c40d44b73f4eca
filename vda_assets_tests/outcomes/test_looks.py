"""A small moving picture of what a stage left. One that cannot be made is left out, its output is judged as ever."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.datasets.clips import Clip
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.outcomes.judging import Judging
from vda_assets.outcomes.looks import LOOK, NO_LOOK, look_at_stage
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.media.conftest import with_noise_for_frames
from vda_assets_tests.outcomes.conftest import Made, Output
from vda_assets_tests.worker.bench import COOKBOOK

ACCEPTED = Judgement(Verdict.ACCEPTED)


@dataclass(frozen=True)
class Left:
    """A clip and what stages left of it, in one run's folder."""

    root: Path
    made: Made
    layout: RunLayout
    work: ClipWork

    def folder(self, stage: Stage) -> Path:
        (url,) = stage_outputs(self.layout, stage, self.work.draws)
        return Path("/", url.key)

    def look(self, stage: Stage, judgement: Judgement = ACCEPTED) -> Judgement:
        (looked,) = look_at_stage(Storage(), self.work, stage, [judgement], layout=self.layout)
        return looked


@pytest.fixture
def left(tmp_path: Path, made: Made) -> Left:
    source = tmp_path / "datasets/yard/yardcam07.mp4"
    source.parent.mkdir(parents=True)
    shutil.copyfile(next((made.labelled / "raw").iterdir()), source)
    url = StorageUrl.parse(f"file://{source}")
    layout = RunLayout(StorageUrl.parse(f"file://{tmp_path}"), "yard", "run-00000001")
    work = ClipWork(Clip("yardcam07.mp4", url, 1, "1", 0.0), FLOWS["e2e"], (made.draw,), {})
    left = Left(tmp_path, made, layout, work)
    for stage in Stage:
        shutil.copytree(made.augmented if stage is Stage.AUGMENTED_VIDEOS else made.labelled, left.folder(stage))
    return left


def moving(judgement: Judgement) -> Image.Image:
    content = Path("/", StorageUrl.parse(str(judgement.facts[LOOK])).key).read_bytes()
    assert len(content) < 1_000_000
    return Image.open(BytesIO(content))


@pytest.mark.parametrize("stage", Stage)
def test_each_stage_has_a_small_moving_picture_in_the_folder_of_what_is_displayed(left: Left, stage: Stage) -> None:
    judgement = left.look(stage)
    picture = moving(judgement)
    assert (picture.format, picture.n_frames) == ("WEBP", 4)
    assert max(picture.size) <= 640
    path = str(judgement.facts[LOOK]).removeprefix(f"{left.layout.root}/")
    assert path.startswith("display/yard_yardcam07_")
    assert left.layout.video_at(path) == "yardcam07"


def test_nothing_is_said_of_what_is_not_there(left: Left) -> None:
    missing = Judgement(Verdict.MISSING, ("gone",))
    assert left.look(Stage.AUGMENTED_VIDEOS, missing) == missing
    assert not Path("/", left.layout.root.key, "display").exists()


def no_video(left: Left) -> None:
    video = left.folder(Stage.AUGMENTED_VIDEOS) / "augmented_video.mp4"
    video.write_bytes(with_noise_for_frames(video.read_bytes()))


def no_source(left: Left) -> None:
    Path("/", left.work.clip.url.key).unlink()


def text_for_a_video(left: Left) -> None:
    (left.folder(Stage.AUGMENTED_VIDEOS) / "augmented_video.mp4").write_text("no video")


@pytest.mark.parametrize("spoil", [no_video, no_source, text_for_a_video])
def test_what_cannot_be_shown_of_a_video_is_said_and_leaves_nothing(left: Left, spoil: Callable[[Left], None]) -> None:
    spoil(left)
    judgement = left.look(Stage.AUGMENTED_VIDEOS)
    assert judgement.facts[NO_LOOK]
    assert LOOK not in judgement.facts
    assert not list(left.root.rglob("*.webp"))


def no_objects(output: Output) -> None:
    output.write("contextual/objects.json", b"{")


def two_raw_clips(output: Output) -> None:
    output.write("raw/another.mp4", b"two")


def raw_clip_of_zeros(output: Output) -> None:
    (raw,) = (output.folder / "raw").iterdir()
    output.write(f"raw/{raw.name}", bytes(5000))


@pytest.mark.parametrize("spoil", [no_objects, two_raw_clips, raw_clip_of_zeros])
def test_what_cannot_be_shown_of_labels_is_said(left: Left, spoil: Callable[[Output], None]) -> None:
    spoil(Output(left.folder(Stage.ORIGINAL_LABELS)))
    assert left.look(Stage.ORIGINAL_LABELS).facts[NO_LOOK]


@pytest.mark.parametrize(
    "box", [[1e300, 0, 2e300, 5], [-50, -50, 1e9, 1e9], [60, 50, 10, 20], [float("nan")] * 4, [0, 0, 0, 0]]
)
def test_no_box_is_too_odd_to_be_passed_over(left: Left, box: list[float]) -> None:
    output = Output(left.folder(Stage.ORIGINAL_LABELS))
    objects = output.read("contextual/objects.json")
    odd = {"object_id": "x" * 500 + "\n\0", "bounding_box_2d_tight": [float(one) for one in box]}
    for frame in objects["frames"].values():
        frame["instances"] = [odd] * 300
    output.write("contextual/objects.json", json.dumps(objects).encode())
    assert LOOK in left.look(Stage.ORIGINAL_LABELS).facts


@pytest.mark.parametrize("seconds", [120.0, 0.0])
def test_judging_ends_with_a_look_or_without_one(left: Left, seconds: float) -> None:
    cookbook = read_cookbook(COOKBOOK, name="any")
    with Judging(Storage(), cookbook, look_seconds=seconds) as judging:
        judged = judging.begin(left.work, Stage.ORIGINAL_LABELS, layout=left.layout, seen=left.made.source, parent=None)
        (judgement,) = judged.result()
    assert judgement.verdict is Verdict.ACCEPTED
    if seconds:
        assert LOOK in judgement.facts
    else:
        assert judgement.facts[NO_LOOK] == "it took longer than 0 seconds"

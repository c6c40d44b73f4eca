"""Every format is read by its consumers' own library, and has the boxes of the label scenes, to the pixel."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import datasets
import mlcroissant
import motmetrics
import numpy as np
import pyarrow.parquet as pq
import pytest
import supervision
import yaml
from nvidia_tao_daft.cli.cli import main as tao_daft
from nvidia_tao_daft.datasets.tao_vl_reason_v1_0 import TaoVlReasonV1_0CosmosRLConversationDataset
from PIL import Image
from pycocotools.coco import COCO

from vda_assets.releases import layout
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.releases.made import FRAMES, HEIGHT, PERSON, TRUCK, WIDTH, MadeClips, Motion
from vda_assets_tests.releases.test_release import contents, folder_of, rows

# Video -> frame -> boxes as (category, xmin, ymin, xmax, ymax), in any order.
Boxes = dict[str, dict[int, list[tuple[str, float, float, float, float]]]]
LONG = 70
CAR = Motion("car_3", "car", 0, LONG - 1, 4.0, 10.0, 0.5)
# It leaves the picture and comes back.
BLINKING = (Motion("bus_1", "bus", 0, 1, 2.0, 3.0), Motion("bus_1", "bus", 4, 4, 9.5, 3.0))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release of three clips: one long enough for training on videos, one with an object that is away
    for some frames, and one where nothing moves."""
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path_factory.mktemp('formats')}/storage"))
    clips.add("day/gate 1.mp4", motions=(TRUCK, PERSON, CAR), frames=LONG)
    clips.add("b.mp4", motions=(TRUCK, *BLINKING), seen_augmented=(TRUCK,), drawn=({"weather": "rain"}, {}))
    clips.add("still.mp4", motions=())
    return folder_of(clips.release(licence="CC-BY-4.0").url)


@pytest.fixture(scope="module")
def boxes(released: Path) -> Boxes:
    """As the released label scenes have them."""
    found: Boxes = {}
    for scene in (released / "labels/daft").iterdir():
        kinds = json.loads((scene / "contextual/instances.json").read_text())["instances"]
        frames = json.loads((scene / "contextual/objects.json").read_text())["frames"].values()
        found[scene.name] = {
            frame["frame_number"]: sorted(
                (kinds[one["object_id"]]["object_type"], *one["bounding_box_2d_tight"]) for one in frame["instances"]
            )
            for frame in frames
            if frame["instances"]
        }
    return found


def rounded(found: Boxes) -> Boxes:
    return {
        video: {
            frame: sorted((kind, *(round(float(side), 2) for side in box)) for kind, *box in many)
            for frame, many in frames.items()
        }
        for video, frames in found.items()
    }


def test_coco_is_read_by_pycocotools(released: Path, boxes: Boxes) -> None:
    coco = quietly(lambda: COCO(str(released / "labels/coco/annotations.json")))
    assert min(coco.getCatIds()) == min(coco.getImgIds()) == min(coco.getAnnIds()) == 1
    names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    found: Boxes = {video: {} for video in boxes}
    for image in coco.loadImgs(coco.getImgIds()):
        video, frame = image["file_name"].removesuffix(".jpg").split("/")
        assert int(frame) == image["frame_index"]
        assert coco.dataset["videos"][image["video_id"] - 1]["name"] == video
        for one in coco.imgToAnns[image["id"]]:
            left, top, width, height = one["bbox"]
            box = (names[one["category_id"]], left, top, left + width, top + height)
            found[video].setdefault(int(frame), []).append(box)
    assert rounded(found) == rounded(boxes)
    paths = [image["file_name"] for image in coco.dataset["images"]]
    assert len(set(paths)) == len(paths) == sum(row["frame_count"] for row in rows_of(released))
    assert not any("score" in one for one in coco.dataset["annotations"])


def test_coco_s_track_ids_are_one_object_each_in_all_of_the_file(released: Path) -> None:
    content = json.loads((released / "labels/coco/annotations.json").read_text())
    videos = {image["id"]: image["video_id"] for image in content["images"]}
    of_track: dict[int, set[tuple[int, int]]] = {}
    for one in content["annotations"]:
        of_track.setdefault(one["track_id"], set()).add((videos[one["image_id"]], one["category_id"]))
    assert all(len(places) == 1 for places in of_track.values())
    assert len(of_track) == sum(row["tracks"] for row in rows_of(released))


def test_coco_s_splits_together_are_all_of_it(released: Path) -> None:
    def images(name: str) -> dict[int, str]:
        content = json.loads((released / f"labels/coco/{name}.json").read_text())
        return {image["id"]: image["split"] for image in content["images"]}

    whole = images("annotations")
    parts = {split: images(split) for split in set(whole.values())}
    assert {number: split for part in parts.values() for number, split in part.items()} == whole
    assert all(set(part.values()) == {split} for split, part in parts.items())


def test_mot_is_read_by_motmetrics(released: Path, boxes: Boxes) -> None:
    names = (released / "labels/mot/labels.txt").read_text().split()
    found: Boxes = {}
    for video in boxes:
        folder = released / f"labels/mot/{video}"
        found[video] = {}
        ini = configparser.ConfigParser()
        ini.read(folder / "seqinfo.ini")
        info = ini["Sequence"]
        assert info["name"] == video
        assert (int(info["imWidth"]), int(info["imHeight"])) == (WIDTH, HEIGHT)
        if not (folder / "gt/gt.txt").read_text():
            continue
        table = motmetrics.io.loadtxt(folder / "gt/gt.txt", fmt="mot16", min_confidence=1)
        for (frame, _), one in table.iterrows():
            assert 1 <= frame <= int(info["seqLength"])
            # Its reader counts from 0 in the picture, as MATLAB's files count from 1.
            left, top = one.X + 1, one.Y + 1
            box = (names[int(one.ClassId) - 1], left, top, left + one.Width, top + one.Height)
            found[video].setdefault(frame - 1, []).append(box)
    assert rounded(found) == rounded(boxes)


def test_yolo_is_read_by_supervision_once_frames_are_extracted(released: Path, boxes: Boxes, tmp_path: Path) -> None:
    data = yaml.safe_load((released / "labels/yolo/data.yaml").read_text())
    assert data["nc"] == len(data["names"])
    assert "path" not in data, "Ultralytics would look for a relative one in the folder of its settings"
    found: Boxes = {video: {} for video in boxes}
    for row in rows_of(released):
        name, split = row["name"], row["split"]
        assert data[{"train": "train", "val": "val", "test": "test"}[split]] == f"images/{split}"
        images = tmp_path / "images" / split / name
        images.mkdir(parents=True)
        for frame in range(row["frame_count"]):
            Image.new("RGB", (row["width"], row["height"])).save(images / f"{frame:06d}.jpg")
        labels = released / f"labels/yolo/labels/{split}/{name}"
        dataset = supervision.DetectionDataset.from_yolo(str(images), str(labels), str(write_names(tmp_path, data)))
        for path, _, detections in dataset:
            many = zip(detections.class_id, detections.xyxy, strict=True)
            if len(detections):
                found[name][int(Path(path).stem)] = [(data["names"][kind], *box) for kind, box in many]
    assert nearest(found) == nearest(boxes)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
def test_frames_extracted_as_the_page_says_are_where_coco_and_yolo_look_for_them(
    released: Path, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs/release.md").read_text()
    (commands,) = [block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "ffmpeg" in block]
    shutil.copytree(released, tmp_path / "2026-11")
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, check=True)
    for path in (released / "labels/coco").glob("*.json"):
        for image in json.loads(path.read_text())["images"]:
            with Image.open(tmp_path / "2026-11/labels/yolo/images" / image["split"] / image["file_name"]) as frame:
                assert frame.size == (image["width"], image["height"])
    labels, images = tmp_path / "2026-11/labels/yolo/labels", tmp_path / "2026-11/labels/yolo/images"
    frames = {path.relative_to(images).with_suffix("") for path in images.rglob("*.jpg")}
    assert {path.relative_to(labels).with_suffix("") for path in labels.rglob("*.txt")} <= frames
    assert len(frames) == sum(row["frame_count"] for row in rows_of(released))


def write_names(folder: Path, data: dict[str, Any]) -> Path:
    """supervision takes the names as a list, Ultralytics in both ways."""
    path = folder / "data.yaml"
    path.write_text(yaml.safe_dump(data | {"names": list(data["names"].values())}))
    return path


def nearest(found: Boxes) -> Boxes:
    """To a hundredth of a pixel, whatever became of the last digits on the way through shares of 32 bits."""
    return {
        video: {
            frame: sorted((kind, *(float(np.round(np.float32(side) * 20) / 20) for side in box)) for kind, *box in many)
            for frame, many in frames.items()
        }
        for video, frames in found.items()
    }


def test_cvat_s_tracks_have_the_boxes_and_end_where_the_object_leaves(released: Path, boxes: Boxes) -> None:
    found: Boxes = {}
    for path in (released / "labels/cvat").glob("*.xml"):
        tree = ET.parse(path).getroot()
        assert (tree.tag, tree.findtext("version")) == ("annotations", "1.1")
        labels = {one.text for one in tree.iterfind("meta/task/labels/label/name")}
        found[path.stem] = {}
        for track in tree.iterfind("track"):
            assert track.get("label") in labels
            for frame, sides in shown_by_cvat(track, int(tree.findtext("meta/task/size"))):
                found[path.stem].setdefault(frame, []).append((track.get("label"), *sides))
    assert rounded(found) == rounded(boxes)


def shown_by_cvat(track: ET.Element, frames: int) -> Iterator[tuple[int, list[float]]]:
    """CVAT shows a track from its first key frame on, until a box says that it is outside."""
    keys = {int(one.get("frame")): one for one in track.iterfind("box")}
    assert all(one.get("keyframe") == "1" and one.get("occluded") in "01" for one in keys.values())
    last = None
    for frame in range(frames):
        last = keys.get(frame, last)
        if last is not None and last.get("outside") == "0":
            yield frame, [float(last.get(side)) for side in ("xtl", "ytl", "xbr", "ybr")]


@pytest.mark.parametrize("form", ["tao-vl-reason-v1.0", "cosmos-reason-v1.0"])
def test_nvidia_s_tool_finds_nothing_wrong_in_what_trainers_take(released: Path, form: str) -> None:
    folders = list((released / "labels" / form).iterdir())
    assert {folder.name for folder in folders} == {row["split"] for row in rows_of(released)}
    for folder in folders:
        assert said_by_tao_daft("validate", form, "--path", str(folder), "--strict") == 0


def test_nvidia_s_tool_finds_nothing_wrong_in_the_label_scenes(released: Path) -> None:
    scenes = str(released / "labels/daft")
    assert said_by_tao_daft("validate", "metropolis-v3.0", "--path", scenes, "--raw", "video") == 0


def test_questions_lead_to_the_videos_of_the_release_and_have_its_licence(released: Path) -> None:
    asked: dict[str, int] = {}
    for path in (released / "labels/tao-vl-reason-v1.0").glob("*/*.json"):
        content = json.loads(path.read_text())
        assert content["metadata"]["license"] == "CC-BY-4.0"
        assert "AI-generated" in content["metadata"]["description"]
        for item in content["items"]:
            name = (path.parent / item["video_id"]).resolve(strict=True).stem
            asked[name] = asked.get(name, 0) + 1
    assert asked == {row["name"]: row["questions"] for row in rows_of(released)}


def test_cosmos_rl_s_dataset_finds_the_video_of_each_question(released: Path) -> None:
    for split in (released / "labels/tao-vl-reason-v1.0").iterdir():
        loaded = TaoVlReasonV1_0CosmosRLConversationDataset(sorted(map(str, split.glob("*.json"))))
        assert len(loaded) == sum(row["questions"] for row in rows_of(released) if row["split"] == split.name)
        for number in range(len(loaded)):
            question, answer = loaded[number]
            assert Path(question["content"][0]["video"]).is_file()
            assert answer["content"]


@pytest.mark.parametrize("by", ["its card", "its folders"])
def test_hugging_face_loads_each_video_with_its_row_in_its_split(by: str, released: Path, tmp_path: Path) -> None:
    place = [str(released)] if by == "its card" else ["videofolder"]
    said = {} if by == "its card" else {"data_dir": str(released / "videos")}
    loaded = datasets.load_dataset(*place, **said, cache_dir=str(tmp_path))
    names = {"train": "train", "val": "validation", "test": "test"}
    expected = {(names[row["split"]], row["name"]): row["licence"] for row in rows_of(released)}
    found = {}
    for split, table in loaded.items():
        for row in table.cast_column("video", datasets.Video(decode=False)):
            assert Path(row["video"]["path"]).stem == row["name"]
            found[split, row["name"]] = row["licence"]
    assert found == expected


def test_a_split_with_more_videos_than_a_folder_should_have_is_loaded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_IN_FOLDER", 1)
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path}/storage"))
    for path in ("a.mp4", "B b.mp4", "day/a.mp4"):
        clips.add(path)
    folder = folder_of(clips.release(licence="CC-BY-4.0").url)
    places = {path.relative_to(folder / "videos/train").parts[0] for path in (folder / "videos/train").rglob("*.mp4")}
    assert all(re.fullmatch("[0-9a-f]{2}", place) for place in places)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    for row in loaded["train"].cast_column("video", datasets.Video(decode=False)):
        assert Path(row["video"]["path"]).stem == row["name"]
        assert (folder / row["video"]["path"]).is_file()
    assert sum(map(len, loaded.values())) == 6
    test_questions_lead_to_the_videos_of_the_release_and_have_its_licence(folder)
    test_cosmos_rl_s_dataset_finds_the_video_of_each_question(folder)
    test_nvidia_s_tool_finds_nothing_wrong_in_what_trainers_take(folder, "cosmos-reason-v1.0")


def test_hugging_face_loads_splits_of_which_one_has_originals_alone(tmp_path: Path) -> None:
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path}/storage"))
    clips.add("B b.mp4")
    clips.add("a.mp4", drawn=())
    folder = folder_of(clips.release().url)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(table) for split, table in loaded.items()} == {"train": 1, "validation": 2}


def test_parquet_and_json_lines_say_the_same(released: Path) -> None:
    table = pq.read_table(released / "metadata.parquet")
    assert table.to_pylist() == rows_of(released)
    assert b"AI-generated" in table.schema.metadata[b"description"]


def test_croissant_is_read_by_mlcroissant(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(released)
    dataset = mlcroissant.Dataset(jsonld=str(released / "croissant.json"))
    assert dataset.metadata.license == ["CC-BY-4.0"]
    found = {record["videos/name"].decode(): record["videos/generated"] for record in dataset.records("videos")}
    assert found == {row["name"]: row["generated"] for row in rows_of(released)}


def test_a_clip_that_cosmos_would_pass_over_is_listed_with_the_reason(released: Path) -> None:
    lines = [json.loads(line) for line in (released / "cosmos_sft.jsonl").read_text().splitlines()]
    assert [(one["nb_frames"], one["t2w_windows"][0]["end_frame"]) for one in lines] == [(LONG, LONG - 1)] * 2
    assert [one["t2w_windows"][0]["caption"] for one in lines] == ["A yard. A truck.", "The same under rain, midday."]
    assert all((released / one["vision_path"]).is_file() for one in lines)
    dropped = [json.loads(line) for line in (released / "cosmos_sft_dropped.jsonl").read_text().splitlines()]
    assert {one["reason"] for one in dropped} == {f"it has {FRAMES} frames; windows of fewer than 61 are passed over"}
    assert {one["uuid"] for one in [*lines, *dropped]} == {row["name"] for row in rows_of(released)}


def test_label_scenes_are_released_as_they_were_made_without_their_logs(released: Path) -> None:
    assert not any("logs" in path for path in contents(released))
    outputs = released.parents[2] / "datasets/yard-outputs/run-0a1b2c3d/outputs/pseudo_labeled/b"
    (scene,) = (released / "labels/daft").glob("b-*-original")
    made = {
        path: digest for path, digest in contents(outputs).items() if path not in ("outcome.json", "logs/pipeline.log")
    }
    assert contents(scene) == made


def test_the_card_says_licence_generated_content_and_what_is_where(released: Path) -> None:
    text = (released / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "cc-by-4.0"
    assert {"synthetic", "ai-generated"} <= set(front["tags"])
    assert "article 50(2)" in text
    for path in ("labels/coco/", "labels/yolo/", "labels/cvat/", "labels/daft/", "cosmos_sft.jsonl", "SHA256SUMS"):
        assert path in text


def test_a_licence_that_nobody_stated_is_called_so_everywhere(tmp_path: Path) -> None:
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path}/storage"))
    clips.add("a.mp4")
    folder = folder_of(clips.release().url)
    assert {row["licence"] for row in rows_of(folder)} == {"not stated"}
    (mcq,) = folder.glob("labels/tao-vl-reason-v1.0/*/mcq.json")
    assert json.loads(mcq.read_text())["metadata"]["license"] == "not stated"
    assert "Licence: not stated" in (folder / "README.md").read_text()
    assert not any(b"CC BY-NC-ND" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def rows_of(released: Path) -> list[dict[str, Any]]:
    return rows(StorageUrl.parse(f"file://{released}"))


def said_by_tao_daft(*arguments: str) -> int:
    """The command's exit code."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr("sys.argv", ["tao-daft", *arguments])
        try:
            return int(tao_daft() or 0)
        except SystemExit as ended:
            return int(ended.code or 0)


def quietly(call: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return call()

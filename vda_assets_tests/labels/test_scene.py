"""Reading a label scene."""

import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from vda_assets.labels.errors import BrokenLabelFile, SceneNotFound
from vda_assets.labels.scene import read_scene
from vda_assets_tests.labels.conftest import FRAME_COUNT, WriteScene, good_documents


def test_a_whole_scene_is_read(write_scene: WriteScene):
    scene = read_scene(write_scene())
    assert scene.instances is not None
    assert scene.instances.instances["truck_1"].object_type == "truck"
    assert [frame.frame_number for frame in scene.frames] == list(range(FRAME_COUNT))
    assert [len(frame.detections) for frame in scene.frames] == [0, 0, 0, 1, 1, 1]
    assert scene.frames[3].detections[0].tight == (13.5, 20.0, 43.25, 44.12)
    assert [item.answer for item in scene.bcq] == ["No", "Yes"]
    assert (scene.mcq[0].answer, scene.mcq[0].answer_text) == ("B", "Overcast")
    assert scene.open_qa[0].answer_text == "It drives | turns."
    assert scene.status is not None
    assert scene.status.steps["tracking"].status == "completed"
    assert scene.metadata is not None
    assert [window.end_frame for window in scene.metadata.windows] == [2, 5]


def test_what_has_no_file_is_none_or_empty(write_scene: WriteScene):
    documents = good_documents()
    scene = read_scene(write_scene({"sidecars/pipeline_status.json": documents["sidecars/pipeline_status.json"]}))
    assert (scene.instances, scene.objects, scene.metadata, scene.config) == (None, None, None, None)
    assert scene.questions == ()


def test_nothing_found_is_not_the_same_as_not_tracked(write_scene: WriteScene):
    documents = good_documents()
    documents["contextual/instances.json"]["instances"] = {}
    scene = read_scene(write_scene(documents))
    assert scene.instances is not None
    assert scene.instances.instances == {}


def test_other_files_and_keys_are_passed_over(write_scene: WriteScene):
    documents = good_documents()
    documents["contextual/instances.json"]["invented_later"] = True
    folder = write_scene(documents)
    (folder / "logs").mkdir()
    (folder / "logs" / "pipeline.log").write_text("…")
    (folder / "contextual" / "notes.json").write_text("{")
    assert read_scene(folder).instances is not None


def test_frames_come_in_order_of_their_numbers(write_scene: WriteScene):
    documents = good_documents()
    frames = documents["contextual/objects.json"]["frames"]
    documents["contextual/objects.json"]["frames"] = dict(reversed(frames.items()))
    scene = read_scene(write_scene(documents))
    assert [frame.frame_number for frame in scene.frames] == list(range(FRAME_COUNT))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("task/mcq.json", '{"items": [', r"^task/mcq\.json: Invalid JSON"),
        ("task/mcq.json", "[]", r"^task/mcq\.json: "),
        ("task/mcq.json", '{"items": [{"question": "Q?"}]}', r"^task/mcq\.json: key items\.0\.answer: Field required"),
        (
            "contextual/objects.json",
            '{"frames": {"f0": {"frame_number": "first", "instances": []}}}',
            r"^contextual/objects\.json: key frames\.f0\.frame_number: ",
        ),
        ("config.yaml", "a: [", r"^config\.yaml: this is not YAML"),
        ("config.yaml", "", r"^config\.yaml: "),
    ],
)
def test_a_broken_file_is_named_with_its_key(write_scene: WriteScene, file: str, content: str, message: str):
    folder = write_scene()
    (folder / file).write_text(content)
    with pytest.raises(BrokenLabelFile, match=message):
        read_scene(folder)


def test_a_folder_without_a_scene_is_not_found(tmp_path: Path):
    with pytest.raises(SceneNotFound, match="holds no label scene"):
        read_scene(tmp_path)
    with pytest.raises(SceneNotFound, match="is not a folder"):
        read_scene(tmp_path / "missing")


def test_a_scene_cannot_be_changed(write_scene: WriteScene):
    scene = read_scene(write_scene())
    with pytest.raises(ValidationError):
        scene.mcq = ()


def test_an_error_can_be_pickled_so_that_a_process_pool_may_raise_it():
    error = pickle.loads(pickle.dumps(BrokenLabelFile("task/mcq.json", "no JSON")))
    assert str(error) == "task/mcq.json: no JSON"

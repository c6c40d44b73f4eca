"""Judging a label scene: a good one has no problem, each fault of the container gives one clear one."""

from pathlib import Path

import pytest

from vda_assets.base.problem import Problem, Severity
from vda_assets.labels.errors import SceneNotFound
from vda_assets.labels.validate import validate_scene
from vda_assets_tests.labels.conftest import FRAME_COUNT, Documents, WriteScene, good_documents

OBJECTS, STATUS, METADATA = "contextual/objects.json", "sidecars/pipeline_status.json", "sidecars/metadata.json"


@pytest.fixture
def documents() -> Documents:
    return good_documents()


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


def first_box(documents: Documents) -> list[float]:
    return documents[OBJECTS]["frames"]["yardcam07_frame_000003"]["instances"][0]["bounding_box_2d_tight"]


def test_a_good_scene_has_no_problem_and_nothing_is_printed(write_scene: WriteScene, capfd: pytest.CaptureFixture[str]):
    assert validate_scene(write_scene()) == []
    assert capfd.readouterr() == ("", "")


def test_what_daft_finds_is_told_with_its_file(write_scene: WriteScene, documents: Documents):
    documents["task/bcq.json"]["items"][0]["answer"] = "maybe"
    documents["contextual/instances.json"]["instances"]["truck_1"]["camera"] = "north"
    documents["task/mcq.json"]["items"][0]["answer"] = "Overcast"
    problems = validate_scene(write_scene(documents))
    assert {problem.severity for problem in problems} == {Severity.ERROR}
    assert {"task/bcq.json", "contextual/instances.json", "task/mcq.json"} <= {problem.file for problem in problems}


def test_an_unknown_object_in_many_frames_is_told_in_a_few_lines(write_scene: WriteScene, documents: Documents):
    instances = documents["contextual/instances.json"]["instances"]
    instances["car_1"] = instances.pop("truck_1")
    documents[OBJECTS]["frames"] |= {
        f"yardcam07_frame_{number:06d}": {
            **documents[OBJECTS]["frames"]["yardcam07_frame_000005"],
            "frame_number": number,
        }
        for number in range(FRAME_COUNT, 40)
    }
    problems = [problem for problem in validate_scene(write_scene(documents)) if "truck_1" in problem.message]
    assert 1 <= len(problems) <= 5


def test_an_object_is_missed_also_when_there_is_no_instance_at_all(write_scene: WriteScene, documents: Documents):
    documents["contextual/instances.json"]["instances"] = {}
    errors = [one for one in validate_scene(write_scene(documents)) if one.severity is Severity.ERROR]
    assert only(errors) == Problem(Severity.ERROR, OBJECTS, "1 object is no known instance, such as truck_1")


def test_nothing_found_is_a_warning(write_scene: WriteScene, documents: Documents):
    documents["contextual/instances.json"]["instances"] = {}
    for frame in documents[OBJECTS]["frames"].values():
        frame["instances"] = []
    problem = only(validate_scene(write_scene(documents)))
    assert (problem.severity, problem.file) == (Severity.WARNING, "contextual/instances.json")


def test_a_link_to_a_clip_that_is_not_there_is_a_warning(write_scene: WriteScene):
    folder = write_scene()
    (folder.parent / "yardcam07.mp4").unlink()
    problem = only(validate_scene(folder))
    assert (problem.severity, problem.file) == (Severity.WARNING, "raw/yardcam07.mp4")
    assert "leads nowhere" in problem.message


def test_a_raw_clip_that_is_no_video_is_an_error(write_scene: WriteScene):
    folder = write_scene()
    (folder.parent / "yardcam07.mp4").write_text("moved to the archive")
    problem = only(validate_scene(folder))
    assert (problem.severity, problem.file) == (Severity.ERROR, "raw/yardcam07.mp4")


@pytest.mark.parametrize("corner", [0, 1])
def test_a_reversed_box_is_an_error(write_scene: WriteScene, documents: Documents, corner: int):
    box = first_box(documents)
    box[corner], box[corner + 2] = box[corner + 2], box[corner]
    problem = only(validate_scene(write_scene(documents)))
    assert problem.message.startswith("1 box is reversed or empty, the first: truck_1 in frame 3 ")


@pytest.mark.parametrize(("corner", "pixels"), [(0, -1.0), (1, -0.5), (2, 96.5), (3, 65.0)])
@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_box_outside_the_frame_is_an_error(
    write_scene: WriteScene, documents: Documents, corner: int, pixels: float, with_metadata: bool
):
    first_box(documents)[corner] = pixels
    if not with_metadata:
        del documents[METADATA]
    problem = only([one for one in validate_scene(write_scene(documents)) if one.file != METADATA])
    assert (problem.severity, problem.file) == (Severity.ERROR, OBJECTS)
    assert problem.message.startswith("1 box lies outside 96x64, the first: truck_1 in frame 3 ")


def test_an_answer_that_is_no_option_is_an_error(write_scene: WriteScene, documents: Documents):
    documents["task/mcq.json"]["items"][0]["answer"] = "D"
    problem = only(validate_scene(write_scene(documents)))
    assert problem == Problem(Severity.ERROR, "task/mcq.json", "'Weather?' has the answer 'D', not one of A, B, C")


@pytest.mark.parametrize(
    "stage", [{"enabled": False, "status": "skipped"}, {"enabled": True, "status": "failed"}, None]
)
def test_tracking_that_was_dropped_silently_is_an_error(write_scene: WriteScene, documents: Documents, stage: dict):
    documents[STATUS]["stages"]["tracking"] = stage
    if stage is None:
        del documents[STATUS]["stages"]["tracking"]
    del documents["contextual/instances.json"], documents[OBJECTS]
    problems = [problem for problem in validate_scene(write_scene(documents)) if problem.severity is Severity.ERROR]
    assert any("asks for tracking, but it did not run" in problem.message for problem in problems)


@pytest.mark.parametrize("file", ["contextual/instances.json", OBJECTS])
def test_tracks_that_are_missing_are_an_error(write_scene: WriteScene, documents: Documents, file: str):
    del documents[file]
    problems = validate_scene(write_scene(documents))
    assert any(problem.file == file and "this file is missing" in problem.message for problem in problems)


def test_tracking_that_nobody_asked_for_is_not_missed(write_scene: WriteScene, documents: Documents):
    documents["config.yaml"]["detection_and_tracking"]["enabled"] = False
    documents[STATUS]["stages"]["tracking"] = {"enabled": False, "status": "skipped"}
    folder = write_scene({name: one for name, one in documents.items() if not name.startswith("contextual")})
    (folder / "contextual").mkdir()
    assert validate_scene(folder) == []


@pytest.mark.parametrize("with_clip", [True, False])
def test_a_frame_that_is_missing_is_an_error(write_scene: WriteScene, documents: Documents, with_clip: bool):
    del documents[OBJECTS]["frames"]["yardcam07_frame_000001"]
    folder = write_scene(documents)
    if not with_clip:
        (folder / "raw" / "yardcam07.mp4").unlink()
    problem = only([one for one in validate_scene(folder) if one.file != "raw"])
    assert problem.message == "it lists 5 frames, the clip has 6; label the clip again (frame 1 is missing)"


def test_no_answer_at_all_is_an_error_though_the_container_says_completed(
    write_scene: WriteScene, documents: Documents
):
    for file in ("task/mcq.json", "task/bcq.json", "task/open_qa.json"):
        del documents[file]
    for window in documents[METADATA]["windows"]:
        window |= {"vlm_caption": "", "_errors": ["vlm_call_failed:APIConnectionError"]}
    problems = validate_scene(write_scene(documents))
    assert [problem.severity for problem in problems] == [Severity.ERROR, Severity.ERROR]
    assert "none is answered" in problems[0].message
    assert problems[1].message.startswith("2 of 2 windows failed, the first at frames 0 to 2 (vlm_call_failed:APIConn")


def test_one_window_that_failed_is_a_warning(write_scene: WriteScene, documents: Documents):
    documents[METADATA]["windows"][1]["_errors"] = ["llm_mcq_not_parseable:non_json_output"]
    problem = only(validate_scene(write_scene(documents)))
    assert (problem.severity, problem.file) == (Severity.WARNING, METADATA)
    assert problem.message.startswith("1 of 2 windows failed, the first at frames 3 to 5")


def test_a_degraded_step_is_a_warning_with_its_reason(write_scene: WriteScene, documents: Documents):
    documents[STATUS] |= {"degraded": True, "status": "completed_degraded", "degraded_stages": ["super_resolution"]}
    documents[STATUS]["stages"]["super_resolution"] = {
        "enabled": True,
        "status": "failed",
        "degraded": True,
        "failure_reason": "missing_output",
    }
    problem = only(validate_scene(write_scene(documents)))
    assert (problem.severity, problem.file) == (Severity.WARNING, STATUS)
    assert "super_resolution is degraded (missing_output)" in problem.message


def test_a_scene_without_a_status_did_not_end(write_scene: WriteScene, documents: Documents):
    del documents[STATUS]
    problem = only(validate_scene(write_scene(documents)))
    assert (problem.severity, problem.file) == (Severity.ERROR, STATUS)


def test_a_broken_file_is_the_one_problem(write_scene: WriteScene):
    folder = write_scene()
    (folder / "task" / "mcq.json").write_text('{"items": [')
    problem = only(validate_scene(folder))
    assert (problem.severity, problem.file) == (Severity.ERROR, "task/mcq.json")


def test_a_file_cut_off_within_a_letter_is_a_problem_too(write_scene: WriteScene):
    folder = write_scene()
    (folder / "contextual" / "video.json").write_bytes('{"scene_description": "街'.encode()[:-1])
    problem = only(validate_scene(folder))
    assert (problem.severity, problem.file) == (Severity.ERROR, "contextual/video.json")
    assert problem.message.startswith("Invalid JSON: ")


def test_a_folder_without_a_scene_is_not_judged(tmp_path: Path):
    with pytest.raises(SceneNotFound):
        validate_scene(tmp_path)

"""Every verdict on labels, from a real scene and from what is spoiled in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.datasets.clips import Clip
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.stage import judge_stage
from vda_assets.outcomes.verdict import Judgement, Verdict, of_variable_rate
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.outcomes.conftest import Made, Output
from vda_assets_tests.worker.bench import COOKBOOK

BANK = read_cookbook(COOKBOOK, name="any").question_bank
STATUS = "sidecars/pipeline_status.json"
METADATA = "sidecars/metadata.json"
OBJECTS = "contextual/objects.json"


@pytest.fixture
def judge(made: Made, labelled: Output) -> Callable[[], Judgement]:
    return lambda: judge_labels(labelled.storage, labelled.url, frame_count=made.source.frame_count, bank=BANK)


def change(output: Output, name: str, changes: Callable[[Any], object]) -> None:
    content = output.read(name)
    changes(content)
    output.write(name, content)


def test_a_whole_scene_is_accepted(judge: Callable[[], Judgement], labelled: Output) -> None:
    judgement = judge()
    assert (judgement.verdict, judgement.reasons, judgement.stand_in) == (Verdict.ACCEPTED, (), True)
    assert judgement.facts["files"] == len(labelled.read("outcome.json")["files"])
    assert judgement.facts["summary"]


def test_a_scene_in_an_object_store_is_judged_the_same_way(made: Made, bucket: Storage) -> None:
    url = StorageUrl.parse("s3://scenes/run/a")
    filesystem, path = bucket.locate(url)
    filesystem.put(f"{made.labelled}/", f"{path}/", recursive=True)
    judgement = judge_labels(bucket, url, frame_count=made.source.frame_count, bank=BANK)
    assert (judgement.verdict, judgement.reasons) == (Verdict.ACCEPTED, ())
    assert judge_labels(bucket, url, frame_count=7, bank=BANK).verdict is Verdict.DEGRADED


def drop_answers(output: Output) -> None:
    for path in (output.folder / "task").iterdir():
        output.remove(f"task/{path.name}")


def without_vlm(output: Output) -> None:
    def fail(metadata: dict[str, Any]) -> None:
        for window in metadata["windows"]:
            window |= {"vlm_caption": "", "llm_enhanced_caption": {}, "_errors": ["vlm_call_failed:APIConnectionError"]}

    change(output, METADATA, fail)
    drop_answers(output)


def without_tracking(output: Output) -> None:
    tracking = {"enabled": False, "status": "skipped", "degraded": False}
    change(output, STATUS, lambda status: status["stages"].update(tracking=tracking))
    for name in ("instances", "objects"):
        output.remove(f"contextual/{name}.json")


def with_a_failed_window(output: Output) -> None:
    def fail(metadata: dict[str, Any]) -> None:
        first = metadata["windows"][0]
        metadata["windows"].append({**first, "_errors": ["llm_mcq_not_parseable:non_json_output"]})

    change(output, METADATA, fail)


def without_one_answer(output: Output) -> None:
    def forget(task: dict[str, Any]) -> None:
        task["items"] = [item for item in task["items"] if item["question"] != "What is the weather?"]

    change(output, "task/mcq.json", forget)


def without_the_answers_of_its_window(output: Output) -> None:
    change(output, METADATA, lambda it: it["windows"][0].update(llm_enhanced_caption={"mcq": []}))


def with_a_degraded_step(output: Output) -> None:
    degraded = {"degraded": True, "status": "completed_degraded", "degraded_stages": ["super_resolution"]}
    change(output, STATUS, lambda status: status.update(degraded))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_vlm, "questions were asked for in config.yaml, but none is answered"),
        (without_tracking, "config.yaml asks for tracking, but it did not run"),
        (
            with_a_failed_window,
            "1 of 2 windows failed, the first at frames 0 to 29 (llm_mcq_not_parseable:non_json_output)",
        ),
        (with_a_degraded_step, "step super_resolution is degraded"),
        (without_one_answer, "question 2_1 'What is the weather?' is not answered in task/"),
        (without_the_answers_of_its_window, "no question at all is answered in 1 of 1 window (frames 0 to 29)"),
        (lambda output: output.remove(STATUS), "it is missing: the labelling did not come to its end"),
        (lambda output: change(output, OBJECTS, lambda it: it["frames"].popitem()), "29 frames"),
        (lambda output: change(output, OBJECTS, lambda it: it.update(version="1")), "contextual/objects.json: "),
    ],
)
def test_a_scene_that_lost_labels_is_degraded(
    judge: Callable[[], Judgement], labelled: Output, spoil: Callable[[Output], object], reason: str
) -> None:
    spoil(labelled)
    judgement = judge()
    assert judgement.verdict is Verdict.DEGRADED
    assert any(reason in found for found in judgement.reasons), judgement.reasons


def test_answers_of_another_attempt_do_not_count(
    judge: Callable[[], Judgement], labelled: Output, tmp_path: Path
) -> None:
    shutil.copytree(labelled.folder / "task", tmp_path / "task")
    drop_answers(labelled)
    shutil.copytree(tmp_path / "task", labelled.folder / "task", dirs_exist_ok=True)
    judgement = judge()
    assert judgement.verdict is Verdict.DEGRADED
    assert any("none is answered" in reason for reason in judgement.reasons)


def test_a_file_that_another_attempt_overwrote_is_not_believed(
    judge: Callable[[], Judgement], labelled: Output
) -> None:
    path = labelled.folder / STATUS
    path.write_text(path.read_text().replace("completed", "completes"))
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert "is not the file that its worker wrote" in judgement.reasons[0]


def test_a_file_that_cannot_be_read_makes_the_scene_count_as_missing(
    judge: Callable[[], Judgement], labelled: Output
) -> None:
    labelled.write(OBJECTS, b'{"frames": ')
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert f"{OBJECTS}: Invalid JSON" in judgement.reasons[0]


def test_without_its_marker_a_scene_is_missing(judge: Callable[[], Judgement], labelled: Output) -> None:
    (labelled.folder / "outcome.json").unlink()
    assert judge().verdict is Verdict.MISSING


def test_without_one_of_its_files_a_scene_is_missing(judge: Callable[[], Judgement], labelled: Output) -> None:
    (labelled.folder / OBJECTS).unlink()
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert f"{OBJECTS} is not there" in judgement.reasons[0]


def test_a_marker_of_nothing_is_a_missing_scene(judge: Callable[[], Judgement], labelled: Output) -> None:
    for file in labelled.read("outcome.json")["files"]:
        labelled.remove(file["path"])
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert "holds no label scene" in judgement.reasons[0]


def test_a_clip_with_a_name_that_no_url_can_have_makes_the_scene_count_as_missing(
    judge: Callable[[], Judgement], labelled: Output
) -> None:
    (clip,) = (labelled.folder / "raw").iterdir()
    content = clip.read_bytes()
    labelled.remove(f"raw/{clip.name}")
    labelled.write("raw/yard,cam.mp4", content)
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert "yard,cam.mp4" in judgement.reasons[0]


@pytest.mark.parametrize("stage", [Stage.ORIGINAL_LABELS, Stage.AUGMENTED_LABELS])
def test_labels_of_a_clip_whose_rate_varies_are_degraded_and_those_of_its_augmented_clip_are_not(
    made: Made, tmp_path: Path, stage: Stage
) -> None:
    layout = RunLayout(StorageUrl.parse(f"file://{tmp_path}"), "demo", "run-0a1b2c3d")
    clip = Clip("yardcam07.mp4", StorageUrl.parse(f"file://{tmp_path}/yardcam07.mp4"), 1, "v", 0.0)
    work = ClipWork(clip, FLOWS["e2e"], (made.draw,), {})
    (url,) = stage_outputs(layout, stage, work.draws)
    shutil.copytree(made.labelled, Path("/", url.key))
    cookbook = read_cookbook(COOKBOOK, name="any")
    seen = replace(made.source, is_variable_rate=True)
    (judgement,) = judge_stage(Storage(), work, stage, layout=layout, seen=seen, cookbook=cookbook)
    if stage is Stage.ORIGINAL_LABELS:
        assert judgement.verdict is Verdict.DEGRADED
        assert judgement.reasons == (
            "the clip's frame rate varies: times of events in the labels drift from the clip's clock",
        )
    else:
        assert (judgement.verdict, judgement.reasons) == (Verdict.ACCEPTED, ())


@pytest.mark.parametrize("verdict", [Verdict.UNVERIFIED, Verdict.REJECTED])
def test_a_rate_that_varies_betters_no_verdict(verdict: Verdict) -> None:
    assert of_variable_rate(Judgement(verdict, ("because",))).verdict is verdict

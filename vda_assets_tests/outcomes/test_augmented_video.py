"""Every verdict on an augmented clip, from a real one and from what is spoiled in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.verdict import Judgement, Verdict, named_by_index, worst
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.outcomes.conftest import Made, Output

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def judge(made: Made, augmented: Output) -> Callable[[], Judgement]:
    return lambda: judge_augmented_video(augmented.storage, augmented.url, draw=made.draw, source=made.source)


def change(output: Output, changes: Change) -> None:
    metadata = output.read("metadata.json")
    changes(metadata)
    output.write("metadata.json", metadata)


def test_what_passed_both_gates_is_accepted(judge: Callable[[], Judgement], made: Made) -> None:
    judgement = judge()
    assert (judgement.verdict, judgement.reasons, judgement.stand_in) == (Verdict.ACCEPTED, (), True)
    assert judgement.facts["frames"] == made.source.frame_count
    assert judgement.facts["hallucination_score"] >= 0.682
    assert judgement.facts["prompt"]
    assert judgement.facts["seconds"] > 0


def failed_score(metadata: dict[str, Any]) -> None:
    metadata["hallucination_check"] |= {"passed": False, "score": 0.41}
    # The container asks for attributes only after this check has passed.
    del metadata["attribute_verification"]


def failed_attribute(metadata: dict[str, Any]) -> None:
    block = metadata["attribute_verification"]
    block["passed"] = False
    weather = next(result for result in block["details"]["results"] if result["variable"] == "weather")
    weather |= {"passed": False, "vlm_answer": "UNKNOWN", "value": "rain"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (failed_score, "hallucination_check failed: score 0.41, at least 0.682 is needed"),
        (failed_attribute, "attribute_verification failed: weather is not rain"),
    ],
)
def test_what_failed_a_gate_is_rejected(
    judge: Callable[[], Judgement], augmented: Output, changes: Change, reason: str
) -> None:
    change(augmented, changes)
    judgement = judge()
    assert judgement.verdict is Verdict.REJECTED
    assert judgement.reasons[0] == reason


def drop_question(metadata: dict[str, Any]) -> None:
    details = metadata["attribute_verification"]["details"]
    details["results"] = [result for result in details["results"] if result["variable"] != "weather"]
    details["summary"]["total_checks"] -= 1


def question_that_broke(metadata: dict[str, Any]) -> None:
    block = metadata["attribute_verification"]
    block["passed"] = False
    block["details"]["results"][0] |= {"passed": False, "vlm_answer": "ERROR", "error": "connection refused"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (lambda it: it.pop("hallucination_check"), "hallucination_check did not run"),
        (lambda it: it.update(attribute_verification=None), "attribute_verification did not run"),
        (
            lambda it: it.update(hallucination_check={"passed": False, "error": "cv2.error", "attempt": 1}),
            "hallucination_check crashed: cv2.error",
        ),
        (
            lambda it: it["hallucination_check"].update(attempt=2),
            "its checks belong to different attempts: [1, 2]",
        ),
        (drop_question, "attribute_verification did not ask for weather"),
        (question_that_broke, "attribute_verification could not ask for time of day"),
        (lambda it: it.update(prompt=None), "its prompt is empty"),
    ],
)
def test_what_nobody_vouches_for_is_unverified(
    judge: Callable[[], Judgement], augmented: Output, changes: Change, reason: str
) -> None:
    change(augmented, changes)
    judgement = judge()
    assert (judgement.verdict, judgement.reasons) == (Verdict.UNVERIFIED, (reason,))


def test_further_questions_of_the_cookbook_do_no_harm(judge: Callable[[], Judgement], augmented: Output) -> None:
    def further(metadata: dict[str, Any]) -> None:
        details = metadata["attribute_verification"]["details"]
        details["results"].append({**details["results"][0], "variable": "extra"})
        details["summary"]["total_checks"] += 1

    change(augmented, further)
    assert judge().verdict is Verdict.ACCEPTED


def test_values_other_than_the_drawn_ones_are_unverified(made: Made, augmented: Output) -> None:
    draw = replace(made.draw, sampled_vars={**made.draw.sampled_vars, "weather": "hail"})
    judgement = judge_augmented_video(augmented.storage, augmented.url, draw=draw, source=made.source)
    assert judgement.verdict is Verdict.UNVERIFIED
    assert "drawn was" in judgement.reasons[0]


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b"\xff"])
def test_metadata_that_cannot_be_read_vouches_for_nothing(
    judge: Callable[[], Judgement], augmented: Output, content: bytes
) -> None:
    augmented.write("metadata.json", content)
    assert (judge().verdict, judge().reasons) == (Verdict.UNVERIFIED, ("no readable metadata.json",))


def test_metadata_that_its_worker_did_not_write_vouches_for_nothing(
    judge: Callable[[], Judgement], augmented: Output
) -> None:
    content = augmented.read("metadata.json")
    augmented.remove("metadata.json")
    assert judge().verdict is Verdict.UNVERIFIED
    (augmented.folder / "metadata.json").write_text(str(content))
    assert judge().reasons == ("no readable metadata.json",)


def test_metadata_of_another_attempt_is_not_believed(judge: Callable[[], Judgement], augmented: Output) -> None:
    path = augmented.folder / "metadata.json"
    path.write_text(path.read_text().replace('"attempt": 1', '"attempt": 2'))
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert "is not the file that its worker wrote" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        ({"frame_count": 29}, "frames: 29, its source has 30"),
        ({"width": 128}, "size: (128, 96), its source has (160, 96)"),
        ({"rate": Fraction(30)}, "frames per second: 30.0, its source has 25.0"),
    ],
)
def test_a_clip_unlike_its_source_is_rejected(
    judge: Callable[[], Judgement], augmented: Output, tmp_path: Path, clip: dict[str, Any], reason: str
) -> None:
    augmented.write("augmented_video.mp4", make_clip(tmp_path / "other.mp4", **clip).read_bytes())
    assert (judge().verdict, judge().reasons) == (Verdict.REJECTED, (reason,))


def test_without_its_marker_it_is_missing(judge: Callable[[], Judgement], augmented: Output) -> None:
    (augmented.folder / "outcome.json").unlink()
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert judgement.reasons[0].endswith("has no outcome.json: its worker did not finish")


def test_without_its_video_it_is_missing(judge: Callable[[], Judgement], augmented: Output) -> None:
    (augmented.folder / "augmented_video.mp4").unlink()
    assert judge().verdict is Verdict.MISSING
    augmented.write("augmented_video.mp4", b"")
    augmented.remove("augmented_video.mp4")
    assert judge().verdict is Verdict.MISSING


@pytest.mark.parametrize("kept", [0.1, 0.5])
def test_a_video_that_breaks_off_is_missing(judge: Callable[[], Judgement], augmented: Output, kept: float) -> None:
    content = (augmented.folder / "augmented_video.mp4").read_bytes()
    augmented.write("augmented_video.mp4", content[: int(len(content) * kept)])
    judgement = judge()
    assert judgement.verdict is Verdict.MISSING
    assert "augmented_video.mp4" in judgement.reasons[0]


def test_an_output_of_several_indexes_is_worth_what_its_worst_is() -> None:
    judgements = [Judgement(Verdict.ACCEPTED), Judgement(Verdict.REJECTED), Judgement(Verdict.UNVERIFIED)]
    assert worst(judgements) is Verdict.REJECTED
    assert worst([*judgements, Judgement(Verdict.MISSING)]) is Verdict.MISSING


def test_reasons_of_several_indexes_say_which_index_they_are_of() -> None:
    judgements = [Judgement(Verdict.ACCEPTED), Judgement(Verdict.REJECTED, ("too dark", "too short"), doubts=("snow",))]
    assert [one.reasons for one in named_by_index(judgements)] == [(), ("aug1: too dark", "aug1: too short")]
    assert [one.doubts for one in named_by_index(judgements)] == [(), ("aug1: snow",)]
    assert named_by_index(judgements[1:]) == judgements[1:]


def test_a_clip_in_an_object_store_is_judged_by_all_of_its_bytes(made: Made, bucket: Storage) -> None:
    url = StorageUrl.parse("s3://scenes/run/augmented")
    filesystem, path = bucket.locate(url)
    filesystem.put(f"{made.augmented}/", f"{path}/", recursive=True)
    judgement = judge_augmented_video(bucket, url, draw=made.draw, source=made.source)
    assert (judgement.verdict, judgement.reasons) == (Verdict.ACCEPTED, ())
    content = bytearray((made.augmented / "augmented_video.mp4").read_bytes())
    content[-1] ^= 1
    bucket.write_bytes(url / "augmented_video.mp4", bytes(content))
    judgement = judge_augmented_video(bucket, url, draw=made.draw, source=made.source)
    assert judgement.verdict is Verdict.MISSING
    assert "augmented_video.mp4 of yardcam07_aug0 is not the file that its worker wrote" in judgement.reasons[0]

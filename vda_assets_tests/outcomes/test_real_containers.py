"""What the real containers leave, as running their code or reading it showed, and what it is judged to be.

paidf-augmentation 1.0.0 and paidf-auto-labeling 1.0.0. One test per habit, named for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vda_assets.cookbooks.cookbook import read_cookbook
from vda_assets.cookbooks.question_bank import QuestionBank
from vda_assets.outcomes.augmented_video import judge_augmented_video
from vda_assets.outcomes.gates import excluded_variables
from vda_assets.outcomes.labels import judge_labels
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets_tests.outcomes.conftest import Made, Output
from vda_assets_tests.outcomes.mutations import BCQ, MCQ, METADATA, OBJECTS, STATUS, change, mark, put
from vda_assets_tests.worker.bench import COOKBOOK

BANK = read_cookbook(COOKBOOK, name="any").question_bank
HALLUCINATION, ATTRIBUTES = "hallucination_check", "attribute_verification"


@pytest.fixture
def video(made: Made, augmented: Output) -> Callable[..., Judgement]:
    return lambda **more: judge_augmented_video(
        augmented.storage, augmented.url, draw=made.draw, source=made.source, **more
    )


@pytest.fixture
def labels(made: Made, labelled: Output) -> Callable[[], Judgement]:
    return lambda: judge_labels(labelled.storage, labelled.url, frame_count=made.source.frame_count, bank=BANK)


# Augmentation


@pytest.mark.parametrize("gate", [HALLUCINATION, ATTRIBUTES])
def test_a_check_that_crashed_writes_its_error_into_its_details(
    video: Callable[[], Judgement], augmented: Output, gate: str
) -> None:
    crash = {"passed": False, "score": 0.0, "details": {"score": 0.0, "error": "Connection error."}, "attempt": 1}
    put(augmented, "metadata.json", gate, value=crash)
    judgement = video()
    assert (judgement.verdict, judgement.reasons) == (Verdict.UNVERIFIED, (f"{gate} crashed: Connection error.",))


def test_an_llm_that_is_down_while_it_makes_questions_fails_nobody(
    video: Callable[[], Judgement], augmented: Output
) -> None:
    details = {"error": "Failed to generate any questions", "questions": [], "results": []}
    put(augmented, "metadata.json", ATTRIBUTES, value={"passed": False, "details": details, "attempt": 1})
    judgement = video()
    assert judgement.verdict is Verdict.UNVERIFIED
    assert judgement.reasons == ("attribute_verification crashed: Failed to generate any questions",)


def test_the_llm_names_variables_in_its_own_wording(video: Callable[[], Judgement], augmented: Output) -> None:
    def reword(metadata: dict[str, Any]) -> None:
        for result in metadata[ATTRIBUTES]["details"]["results"]:
            result["variable"] = f" {result['variable'].title()}".replace("_", "-")

    change(augmented, "metadata.json", reword)
    assert video().verdict is Verdict.ACCEPTED


def test_an_excluded_variable_is_not_verified_by_design(video: Callable[..., Judgement], augmented: Output) -> None:
    def leave_out(metadata: dict[str, Any]) -> None:
        details = metadata[ATTRIBUTES]["details"]
        details["results"] = [one for one in details["results"] if one["variable"] == "weather"]

    change(augmented, "metadata.json", leave_out)
    config = {"evaluators": [{ATTRIBUTES: {"exclude_variables": ["Time of day"]}}, {HALLUCINATION: {}}]}
    assert video().verdict is Verdict.UNVERIFIED
    assert video(excluded=excluded_variables(config)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("config", [{}, {"evaluators": None}, {"evaluators": ["x", {ATTRIBUTES: None}]}])
def test_a_config_without_exclusions_excludes_nothing(config: dict[str, Any]) -> None:
    assert excluded_variables(config) == frozenset()


@pytest.mark.parametrize(
    ("score", "threshold", "passed", "verdict"),
    [
        (0.9, 0.682, True, Verdict.ACCEPTED),
        (0.682, 0.682, True, Verdict.ACCEPTED),
        (0.41, 0.682, False, Verdict.REJECTED),
        (0.41, 0.682, True, Verdict.REJECTED),
        (float("nan"), 0.682, True, Verdict.REJECTED),
        (0.9, float("nan"), True, Verdict.REJECTED),
        (0.9, 0.682, "true", Verdict.UNVERIFIED),
        (0.9, 0.682, 1, Verdict.UNVERIFIED),
        (0.9, 0.682, False, Verdict.UNVERIFIED),
        ("0.9", 0.682, True, Verdict.UNVERIFIED),
    ],
)
def test_passed_is_believed_when_score_and_threshold_say_so(
    video: Callable[[], Judgement], augmented: Output, score: Any, threshold: Any, passed: Any, verdict: Verdict
) -> None:
    block = {"passed": passed, "score": score, "threshold": threshold}
    change(augmented, "metadata.json", lambda it: it[HALLUCINATION].update(block))
    assert video().verdict is verdict


def test_a_clip_that_was_written_before_its_container_failed_is_never_accepted(
    video: Callable[[], Judgement], labels: Callable[[], Judgement], augmented: Output, labelled: Output
) -> None:
    for output in (augmented, labelled):
        mark(output, exit_code=3, failure="RuntimeError: CUDA error: an illegal memory access was encountered")
    for judgement in (video(), labels()):
        assert judgement.verdict is Verdict.UNVERIFIED
        assert judgement.reasons == (
            "its container failed after it was written: RuntimeError: CUDA error: an illegal memory access was "
            "encountered",
        )


def test_a_clip_that_failed_its_gate_stays_rejected_though_its_container_failed_too(
    video: Callable[[], Judgement], augmented: Output
) -> None:
    mark(augmented, exit_code=3)
    change(augmented, "metadata.json", lambda it: it[HALLUCINATION].update(passed=False, score=0.1))
    judgement = video()
    assert judgement.verdict is Verdict.REJECTED
    assert judgement.reasons[1] == "its container ended with exit code 3 after it was written"


# Labels


def test_a_clip_of_one_window_gets_its_gated_questions_answered_regardless(
    labels: Callable[[], Judgement], labelled: Output
) -> None:
    def hit(task: dict[str, Any]) -> None:
        next(item for item in task["items"] if item["question"] == "What kind of collision takes place?")["answer"] = (
            "A"
        )

    change(labelled, MCQ, hit)
    judgement = labels()
    assert judgement.verdict is Verdict.DEGRADED
    assert judgement.reasons == (
        "question 1_10 'What kind of collision takes place?' is answered with 'car hits car', though it is for 'Yes' "
        "to 1_1 alone, which is answered 'No'",
    )


def test_an_answer_that_says_no_does_not_contradict_a_gate_that_does(
    labels: Callable[[], Judgement], labelled: Output
) -> None:
    answers = {item["question"]: item for item in labelled.read(MCQ)["items"]}
    kind = answers["What kind of collision takes place?"]
    assert kind["options"][kind["answer"]] == "No collision"
    assert labels().verdict is Verdict.ACCEPTED


def test_options_that_the_llm_made_up_are_exported(labels: Callable[[], Judgement], labelled: Output) -> None:
    def colour(task: dict[str, Any]) -> None:
        weather = next(item for item in task["items"] if item["question"] == "What is the weather?")
        weather |= {"options": {"A": "Purple", "B": "Green"}, "answer": "B"}

    change(labelled, MCQ, colour)
    judgement = labels()
    assert judgement.verdict is Verdict.DEGRADED
    assert any("has the answer 'Green', none of the cookbook's options" in reason for reason in judgement.reasons)


def test_questions_that_the_bank_does_not_have_pass_through(labels: Callable[[], Judgement], labelled: Output) -> None:
    change(labelled, BCQ, lambda it: it["items"].append({**it["items"][0], "question": "Is it a nice day?"}))
    judgement = labels()
    assert judgement.reasons == ("it answers 'Is it a nice day?', which the cookbook does not ask",)


def test_a_question_in_the_llms_words_is_known_by_the_id_that_its_window_gives_it(
    labels: Callable[[], Judgement], labelled: Output
) -> None:
    def reword(items: list[dict[str, Any]]) -> None:
        next(one for one in items if one["question"] == "What is the weather?")["question"] = "Which weather is shown?"

    change(labelled, MCQ, lambda it: reword(it["items"]))
    change(labelled, METADATA, lambda it: reword(it["windows"][0]["llm_enhanced_caption"]["mcq"]))
    assert labels().verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("shift", [1, -1])
def test_frames_are_counted_from_0(labels: Callable[[], Judgement], labelled: Output, shift: int) -> None:
    def move(objects: dict[str, Any]) -> None:
        for frame in objects["frames"].values():
            frame["frame_number"] += shift

    change(labelled, OBJECTS, move)
    judgement = labels()
    assert judgement.verdict is Verdict.DEGRADED
    assert any("frame" in reason for reason in judgement.reasons)


def test_a_step_that_was_asked_for_is_skipped_silently(labels: Callable[[], Judgement], labelled: Output) -> None:
    """As is super-resolution when its checkpoint is missing, policy warn."""
    config = (labelled.folder / "config.yaml").read_text()
    labelled.write("config.yaml", f"{config}\nsuper_resolution: {{variant: seedvr2_3b}}\n".encode())
    assert any("asks for super_resolution, but it did not run" in reason for reason in labels().reasons)


def test_a_degraded_step_gives_its_reason(labels: Callable[[], Judgement], labelled: Output) -> None:
    step = {"enabled": True, "status": "failed", "degraded": True, "failure_reason": "missing_output"}
    status = {"degraded": True, "status": "completed_degraded", "degraded_stages": ["super_resolution"]}
    change(labelled, STATUS, lambda it: (it.update(status), it["stages"].update(super_resolution=step)))
    judgement = labels()
    assert judgement.verdict is Verdict.DEGRADED
    assert judgement.reasons == (
        f"{STATUS}: step super_resolution is degraded (missing_output); the labels were made without it",
    )


def test_answers_to_another_cookbooks_questions_are_no_answers(made: Made, labelled: Output) -> None:
    other = QuestionBank.model_validate(
        {"name": "x", "questions": [{"id": "9", "question": "Is it night?", "options": ["Yes", "No"]}]}
    )
    judgement = judge_labels(labelled.storage, labelled.url, frame_count=made.source.frame_count, bank=other)
    assert judgement.verdict is Verdict.DEGRADED
    assert any("which the cookbook does not ask" in reason for reason in judgement.reasons)

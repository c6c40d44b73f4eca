"""Which questions of a bank a label scene answers, from scenes with several windows that lose some."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vda_assets.cookbooks.question_bank import QuestionBank
from vda_assets.labels.scene import ClipMetadata, EffectiveConfig, LabelScene
from vda_assets.labels.scene import Question as Answered
from vda_assets.outcomes.answers import answer_problems

YES_NO = ["Yes", "No"]
WEATHER = ["A. Clear", "B. Rain"]
PARTIES = ["A. Cars", "B. People"]
BANK = QuestionBank.model_validate(
    {
        "name": "yard",
        "questions": [
            {"id": "1_1", "question": "Is there a collision?", "options": YES_NO, "aggregation": "any"},
            {
                "id": "1_2",
                "question": "Who collides?",
                "options": PARTIES,
                "include_if": {"1_1": "Yes"},
            },
            {"id": "2_1", "question": "What is the weather?", "options": WEATHER},
        ],
    }
)
COLLISION = Answered(question="Is there a collision?", answer="No")
WEATHER_ANSWER = Answered(question="What is the weather?", answer="B", options={"A": "Clear", "B": "Rain"})
COLLIDES = {"id": "1_1", "question": "Is there a collision?", "options": YES_NO, "answer": "No"}
RAINS = {"id": "2_1", "question": "What is the weather?", "options": WEATHER, "answer": "B. Rain"}


def window(number: int, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    answered = {"llm_enhanced_caption": {"version": 2.0, "mcq": list(items)}}
    return {"start_frame": number * 60, "end_frame": number * 60 + 59, **answered, **more}


def scene(*answers: Answered, windows: list[dict[str, Any]] | None = None, asked: bool = True) -> LabelScene:
    """What the container leaves; two windows that answer everything unless others are given."""
    seen = windows if windows is not None else [window(0, COLLIDES, RAINS), window(1, COLLIDES, RAINS)]
    clip = {"width": 96, "height": 64, "framerate": 25.0, "num_frames": 120, "windows": seen}
    return LabelScene.model_construct(
        mcq=tuple(answer for answer in answers if answer.options),
        bcq=tuple(answer for answer in answers if not answer.options),
        open_qa=(),
        metadata=ClipMetadata.model_validate_json(json.dumps(clip)),
        config=EffectiveConfig.model_validate({"mcq_generation": {"enabled": asked}}),
    )


def test_nothing_is_missed_where_every_question_that_applies_is_answered() -> None:
    assert answer_problems(scene(COLLISION, WEATHER_ANSWER), BANK) == []


def test_an_answer_that_no_window_gave_is_named() -> None:
    silent = scene(COLLISION, windows=[window(0, COLLIDES), window(1, COLLIDES)])
    assert answer_problems(silent, BANK) == ["question 2_1 'What is the weather?' is not answered in any window"]


def test_an_answer_that_was_lost_on_its_way_says_where_it_was() -> None:
    lost = scene(COLLISION, windows=[window(0, COLLIDES, RAINS), window(1, COLLIDES)])
    (reason,) = answer_problems(lost, BANK)
    assert reason == (
        "question 2_1 'What is the weather?' is not answered in task/, though it is in 1 of 2 windows (frames 0 to 59)"
    )


def test_an_answer_that_does_not_cover_the_clip_says_which_frames_are_left_out() -> None:
    partly = scene(COLLISION, WEATHER_ANSWER, windows=[window(0, COLLIDES, RAINS), window(1, COLLIDES)])
    assert answer_problems(partly, BANK) == [
        "question 2_1 'What is the weather?' is not answered in 1 of 2 windows (frames 60 to 119)"
    ]


def test_a_window_whose_reply_holds_no_question_is_named() -> None:
    windows = [window(number, COLLIDES, RAINS) for number in range(6)] + [window(number) for number in range(6, 11)]
    assert answer_problems(scene(COLLISION, WEATHER_ANSWER, windows=windows), BANK) == [
        "no question at all is answered in 5 of 11 windows (frames 360 to 419, 420 to 479, 480 to 539, …)"
    ]


@pytest.mark.parametrize(
    "spoiled",
    [{"answer": "D. Hail"}, {"answer": ""}, {"answer": None}, {"id": "9_9", "question": "What sort of weather is it?"}],
)
def test_what_the_container_would_drop_is_no_answer(spoiled: dict[str, Any]) -> None:
    windows = [window(0, COLLIDES, RAINS), window(1, COLLIDES, RAINS | spoiled)]
    (reason,) = answer_problems(scene(COLLISION, WEATHER_ANSWER, windows=windows), BANK)
    assert "2_1" in reason
    assert "frames 60 to 119" in reason


@pytest.mark.parametrize(
    ("answer", "reasons"), [("No", []), ("Yes", ["question 1_2 'Who collides?' is not answered in any window"])]
)
def test_a_gated_question_is_needed_only_behind_an_open_gate(answer: str, reasons: list[str]) -> None:
    collision = COLLISION.model_copy(update={"answer": answer})
    assert answer_problems(scene(collision, WEATHER_ANSWER), BANK) == reasons


def test_a_gated_question_may_be_answered_in_the_windows_of_its_gate_alone() -> None:
    collides = COLLIDES | {"answer": "Yes"}
    who = {"id": "1_2", "question": "Who collides?", "options": PARTIES, "answer": "A. Cars"}
    answers = (
        COLLISION.model_copy(update={"answer": "Yes"}),
        WEATHER_ANSWER,
        Answered(question="Who collides?", answer="A", options={"A": "Cars", "B": "People"}),
    )
    windows = [window(0, COLLIDES, RAINS), window(1, collides, who, RAINS)]
    assert answer_problems(scene(*answers, windows=windows), BANK) == []


def test_a_missing_gate_is_named_alone() -> None:
    gateless = scene(WEATHER_ANSWER, windows=[window(0, RAINS)])
    assert answer_problems(gateless, BANK) == ["question 1_1 'Is there a collision?' is not answered in any window"]


def test_a_question_that_the_llm_puts_in_its_own_words_is_answered() -> None:
    reworded = RAINS | {"question": "Which weather is shown?", "options": ["Clear", "Rain"], "answer": "Rain"}
    renumbered = COLLIDES | {"id": "Q1"}
    answers = (COLLISION, WEATHER_ANSWER.model_copy(update={"question": "Which weather  is shown?"}))
    assert answer_problems(scene(*answers, windows=[window(0, renumbered, reworded)]), BANK) == []


def test_windows_that_failed_or_hold_no_replies_are_not_searched() -> None:
    failed = window(1, _errors=["llm_mcq_not_parseable:non_json_output"])
    assert answer_problems(scene(COLLISION, WEATHER_ANSWER, windows=[window(0, COLLIDES, RAINS), failed]), BANK) == []
    captions_alone = {"start_frame": 0, "end_frame": 59, "vlm_caption": "A yard."}
    assert answer_problems(scene(COLLISION, WEATHER_ANSWER, windows=[captions_alone]), BANK) == []


@pytest.mark.parametrize("reply", [[], "sorry", {"mcq": None}, {"mcq": ["1_1"]}, {"mcq": [{"options": "Yes"}]}])
def test_rubbish_in_a_reply_is_no_answer(reply: object) -> None:
    windows = [window(0, COLLIDES, RAINS), {**window(1), "llm_enhanced_caption": reply}]
    reasons = answer_problems(scene(COLLISION, WEATHER_ANSWER, windows=windows), BANK)
    assert reasons
    assert all("frames 60 to 119" in reason for reason in reasons)


def test_nothing_is_expected_where_nothing_was_asked_or_all_is_lost() -> None:
    assert answer_problems(scene(COLLISION, asked=False), BANK) == []
    assert answer_problems(scene(), BANK) == []

from __future__ import annotations

from vda_assets.labels.scene import Question
from vda_assets.outcomes.look import Look, unexpected_answers

WEATHER = frozenset({"clear", "overcast", "rain"})


def asked(answer: str, options: dict[str, str]) -> list[Question]:
    return [Question(question="Weather?", answer=answer, options=options)]


def test_an_answer_that_is_another_value_than_the_drawn_one_is_worth_a_look() -> None:
    options = {"A": "A. Clear", "B": "B. Overcast", "C": "C. Rain"}
    (doubt,) = unexpected_answers(asked("A", options), {"weather": Look("rain", WEATHER)})
    assert doubt == "meant to be weather rain, answered 'clear' to 'Weather?'"
    assert list(unexpected_answers(asked("C", options), {"weather": Look("rain", WEATHER)})) == []


def test_a_question_about_something_else_says_nothing_about_the_look() -> None:
    options = {"A": "Light", "B": "Moderate", "C": "Heavy"}
    assert list(unexpected_answers(asked("A", options), {"weather": Look("rain", WEATHER)})) == []

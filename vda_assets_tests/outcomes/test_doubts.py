from __future__ import annotations

from vda_assets.labels.scene import Question
from vda_assets.outcomes.doubts import Drawn, doubts_about

WEATHER = frozenset({"clear", "overcast", "rain"})


def asked(answer: str, options: dict[str, str]) -> list[Question]:
    return [Question(question="Weather?", answer=answer, options=options)]


def test_an_answer_that_is_another_value_than_the_drawn_one_is_a_doubt() -> None:
    options = {"A": "A. Clear", "B": "B. Overcast", "C": "C. Rain"}
    (doubt,) = doubts_about(asked("A", options), {"weather": Drawn("rain", WEATHER)})
    assert doubt == "meant to be weather rain, answered 'clear' to 'Weather?'"
    assert list(doubts_about(asked("C", options), {"weather": Drawn("rain", WEATHER)})) == []


def test_a_question_about_something_else_says_nothing_about_the_draw() -> None:
    options = {"A": "Light", "B": "Moderate", "C": "Heavy"}
    assert list(doubts_about(asked("A", options), {"weather": Drawn("rain", WEATHER)})) == []

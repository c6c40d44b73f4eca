"""What stops is one question, which names each thing that is missing once."""

from __future__ import annotations

import pytest

from vda_assets.readiness.finding import NotReady, blocking, cold, note, ready, require


def test_one_thing_is_asked_for_in_one_line() -> None:
    with pytest.raises(NotReady, match=r"^USER_INPUT_REQUIRED: set HF_TOKEN$"):
        require([ready("pool", "a"), blocking("hf_token", "set HF_TOKEN"), note("pod template", "not checked")])


def test_several_are_one_question_and_each_is_named_once() -> None:
    findings = [
        blocking("images", "set NGC_API_KEY"),
        blocking("endpoint", "set NGC_API_KEY"),
        blocking("pool", "name it"),
    ]
    with pytest.raises(NotReady) as raised:
        require(findings)
    assert str(raised.value) == "USER_INPUT_REQUIRED: 2 things:\n  1. set NGC_API_KEY\n  2. name it"


def test_what_a_run_makes_by_itself_stops_nothing() -> None:
    require([cold("model cache", "empty"), note("endpoint", "away")])

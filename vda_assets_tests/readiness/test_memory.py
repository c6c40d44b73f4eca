"""Answers that are kept for some minutes: by whom, how long, and which never."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from vda_assets.readiness.finding import Finding, Level, blocking, cold, note, ready
from vda_assets.readiness.memory import NoMemory, remembered
from vda_assets.runs.memory import InstanceMemory


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def ask(memory, finding: Finding, *, key: str = "key") -> Finding:
    return remembered(memory, key, lambda: finding, kind=Finding, is_good=lambda one: one.level is Level.READY)


def test_a_good_answer_is_kept_for_all_runs_of_the_instance(instance: dg.DagsterInstance) -> None:
    first = ready("images", "all there")
    assert ask(InstanceMemory(instance), first) == first
    assert ask(InstanceMemory(instance), blocking("images", "gone")) == first
    assert ask(InstanceMemory(instance), ready("images", "others"), key="another") == ready("images", "others")


def test_after_some_minutes_it_is_asked_for_again(instance: dg.DagsterInstance) -> None:
    ask(InstanceMemory(instance), ready("images", "all there"))
    assert ask(InstanceMemory(instance, seconds=0), ready("images", "anew")).message == "anew"


@pytest.mark.parametrize("finding", [note("endpoint", "away"), cold("endpoint", "none"), blocking("endpoint", "bad")])
def test_what_is_amiss_is_asked_for_again_at_once(instance: dg.DagsterInstance, finding: Finding) -> None:
    memory = InstanceMemory(instance)
    ask(memory, finding)
    assert ask(memory, ready("endpoint", "serves")).level is Level.READY


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"at": 1e99, "text": "{}"}', "no JSON"])
def test_what_another_version_has_kept_is_as_nothing(instance: dg.DagsterInstance, text: str) -> None:
    memory = InstanceMemory(instance)
    memory.keep("key", text)
    assert ask(memory, ready("images", "anew")).message == "anew"


def test_whoever_wants_to_know_it_now_asks_now() -> None:
    memory = NoMemory()
    ask(memory, ready("images", "all there"))
    assert ask(memory, ready("images", "anew")).message == "anew"

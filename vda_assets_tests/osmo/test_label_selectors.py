"""Every selector stays within what the service takes, and together they ask for every combination once."""

from __future__ import annotations

import string
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from vda_assets.osmo.label_selectors import label_selectors

values = st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=63)


def meant(selector: str) -> list[tuple[str, str]]:
    key, _, value = selector.partition("=")
    return [(key, one) for one in value.removeprefix("(").removesuffix(")").split("|")]


@settings(deadline=None)
@given(st.dictionaries(values, st.lists(values, max_size=70), max_size=2))
def test_every_combination_is_asked_for_once(labels: dict[str, list[str]]) -> None:
    asked = [
        combination
        for selectors in label_selectors(labels)
        for combination in product(*(meant(selector) for selector in selectors))
    ]
    wanted = set(product(*([(key, value) for value in values] for key, values in labels.items())))
    assert len(asked) == len(set(asked))
    assert set(asked) == wanted


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=100))
def test_no_selector_breaks_a_limit_of_the_service(clips: list[str]) -> None:
    key = f"{'a.' * 126}b/{'k' * 63}"
    for (selector,) in label_selectors({key: clips}):
        assert len(selector.encode()) <= 4096
        assert 1 <= len(meant(selector)) <= 32
        assert ("(" in selector) == (len(meant(selector)) > 1)


def test_a_single_text_is_one_value_and_not_its_letters() -> None:
    assert list(label_selectors({"vda-run": "run-1"})) == [("vda-run=run-1",)]
    assert list(label_selectors({})) == [()]

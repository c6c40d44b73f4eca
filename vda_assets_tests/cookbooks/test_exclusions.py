"""Combinations that a cookbook never draws, and what becomes of the weights around them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import draws_for
from vda_assets.cookbooks.exclusions import MAX_EXCLUSIONS, expected_shares

VARIABLES = {
    "time_of_day": {"day": 0.5, "dusk": 0.3, "night": 0.2},
    "light": {"sun": 0.4, "lamps": 0.4, "none": 0.2},
    "weather": {"clear": 0.7, "rain": 0.3},
}
NIGHT: dict[str, Any] = {"time_of_day": "night", "light": "sun"}


def distribution(*exclude: dict[str, Any], variables: dict[str, dict[str, float]] | None = None) -> Distribution:
    return Distribution.model_validate({"variables": variables or VARIABLES, "exclude": list(exclude)})


def drawn_of(one: Distribution, clips: int = 5000) -> list[dict[str, str]]:
    return [dict(draws_for(one, f"clip{number}")[0].sampled_vars) for number in range(clips)]


def shares_of(draws: list[dict[str, str]], name: str) -> dict[str, float]:
    return {value: count / len(draws) for value, count in Counter(draw[name] for draw in draws).items()}


def test_an_excluded_combination_is_never_drawn_and_the_rest_keeps_its_proportions() -> None:
    draws = drawn_of(distribution(NIGHT))
    at_night = [draw for draw in draws if draw["time_of_day"] == "night"]
    assert shares_of(at_night, "light") == pytest.approx({"lamps": 2 / 3, "none": 1 / 3}, abs=0.05)
    by_day = [draw for draw in draws if draw["time_of_day"] != "night"]
    assert shares_of(by_day, "light") == pytest.approx(VARIABLES["light"], abs=0.03)
    assert shares_of(draws, "time_of_day") == pytest.approx(VARIABLES["time_of_day"], abs=0.03)


def test_draws_that_no_exclusion_concerns_are_the_same_to_the_last_bit() -> None:
    for before, after in zip(drawn_of(distribution()), drawn_of(distribution(NIGHT)), strict=True):
        if before["time_of_day"] != "night":
            assert after == before
        assert after["weather"] == before["weather"]


def test_a_combination_may_name_several_values_and_more_than_two_variables() -> None:
    excluded = {"time_of_day": ["dusk", "night"], "light": ["sun", "none"], "weather": "rain"}
    draws = drawn_of(distribution(excluded))
    assert not [one for one in draws if all(one[name] in values for name, values in excluded.items())]
    assert [one for one in draws if (one["time_of_day"], one["light"]) == ("night", "sun")]


@pytest.mark.parametrize(
    "exclude",
    [
        [NIGHT],
        [NIGHT, {"light": "none", "weather": "rain"}],
        [{"time_of_day": "day", "weather": "rain"}, {"time_of_day": "night", "light": ["sun", "none"]}],
        [{"time_of_day": ["dusk", "night"], "light": "sun", "weather": "rain"}],
    ],
)
def test_what_is_expected_is_what_many_draws_have(exclude: list[dict[str, Any]]) -> None:
    one = distribution(*exclude)
    draws = drawn_of(one)
    for name, shares in expected_shares(one.variables, one.exclude).items():
        assert sum(shares.values()) == pytest.approx(1)
        drawn = {value: share for value, share in shares.items() if share}
        assert shares_of(draws, name) == pytest.approx(drawn, abs=0.03)


@pytest.mark.parametrize(
    ("exclude", "reason"),
    [
        (
            [{"time": "night", "light": "sun"}],
            "exclude.0: 'time' is no variable; there are time_of_day, light",
        ),
        ([NIGHT, {"light": "moon", "weather": "rain"}], "exclude.1.light: 'moon' is no value of it; there are sun, la"),
        ([{"light": "sun"}], "exclude.0: names fewer than two variables; a value that is never drawn has the weight 0"),
        ([{}], "exclude.0: names fewer than two variables"),
        ([{"light": [], "weather": "rain"}], "at least 1 item"),
        ([{"light": "sun", "weather": ["clear", "rain"]}], "with light: sun no value of weather is left to be drawn"),
        (
            [NIGHT, {"time_of_day": "night", "weather": "rain"}, {"light": ["lamps", "none"], "weather": "clear"}],
            "with time_of_day: night, light: lamps no value of weather is left",
        ),
        ([NIGHT] * (MAX_EXCLUSIONS + 1), "at most 100 items"),
    ],
)
def test_what_cannot_be_drawn_or_is_no_variable_is_refused(exclude: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ValidationError) as error:
        distribution(*exclude)
    assert reason in str(error.value)


def test_values_without_a_weight_are_nothing_to_fall_back_on() -> None:
    variables = {"light": {"sun": 1.0}, "weather": {"clear": 1.0, "rain": 0.0}}
    with pytest.raises(ValidationError, match="with light: sun no value of weather is left to be drawn"):
        distribution({"light": "sun", "weather": "clear"}, variables=variables)


def test_a_combination_that_is_out_of_reach_leaves_no_clip_without_a_draw() -> None:
    # Sun and rain are excluded, so that nothing has to be left for night with both of them.
    never = [NIGHT, {"light": "sun", "weather": "rain"}, {"time_of_day": "night", "light": "sun", "weather": "clear"}]
    assert distribution(*never).exclude


@pytest.mark.parametrize("count", [13, 5_000])
def test_more_than_can_be_gone_through_is_refused_at_once(count: int) -> None:
    values = {"a": 0.5, "b": 0.5} if count < 20 else {"a": 1.0}
    variables = {f"v{number}": values for number in range(count)}
    with pytest.raises(ValidationError, match=f"exclude: names {count} variables, and 20 with 5000 combinations"):
        distribution(dict.fromkeys(variables, "a"), variables=variables)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                name: st.lists(st.sampled_from(list(values)), min_size=1, unique=True)
                for name, values in VARIABLES.items()
            },
        ),
        max_size=4,
    )
)
def test_whatever_is_accepted_gives_every_clip_a_draw_that_is_not_excluded(exclude: list[dict[str, Any]]) -> None:
    try:
        one = distribution(*exclude)
    except ValidationError:
        return
    for draw in drawn_of(one, clips=30):
        assert all(draw[name] in weights for name, weights in VARIABLES.items())
        assert not any(all(draw[name] in values for name, values in each.items()) for each in exclude)

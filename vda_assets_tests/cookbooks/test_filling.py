"""Further draws are chosen for what lacks, most of it first, no more than lacks, and the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.cookbooks.filling import Filling, fill, values_of

WEATHER = {"rain": 0.5, "sun": 0.5}
TIME = {"day": 0.5, "night": 0.5}
VIDEOS = [f"clip{number}" for number in range(20)]
NIGHT_RAIN = (("time", "night"), ("weather", "rain"))


def distribution(variables: Mapping[str, Any] | None = None, **said: Any) -> Distribution:
    return Distribution.model_validate({"variables": variables or {"time": TIME, "weather": WEATHER}, **said})


def drawn(time: str, weather: str, count: int) -> list[dict[str, str]]:
    return [{"time": time, "weather": weather}] * count


def all_but_night_rain(each: int) -> list[dict[str, str]]:
    return [*drawn("day", "rain", each), *drawn("day", "sun", each), *drawn("night", "sun", each)]


def filling(
    accepted: Sequence[Mapping[str, str]],
    *,
    draws: int,
    of: Distribution | None = None,
    asked: Mapping[str, Sequence[int]] | None = None,
    limit: int | None = None,
) -> Filling:
    asked = dict.fromkeys(VIDEOS, ()) if asked is None else asked
    return fill(of or distribution(), accepted=accepted, draws=draws, asked=asked, limit=limit)


def pairs(draws: Sequence[Draw], order: Sequence[str] = ("time", "weather")) -> Counter[Any]:
    return Counter(values for draw in draws for values in values_of(draw.sampled_vars, order) if len(values) == 2)


def test_what_lacks_is_drawn_as_often_as_it_lacks_and_nothing_else() -> None:
    found = filling(all_but_night_rain(10) + drawn("night", "rain", 3), draws=40)
    assert pairs(found.draws) == {NIGHT_RAIN: 7}
    (lacking,) = found.lacking
    assert (str(lacking), lacking.chosen, lacking.is_drawn) == ("night x rain: 3 of 10", 7, True)


@pytest.mark.parametrize("accepted", [all_but_night_rain(10) + drawn("night", "rain", 10), all_but_night_rain(99)])
def test_where_nothing_lacks_nothing_is_drawn(accepted: list[dict[str, str]]) -> None:
    draws = 40 if len(accepted) == 40 else 1
    assert filling(accepted, draws=draws) == Filling([], [])


def test_what_lacks_most_comes_first_within_the_budget() -> None:
    accepted = [
        *drawn("day", "rain", 9),
        *drawn("day", "sun", 8),
        *drawn("night", "sun", 7),
        *drawn("night", "rain", 2),
    ]
    found = filling(accepted, draws=40, limit=5)
    assert pairs(found.draws) == {NIGHT_RAIN: 5}
    assert [(str(one), one.chosen) for one in found.lacking] == [
        ("night x rain: 2 of 10", 5),
        ("night x sun: 7 of 10", 0),
        ("day x sun: 8 of 10", 0),
        ("day x rain: 9 of 10", 0),
    ]
    everything = filling(accepted, draws=40)
    assert sum(pairs(everything.draws).values()) == 8 + 3 + 2 + 1
    assert list(everything.draws[:5]) == list(found.draws), "a larger budget goes on from a smaller one"


def test_the_draws_are_those_of_the_rule_beyond_the_cookbook_s_own_indexes() -> None:
    of = distribution(n_augmentations=3)
    for draw in filling(all_but_night_rain(10), draws=40, of=of).draws:
        assert draw.index >= 3
        assert (draw,) == draws_for(of, draw.video, further=draw.index)


def test_the_same_is_chosen_again_and_in_whatever_order_clips_and_outputs_are_given() -> None:
    accepted = all_but_night_rain(6)
    found = filling(accepted, draws=40)
    backwards = dict.fromkeys(reversed(VIDEOS), ())
    assert filling(list(reversed(accepted)), draws=40, asked=backwards) == found


def test_it_spreads_over_clips_those_that_were_asked_for_least_first() -> None:
    found = filling(all_but_night_rain(10), draws=40)
    assert max(Counter(draw.video for draw in found.draws).values()) == 1
    asked = {video: (1, 2) if number % 2 else () for number, video in enumerate(VIDEOS)}
    assert {draw.video for draw in filling(all_but_night_rain(10), draws=40, asked=asked).draws} <= {*VIDEOS[::2]}
    of_two = filling(all_but_night_rain(10), draws=40, asked={"a": (), "b": ()})
    assert Counter(draw.video for draw in of_two.draws) == {"a": 5, "b": 5}


def test_an_index_that_was_asked_for_before_is_not_drawn_again() -> None:
    first = filling(all_but_night_rain(10), draws=40, asked={"a": ()})
    indexes = [draw.index for draw in first.draws]
    assert len({*indexes}) == 10
    again = filling(all_but_night_rain(10), draws=40, asked={"a": indexes})
    assert {draw.index for draw in again.draws} & {*indexes} == set()


@pytest.mark.parametrize(
    ("variables", "said", "never"),
    [
        ({"time": TIME, "weather": {**WEATHER, "snow": 0.0}}, {}, {"snow"}),
        ({"time": TIME, "weather": WEATHER}, {"exclude": [{"time": "night", "weather": "rain"}]}, {"night", "rain"}),
        (
            {"time": TIME, "weather": WEATHER, "light": {"beams": 0.5, "lamps": 0.5}},
            {"exclude": [{"time": "night", "light": "beams"}]},
            {"night", "beams"},
        ),
    ],
)
def test_what_the_cookbook_never_draws_is_never_looked_for(
    variables: dict[str, Any], said: dict[str, Any], never: set[str]
) -> None:
    of = distribution(variables, **said)
    found = filling([], draws=40, of=of)
    told = [{value for _, value in one.values} for one in found.lacking]
    assert found.draws
    assert not any(never <= {*draw.sampled_vars.values()} for draw in found.draws)
    assert not any(never <= values for values in told)
    assert all(one.chosen >= int(one.wanted) for one in found.lacking)


def test_of_a_single_variable_values_are_counted() -> None:
    found = filling([{"weather": "sun"}] * 5, draws=10, of=distribution({"weather": WEATHER}))
    assert [draw.sampled_vars["weather"] for draw in found.draws] == ["rain"] * 5


def test_one_draw_fills_several_pairs_where_it_can() -> None:
    variables = {"time": TIME, "weather": WEATHER, "road": {"dry": 0.5, "wet": 0.5}}
    found = filling([], draws=4, of=distribution(variables))
    assert len(found.lacking) == 12
    assert len(found.draws) <= 6, "each draw has three pairs"


def test_values_that_no_draw_has_are_told_and_the_others_are_chosen_all_the_same() -> None:
    rare = distribution({"time": {"day": 0.9999, "dusk": 0.0001}, "weather": WEATHER})
    accepted = [{"time": "day", "weather": weather} for weather in WEATHER] * 5998
    found = filling(accepted, draws=12_000, of=rare, asked={"a": ()})
    assert [(str(one), one.chosen, one.is_drawn) for one in found.lacking] == [
        ("day x rain: 5998 of 5999.4", 1, True),
        ("day x sun: 5998 of 5999.4", 1, True),
        ("dusk x rain: 0 of 0.6", 0, False),
        ("dusk x sun: 0 of 0.6", 0, False),
    ]
    assert len(found.draws) == 2


def test_what_is_wanted_half_a_time_or_less_is_not_asked_for() -> None:
    of = distribution({"time": {"day": 0.9, "night": 0.1}, "weather": WEATHER})
    found = filling([], draws=10, of=of)
    assert {value for one in found.lacking for _, value in one.values} == {"day", "rain", "sun"}

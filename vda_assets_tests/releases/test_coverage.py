"""What is accepted stands beside what the cookbook's weights and exclusions would have."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import draws_for
from vda_assets.cookbooks.exclusions import expected_shares, expected_shares_of_pairs
from vda_assets.releases.coverage import coverage

VARIABLES = {
    "time": {"day": 0.75, "night": 0.25},
    "weather": {"clear": 0.6, "rain": 0.4},
    "light": {"sun": 0.5, "lamp": 0.5},
}


def distribution(**said: Any) -> Distribution:
    return Distribution(variables=VARIABLES, **said)


def test_each_value_and_each_pair_is_told_with_what_is_wanted_of_it() -> None:
    accepted = [{"time": "night", "weather": "rain", "light": "sun"}] * 3
    lines = [str(one) for one in coverage(distribution(), 400, accepted)]
    assert lines[:6] == [
        "day: 0 of 300", "night: 3 of 100", "clear: 0 of 240", "rain: 3 of 160", "sun: 3 of 200", "lamp: 0 of 200",
    ]  # fmt: skip
    assert "night x rain: 3 of 40" in lines
    assert lines[6] == "day x clear: 0 of 180", "what lacks most stands first"


def test_what_is_excluded_is_not_wanted_and_told_when_it_is_there_all_the_same() -> None:
    rules = distribution(exclude=[{"time": "night", "light": "sun"}])
    lines = [str(one) for one in coverage(rules, 100, [{"time": "night", "light": "sun"}])]
    assert "night x sun: 1 of 0" in lines
    assert "night x lamp: 0 of 25" in lines


@pytest.mark.parametrize("exclude", [[], [{"time": "night", "light": "sun"}], [{"weather": "rain", "time": "day"}]])
def test_the_wanted_shares_are_those_of_many_draws(exclude: list[dict[str, str]]) -> None:
    rules = distribution(exclude=exclude)
    shares = expected_shares_of_pairs(rules.variables, rules.exclude)
    counts: Counter[Any] = Counter()
    for number in range(4000):
        (draw,) = draws_for(rules, f"clip{number}")
        drawn = tuple(draw.sampled_vars.items())
        counts.update([*((one,) for one in drawn), *combinations(drawn, 2)])
    assert counts.keys() == {values for values, share in shares.items() if share}
    assert all(abs(count / 4000 - shares[values]) < 0.03 for values, count in counts.items())
    singles = {values[0]: share for values, share in shares.items() if len(values) == 1}
    told = expected_shares(rules.variables, rules.exclude)
    assert all(abs(told[name][value] - share) < 1e-9 for (name, value), share in singles.items())

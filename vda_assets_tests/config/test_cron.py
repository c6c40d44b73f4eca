from __future__ import annotations

from random import Random
from re import escape

import dagster as dg
import pytest

from vda_assets.config.cron import check_cron

TAKEN = [
    "0 2 * * *",
    "*/15 0-6 1,15 jan-MAR mon-fri",
    "59 23 31 12 7",
    "0 0 29 2 *",
    "5/10 * * * *",
    "  0   2 * *  * ",
]
REFUSED = {
    "daily": "five fields",
    "99 99 99 99 99": "'99' is no minute",
    "60 * * * *": "'60' is no minute",
    "* 24 * * *": "'24' is no hour",
    "* * 0 * *": "'0' is no day of the month",
    "* * * 13 *": "'13' is no month",
    "* * * * 8": "'8' is no day of the week",
    "*/0 * * * *": "'*/0' is no minute",
    "30-10 * * * *": "'30-10' is no minute",
    "1,,2 * * * *": "'' is no minute",
    "٣ * * * *": "is no minute",
    "0 0 * * mon-sunday": "is no day of the week",
    "0 0 31 2,4,6 *": "never comes due",
    "0 0 31 2 1": "never comes due",
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_cron_expression_that_is_taken_is_one_for_dagster_too(text: str) -> None:
    assert check_cron(text) == text
    dg.AutomationCondition.on_cron(text)


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_a_cron_expression_that_is_none_is_refused_with_its_field(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=escape(said)):
        check_cron(text)


def test_whatever_is_taken_is_taken_by_dagster() -> None:
    random = Random(1)
    fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]

    def part(lowest: int, highest: int) -> str:
        first, last = sorted(random.choices(range(lowest - 1, highest + 2), k=2))
        step = random.choice([0, 1, 2, 7, 100])
        return random.choice(
            ["*", f"*/{step}", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"{first}/{step}"]
        )

    taken = 0
    for _ in range(2_000):
        text = " ".join(",".join(part(*field) for _ in range(random.choice([1, 1, 2]))) for field in fields)
        try:
            check_cron(text)
        except ValueError:
            continue
        taken += 1
        dg.AutomationCondition.on_cron(text)
    assert taken > 200

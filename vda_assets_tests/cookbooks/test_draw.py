from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vda_assets.config.deployment import Endpoints
from vda_assets.cookbooks.cookbook import Distribution, read_cookbook
from vda_assets.cookbooks.draw import draws_for, seed
from vda_assets.flows.setup import setup_files

SCENES = sorted((Path(__file__).parents[2] / "assets_cfg/cookbooks").iterdir())
CITY = Distribution(
    n_augmentations=2,
    variables={
        "weather": {"clear": 0.35, "overcast": 0.35, "rain": 0.30},
        "time_of_day": {"morning": 0.35, "midday": 0.35, "evening": 0.30},
    },
)


def test_a_draw_is_the_same_on_every_machine_and_in_every_version() -> None:
    first, second = draws_for(CITY, "bikes")
    assert (first.name, dict(first.sampled_vars)) == ("bikes_aug0", {"weather": "clear", "time_of_day": "evening"})
    assert (second.name, dict(second.sampled_vars)) == ("bikes_aug1", {"weather": "overcast", "time_of_day": "morning"})
    assert first.generation_seed == seed("bikes_0_cosmos")
    assert first.prompt_seed == seed("bikes_0") == 1482336315


def test_a_further_try_draws_the_same_with_another_seed_under_a_name_of_its_own() -> None:
    first, second, third = (draws_for(CITY, "bikes", attempt=attempt)[1] for attempt in (1, 2, 3))
    assert first == draws_for(CITY, "bikes")[1]
    assert [one.name for one in (first, second, third)] == ["bikes_aug1", "bikes_aug1_try2", "bikes_aug1_try3"]
    assert second.generation_seed == seed("bikes_1_cosmos_try2")
    assert len({one.generation_seed for one in (first, second, third)}) == 3
    assert first.sampled_vars == second.sampled_vars == third.sampled_vars
    assert first.prompt_seed == second.prompt_seed == third.prompt_seed


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_over_ten_thousand_clips_each_value_comes_as_often_as_its_weight_says(scene: Path) -> None:
    distribution = read_cookbook(scene, name=scene.name).distribution
    draws = [draws_for(distribution, f"clip{number}")[0].sampled_vars for number in range(10_000)]
    for variable, weights in distribution.variables.items():
        counts = Counter(drawn[variable] for drawn in draws)
        assert set(counts) <= set(weights)
        for value, weight in weights.items():
            assert abs(counts[value] / len(draws) - weight) < 0.02


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_clips_around_it_change_nothing_of_a_clips_config(scene: Path) -> None:
    cookbook = read_cookbook(scene, name=scene.name)

    def configs_of(*videos: str) -> dict[str, bytes]:
        draws = {f"{video}.mp4": draws_for(cookbook.distribution, video) for video in videos}
        return setup_files(draws, cookbook=cookbook, endpoints=Endpoints(), super_resolution=False)

    alone = configs_of("bikes")["configs/bikes_aug0.yaml"]
    assert configs_of("aaa", "bikes", "zzz")["configs/bikes_aug0.yaml"] == alone


@given(st.text(min_size=1), st.integers(0, 5))
def test_another_variable_or_index_changes_no_draw(video: str, index: int) -> None:
    alone = Distribution(n_augmentations=index + 1, variables={"weather": CITY.variables["weather"]})
    more = Distribution(n_augmentations=8, variables=CITY.variables)
    assert (
        draws_for(alone, video)[index].sampled_vars["weather"] == draws_for(more, video)[index].sampled_vars["weather"]
    )


def test_a_value_of_weight_zero_is_never_drawn() -> None:
    distribution = Distribution(variables={"weather": {"clear": 0.0, "rain": 1.0, "snow": 0.0}})
    drawn = {draws_for(distribution, f"clip{number}")[0].sampled_vars["weather"] for number in range(200)}
    assert drawn == {"rain"}

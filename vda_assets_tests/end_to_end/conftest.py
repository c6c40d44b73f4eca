from __future__ import annotations

from collections.abc import Iterator

import pytest

from vda_assets_tests.end_to_end.world import World, make_world, serving


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The embedded world with its OSMO served, one for the tests of a module."""
    world = make_world(tmp_path_factory.mktemp("world"))
    with serving(world):
        yield world

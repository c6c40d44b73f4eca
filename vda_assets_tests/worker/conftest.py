"""A bench for one worker: the setup of a run, a tiny clip, and model servers that are up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.config.deployment import Endpoints
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets_tests.embedded.containers.clips import make_clip
from vda_assets_tests.worker.bench import COOKBOOK, Bench, serving


@pytest.fixture(scope="session")
def nims() -> Iterator[Endpoints]:
    with serving() as endpoints:
        yield endpoints


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4").read_bytes()


@pytest.fixture(scope="session")
def cookbook() -> Cookbook:
    return read_cookbook(COOKBOOK, name="city_traffic")


@pytest.fixture
def empty_bench(tmp_path: Path, nims: Endpoints, cookbook: Cookbook) -> Bench:
    """Without a clip."""
    return Bench(tmp_path, cookbook, nims)


@pytest.fixture
def bench(empty_bench: Bench, tiny_clip: bytes) -> Bench:
    (empty_bench.folder / "clip" / "Straße 1 = ü.mp4").write_bytes(tiny_clip)
    return empty_bench

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vda_assets_tests.storage.emulators import BACKENDS, Place, azurite, moto


@pytest.fixture(scope="session", params=list(BACKENDS))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Each kind of storage in turn."""
    with BACKENDS[request.param](tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with moto(tmp_path_factory.mktemp("moto")) as opened:
        yield opened


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with azurite(tmp_path_factory.mktemp("azurite")) as opened:
        yield opened

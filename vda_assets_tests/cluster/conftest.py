from __future__ import annotations

from collections.abc import Iterator

import pytest

from vda_assets_tests.postgres import PostgresServer, binaries, serving_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    with serving_postgres() as server:
        yield server

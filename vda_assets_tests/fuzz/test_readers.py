"""Whatever is sent: a reader returns, or raises the error that it documents, in bounded time and memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from vda_assets_tests.fuzz.bounds import bounded_memory, bounded_time
from vda_assets_tests.fuzz.damage import damaged
from vda_assets_tests.fuzz.readers import ASKED, KUBERNETES, LOCAL, RawServer, Reader, services

# Set by `make fuzz`: for so long all readers together are tried, with other damage each time.
SECONDS = float(os.environ.get("VDA_FUZZ_SECONDS", "0"))
_BESIDE_OSMO = ("registry", "models", "token", "ngc", "web", "hub dataset", "hub model")
_SERVICES = (*(f"osmo {name}" for name in ASKED), *(f"kubernetes {name}" for name in KUBERNETES), *_BESIDE_OSMO)
_QUICK_EXAMPLES = 30
_CPU_SECONDS = 4.0
# What a message may show of what was sent.
_LONGEST_MESSAGE = 40_000
_CHECKS = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False)
QUICK = settings(_CHECKS, derandomize=True, max_examples=_QUICK_EXAMPLES, phases=[Phase.generate])
# What fails is kept whole: making it smaller may take longer than all else.
LONG = settings(_CHECKS, max_examples=10, phases=[Phase.generate])


def check(reader: Reader, folder: Path, content: bytes) -> None:
    with bounded_memory(), bounded_time(_CPU_SECONDS):
        try:
            reader.read(folder, content)
        except reader.errors as error:
            said = str(error)
            assert len(said.encode()) < _LONGEST_MESSAGE, f"{len(said)} characters"
        except BaseException as error:
            kept = folder.parent / "damaged"
            kept.write_bytes(content)
            raise AssertionError(
                f"{reader.name}: {type(error).__name__}: {str(error)[:300]}; what it read: {kept}"
            ) from error


def fuzz(reader: Reader, folder: Path) -> None:
    @(LONG if SECONDS else QUICK)
    @given(content=damaged(reader.seeds))
    def some(content: bytes) -> None:
        shutil.rmtree(folder / "own", ignore_errors=True) if reader.name.startswith("release") else None
        (folder / "own").mkdir(exist_ok=True)
        check(reader, folder / "own", content)

    for seed in reader.seeds:
        (folder / "own").mkdir(exist_ok=True)
        check(reader, folder / "own", seed)
    give_up = time.monotonic() + SECONDS / (len(LOCAL) + len(_SERVICES))
    some()
    while time.monotonic() < give_up:
        some()


@pytest.fixture(scope="module")
def of_services() -> Iterator[dict[str, Reader]]:
    with RawServer().serving() as server:
        yield {reader.name: reader for reader in services(server)}


@pytest.mark.parametrize("reader", LOCAL, ids=lambda reader: reader.name)
def test_a_file_or_name_from_outside_is_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    fuzz(reader, tmp_path)


@pytest.mark.parametrize("name", _SERVICES)
def test_an_answer_of_a_service_is_read_or_refused(name: str, of_services: dict[str, Reader], tmp_path: Path) -> None:
    fuzz(of_services[name], tmp_path)

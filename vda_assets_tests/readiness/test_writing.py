"""What can be read but not written is told before a GPU works for it; each kind of storage refuses in its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.readiness.finding import Level
from vda_assets.readiness.writing import check_writing
from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.errors import TemporarilyUnavailable
from vda_assets.storage.layout import outputs_folder
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import free_port
from vda_assets_tests.osmo.service import Reply, serving
from vda_assets_tests.storage.emulators import BUCKET, Place, azure_sas, azurite, google, local, moto, users_of

READS = ["s3:ListBucket", "s3:GetObject"]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with moto(tmp_path_factory.mktemp("moto")) as place:
        writes = [*READS, "s3:PutObject"]
        yield users_of(place, {"reads": READS, "writes": writes, "deletes": [*writes, "s3:DeleteObject"]})


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with azurite(tmp_path_factory.mktemp("azurite")) as place:
        reads = {"read": True, "list": True}
        writes = {**reads, "write": True, "create": True}
        yield {
            "reads": azure_sas(place, **reads),
            "writes": azure_sas(place, **writes),
            "deletes": azure_sas(place, **writes, delete=True),
        }


def dataset_at(root: StorageUrl) -> Dataset:
    return Dataset(url=f"{root}/datasets/yard", deployment="local")


def left_below(place: Place) -> list[str]:
    return list(place.storage.find(outputs_folder(place.root, "yard")))


@pytest.mark.parametrize("kind", ["s3", "azure", "gs", "file"])
def test_storage_that_takes_results_is_ready_and_keeps_nothing_of_the_try(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind in ("s3", "azure"):
        check_that_nothing_stays(request.getfixturevalue(kind)["deletes"])
        return
    with (google if kind == "gs" else local)(tmp_path) as place:
        check_that_nothing_stays(place)


def check_that_nothing_stays(place: Place) -> None:
    finding = check_writing(place.storage, dataset_at(place.root))
    assert (finding.level, finding.message) == (Level.READY, f"{place.root}/datasets/yard-outputs takes results")
    assert left_below(place) == []


@pytest.mark.parametrize(
    ("kind", "grant"),
    [("s3", "s3:PutObject"), ("azure", "a SAS with write and create, or the role Storage Blob Data Contributor")],
)
def test_a_bucket_that_may_only_be_read_blocks_and_says_what_to_grant(
    kind: str, grant: str, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue(kind)["reads"]
    finding = check_writing(place.storage, dataset_at(place.root))
    assert finding.level is Level.BLOCKING
    folder = f"{place.root}/datasets/yard-outputs"
    assert finding.message.startswith(f"nothing can be written below {folder}: grant {grant} there (")
    assert left_below(place) == []


def test_a_google_bucket_that_may_only_be_read_blocks_and_says_what_to_grant() -> None:
    refusal = {"error": {"code": 403, "message": "reader does not have storage.objects.create access to the object."}}
    with serving(lambda asked: Reply(refusal, 403)) as service:
        storage = Storage([StorageCredential(f"gs://{BUCKET}", override_url=service.url)])
        finding = check_writing(storage, dataset_at(StorageUrl.parse(f"gs://{BUCKET}/team")))
    assert finding.level is Level.BLOCKING
    assert "grant storage.objects.create there (" in finding.message


@pytest.mark.parametrize("below", ["file", "/proc"])
def test_a_folder_of_this_machine_that_takes_nothing_blocks(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    root = StorageUrl.parse(f"file://{tmp_path / below}")
    finding = check_writing(Storage(), dataset_at(root))
    assert finding.level is Level.BLOCKING
    assert f"nothing can be written below {root}/datasets/yard-outputs: " in finding.message


@pytest.mark.parametrize(("kind", "grant"), [("s3", "s3:DeleteObject"), ("azure", "a SAS with delete")])
def test_what_may_be_written_but_not_deleted_is_noted_each_time(
    kind: str, grant: str, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue(kind)["writes"]
    before = len(left_below(place))
    for _ in range(2):
        finding = check_writing(place.storage, dataset_at(place.root))
        assert finding.level is Level.NOTE
        assert f"cannot be deleted: grant {grant}, or one stays with each run (" in finding.message
    left = left_below(place)
    assert len(left) == before + 2
    assert all(name.startswith(".") for name in left)


def test_storage_that_does_not_answer_is_no_lack_of_a_right() -> None:
    nowhere = StorageCredential(
        f"s3://{BUCKET}", access_key_id="id", access_key="key", override_url=f"http://127.0.0.1:{free_port()}"
    )
    storage = Storage([nowhere], limits=Limits(connect_seconds=0.5, read_seconds=0.3, attempts=1))
    with pytest.raises(TemporarilyUnavailable):
        check_writing(storage, dataset_at(StorageUrl.parse(f"s3://{BUCKET}/team")))

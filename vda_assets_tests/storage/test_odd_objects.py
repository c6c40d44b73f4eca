"""Objects that are there, but not like others: archived, folders' markers, names that become others, sizes, pipes."""

from __future__ import annotations

import http.server
import json
import os
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from vda_assets.datasets.clips import list_clips
from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import StorageCredential
from vda_assets.storage.errors import BadStorageUrl, ObjectArchived, ObjectTooLarge
from vda_assets.storage.transfer import Copy, Done, NotCopied, mirror, upload_clips
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.storage.emulators import BUCKET, Place
from vda_assets_tests.storage.test_faults import OPERATIONS


def folder_of(place: Place) -> StorageUrl:
    return place.root / uuid.uuid4().hex


def put_s3(place: Place, key: str, content: bytes = b"", **options: str) -> None:
    filesystem, _ = place.storage.locate(place.root)
    filesystem.call_s3("put_object", Bucket=BUCKET, Key=key, Body=content, **options)


def azure_container(place: Place) -> ContainerClient:
    assert place.credential is not None
    service = BlobServiceClient.from_connection_string(str(place.credential.access_key))
    return service.get_container_client(BUCKET)


def mirrored(storage: Storage, folder: StorageUrl, root: Path, *, with_checksums: bool) -> list[Done | NotCopied]:
    found = storage.walk(folder, with_checksums=with_checksums)
    return list(mirror(storage, [Copy(folder / one.path, root / one.path, one) for one in found], root=root))


# Archives

reading_operations = pytest.mark.parametrize("name", ["read", "download", "read_through_fsspec"])


@reading_operations
@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_of_s3_says_that_it_must_be_restored(
    s3: Place, name: str, storage_class: str, tmp_path: Path
) -> None:
    url = folder_of(s3) / "clip.mp4"
    put_s3(s3, url.key, b"clip", StorageClass=storage_class)
    with pytest.raises(ObjectArchived) as raised:
        OPERATIONS[name](s3.storage, url, tmp_path)
    assert str(raised.value).startswith(f"{url}: it lies in an archive: restore it")


@pytest.mark.parametrize("name", ["read", "download", "read_through_fsspec", "write"])
def test_an_archived_object_of_azure_says_that_it_must_be_restored(azure: Place, name: str, tmp_path: Path) -> None:
    url = folder_of(azure) / "clip.mp4"
    azure.storage.write_bytes(url, b"clip")
    azure_container(azure).get_blob_client(url.key).set_standard_blob_tier("Archive")
    with pytest.raises(ObjectArchived) as raised:
        OPERATIONS[name](azure.storage, url, tmp_path)
    assert str(raised.value).startswith(f"{url}: it lies in an archive: restore it")


def test_an_archived_object_fails_alone_when_others_are_mirrored_or_uploaded(s3: Place, tmp_path: Path) -> None:
    folder = folder_of(s3)
    put_s3(s3, (folder / "a.mp4").key, b"archived", StorageClass="GLACIER")
    put_s3(s3, (folder / "b.mp4").key, b"archived", StorageClass="GLACIER")
    s3.storage.write_bytes(folder / "c.mp4", b"at hand")
    results = mirrored(s3.storage, folder, tmp_path, with_checksums=True)
    problems = {one.subject: one.reason for one in results if isinstance(one, NotCopied)}
    assert set(problems) == {f"{folder}/a.mp4", f"{folder}/b.mp4"}
    assert len(set(problems.values())) == 1, "one cause is told as one"
    assert [path.name for path in tmp_path.iterdir()] == ["c.mp4"]


def test_an_archived_object_that_an_upload_would_be_compared_with_fails_alone(s3: Place, tmp_path: Path) -> None:
    folder = folder_of(s3)
    # Encrypted so that no checksum tells what it holds.
    put_s3(s3, (folder / "a.mp4").key, b"clip", StorageClass="GLACIER", ServerSideEncryption="aws:kms")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"clip")
    results = list(upload_clips(s3.storage, [Copy(folder / name, tmp_path / name) for name in ("a.mp4", "b.mp4")]))
    (problem,) = [one for one in results if isinstance(one, NotCopied)]
    assert problem.subject == str(tmp_path / "a.mp4")
    assert problem.reason.startswith(f"{folder}/a.mp4: it lies in an archive: restore it")
    assert s3.storage.read_bytes(folder / "b.mp4") == b"clip"


# Markers of folders


@pytest.fixture
def with_markers(place: Place) -> StorageUrl:
    """A folder with the markers that its kind of storage may have, an empty object and a clip in a folder."""
    folder = folder_of(place)
    place.storage.write_bytes(folder / "a/clip.mp4", b"clip")
    place.storage.write_bytes(folder / "empty", b"")
    match place.root.scheme:
        case "s3":
            for marker in ("", "a/", "lone/", "empty-not/"):
                put_s3(place, f"{folder.key}/{marker}")
        case "azure":
            container = azure_container(place)
            for marker in ("", "/a", "/lone", "/empty-not"):
                container.upload_blob(f"{folder.key}{marker}", b"", metadata={"hdi_isfolder": "true"})
            container.upload_blob(f"{folder.key}/slash/", b"")
        case "file":
            (Path("/", folder.key) / "lone").mkdir()
        case "gs":
            pass  # its emulator keeps objects in folders, and has no room for a marker
    return folder


@pytest.mark.parametrize("with_checksums", [False, True])
def test_markers_of_folders_are_in_no_listing(place: Place, with_markers: StorageUrl, with_checksums: bool) -> None:
    found = place.storage.walk(with_markers, with_checksums=with_checksums)
    assert [one.path for one in found] == ["a/clip.mp4", "empty"]
    behind = place.storage.walk(with_markers, after="a/clip.mp4", with_checksums=with_checksums)
    assert [one.path for one in behind] == ["empty"]


def test_a_folder_that_has_only_its_marker_is_empty(place: Place, with_markers: StorageUrl) -> None:
    lone = with_markers / "lone"
    assert not place.storage.exists(lone)
    assert place.storage.find(lone) == {}
    for with_checksum in (False, True):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            place.storage.info(lone, with_checksum=with_checksum)
    assert place.storage.info(with_markers / "empty").size_bytes == 0


@pytest.mark.parametrize("with_checksums", [False, True])
def test_markers_are_not_in_the_way_of_a_mirror(
    place: Place, with_markers: StorageUrl, with_checksums: bool, tmp_path: Path
) -> None:
    results = mirrored(place.storage, with_markers, tmp_path, with_checksums=with_checksums)
    assert all(isinstance(one, Done) for one in results)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "a/clip.mp4",
        "empty",
    ]


def test_markers_of_folders_of_google_are_in_no_listing_and_no_objects() -> None:
    times = {"updated": "2026-11-01T00:00:00Z", "timeCreated": "2026-11-01T00:00:00Z"}
    names = ["team/f/", "team/f/a/", "team/f/a/clip.mp4", "team/f/lone/"]
    items = [{"name": name, "bucket": BUCKET, "size": str(len(name) % 2), "etag": "e", **times} for name in names]

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            prefix = parse_qs(address.query).get("prefix", [""])[0]
            found = [item for item in items if str(item["name"]).startswith(prefix)]
            is_listing = address.path.endswith("/o")
            self.send_response(200 if is_listing else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"items": found} if is_listing else {"error": {"message": "none"}}).encode())

    with serving_http(Handler) as endpoint:
        storage = Storage([StorageCredential(f"gs://{BUCKET}", override_url=endpoint)])
        folder = StorageUrl.parse(f"gs://{BUCKET}/team/f")
        assert [one.path for one in storage.walk(folder)] == ["a/clip.mp4"]
        assert not storage.exists(folder / "lone")


def test_an_object_beside_a_marker_of_its_name_is_listed_once(s3: Place) -> None:
    folder = folder_of(s3)
    for key in ("sub", "sub-way", "sub/", "sub/x"):
        put_s3(s3, f"{folder.key}/{key}")
    assert [one.path for one in s3.storage.walk(folder)] == ["sub", "sub-way", "sub/x"]


# Names


@pytest.mark.parametrize("scheme", ["s3://b", "gs://b", "swift://h/n/c", "tos://h/b"])
def test_a_name_that_s3_clients_take_for_a_version_is_refused_everywhere(scheme: str) -> None:
    with pytest.raises(BadStorageUrl, match=r"has '\?versionId=', which S3's clients take for a version .* rename it"):
        StorageUrl.parse(f"{scheme}/datasets") / "a.mp4?versionId=abc"


def test_a_name_that_azure_would_store_under_another_is_refused(azure: Place, tmp_path: Path) -> None:
    with pytest.raises(BadStorageUrl, match=r"which Azure stores as a slash: rename it"):
        azure.root / "a\\b.mp4"
    local = StorageUrl.parse(f"file://{tmp_path}") / "a\\b.mp4"
    Storage().write_bytes(local, b"x")
    assert Storage().read_bytes(local) == b"x"


def test_a_clip_that_is_called_like_a_version_is_left_out_and_the_others_are_listed(s3: Place) -> None:
    folder = folder_of(s3)
    put_s3(s3, f"{folder.key}/a?versionId=x.mp4", b"clip")
    put_s3(s3, f"{folder.key}/b.mp4", b"clip")
    listing = list_clips(s3.storage, folder)
    assert [clip.key for clip in listing.clips] == ["b.mp4"]
    assert "rename it" in listing.left_out["a?versionId=x.mp4"]


# Sizes, and what never ends


def test_an_object_that_is_too_large_to_be_read_at_once_is_named_with_the_limit(place: Place) -> None:
    url = folder_of(place) / "outcome.json"
    place.storage.write_bytes(url, b"x" * 2001)
    with pytest.raises(ObjectTooLarge) as raised:
        place.storage.read_bytes(url, limit_bytes=2000)
    assert str(raised.value).startswith(f"{url}: it has 2,001 bytes, and at most 2,000 are read")
    assert len(place.storage.read_bytes(url, limit_bytes=2001)) == 2001


def test_without_a_limit_of_ones_own_64_mib_are_read(tmp_path: Path) -> None:
    url = StorageUrl.parse(f"file://{tmp_path}/sparse")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(ObjectTooLarge, match=r"at most 67,108,864 are read"):
        Storage().read_bytes(url)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["info", "read", "download", "read_through_fsspec"])
def test_a_pipe_is_no_object_and_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(FileNotFoundError, match=r"clip\.mp4 does not exist"):
        OPERATIONS[name](Storage(), StorageUrl.parse(f"file://{tmp_path}/clip.mp4"), tmp_path / "scratch")

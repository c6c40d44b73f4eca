"""The same promises on every backend: a folder of this machine, S3, Azure and Google Cloud Storage."""

from __future__ import annotations

import pickle
import random
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from vda_assets.datasets.clips import list_clips
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.storage.emulators import BUCKET, Place

# Byte order puts '-' and '.' before '/', and what is not ASCII last.
NAMES = [
    "100%.mp4",
    "a b.mp4",
    "a#b?x=1&y+z.mp4",
    "a%20b.mp4",
    "a-b/c.mp4",
    "a.mp4",
    "a/b.mp4",
    "br{ace}[x]~^.mp4",
    "n/e/s/t.txt",
    "自行车 in the rain.mp4",
]


@pytest.fixture
def folder(place: Place) -> StorageUrl:
    """A folder that no test before has used."""
    return place.root / uuid.uuid4().hex


def test_what_is_written_is_read_found_and_described(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    for name in NAMES:
        storage.write_bytes(folder / name, name.encode())
    assert {name: storage.read_bytes(folder / name) for name in NAMES} == {name: name.encode() for name in NAMES}
    assert {path: info["size"] for path, info in storage.find(folder).items()} == {
        name: len(name.encode()) for name in NAMES
    }
    info = storage.info(folder / "n/e/s/t.txt")
    assert (info.path, info.size_bytes) == ("t.txt", 11)
    listed = next(found for found in storage.walk(folder) if found.path == "n/e/s/t.txt")
    assert (listed.version, round(listed.modified, 3)) == (info.version, round(info.modified, 3))


def test_a_listing_is_in_byte_order_and_goes_on_behind_any_path(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    for name in NAMES:
        storage.write_bytes(folder / name, b"x")
    assert [found.path for found in storage.walk(folder)] == NAMES
    for position, name in enumerate(NAMES):
        assert [found.path for found in storage.walk(folder, after=name)] == NAMES[position + 1 :]
    assert [found.path for found in storage.walk(folder, after="a.zzz-is-not-there")] == NAMES[6:]


def test_a_folder_does_not_hold_what_merely_begins_like_it(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    storage.write_bytes(folder / "run/one", b"1")
    storage.write_bytes(folder / "run-2/two", b"2")
    assert set(storage.find(folder / "run")) == {"one"}
    assert storage.exists(folder / "run")
    assert storage.exists(folder / "run/one")
    assert not storage.exists(folder / "ru")
    assert storage.find(folder / "nowhere") == {}


def test_an_object_that_is_not_there_is_named_by_its_url(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    storage, url = place.storage, folder / "gone.mp4"
    storage.write_bytes(folder / "other", b"x")
    with pytest.raises(FileNotFoundError) as raised:
        storage.read_bytes(url)
    assert str(raised.value) == f"{url} does not exist"
    for ask in (lambda: storage.info(url), lambda: storage.download(url, tmp_path / "x"), lambda: storage.info(folder)):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            ask()
    with pytest.raises(FileNotFoundError, match="does not exist"), storage.reading(url) as file:
        file.read()


def test_copies_arrive_with_all_their_bytes_in_both_directions(
    place: Place, folder: StorageUrl, tmp_path: Path
) -> None:
    storage = place.storage
    contents = {f"{size}.bin": random.Random(size).randbytes(size) for size in (0, 1, 5_000_000, 18_000_000)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    storage.upload_all((tmp_path / name, folder / f"deep/{name}") for name in contents)
    storage.download_all((folder / f"deep/{name}", tmp_path / "back" / name) for name in contents)
    assert {name: (tmp_path / "back" / name).read_bytes() for name in contents} == contents
    with storage.reading(folder / "deep/5000000.bin") as file:
        file.seek(4_999_990)
        assert file.read() == contents["5000000.bin"][-10:]


def test_what_is_deleted_is_gone_and_nothing_else_is(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    for name in NAMES:
        storage.write_bytes(folder / name, b"x")
    for name in NAMES[::2]:
        storage.delete(folder / name)
    assert list(storage.find(folder)) == NAMES[1::2]
    storage.delete(folder / NAMES[0])
    assert list(storage.find(folder)) == NAMES[1::2]


def test_create_replaces_nothing(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    if place.root.scheme == "gs":
        pytest.skip("the emulator of Google Cloud Storage knows no preconditions")
    storage, url = place.storage, folder / "clip.mp4"
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    storage.create(first, url)
    with pytest.raises(FileExistsError, match=str(url)):
        storage.create(second, url)
    assert storage.read_bytes(url) == b"first"
    assert set(storage.find(folder)) == {"clip.mp4"}


def test_storage_works_in_another_process(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    storage.write_bytes(folder / "x", b"x")
    assert pickle.loads(pickle.dumps(storage)).read_bytes(folder / "x") == b"x"


def test_the_version_of_a_clip_changes_with_its_content(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    storage.write_bytes(folder / "a.mp4", b"one")
    (before,) = list_clips(storage, folder).clips
    storage.write_bytes(folder / "a.mp4", b"another")
    (after,) = list_clips(storage, folder).clips
    assert before.version != after.version


def test_the_filesystem_of_a_url_opens_the_same_objects(place: Place, folder: StorageUrl) -> None:
    storage = place.storage
    storage.write_bytes(folder / "a/b.txt", b"content")
    filesystem, path = storage.locate(folder / "a/b.txt")
    assert filesystem.cat_file(path) == b"content"
    assert filesystem.size(path) == 7


def test_keys_that_obstore_refuses_do_not_hide_the_others(s3: Place) -> None:
    folder = s3.root / uuid.uuid4().hex
    filesystem, path = s3.storage.locate(folder)
    for name in ("a.mp4", "b//c.mp4", "d.mp4"):
        filesystem.pipe_file(f"{path}/{name}", b"x")
    listing = list_clips(s3.storage, folder)
    assert [clip.key for clip in listing.clips] == ["a.mp4", "d.mp4"]
    assert "empty" in listing.left_out["b//c.mp4"]


@pytest.mark.parametrize(
    "profile", ["swift://objects.example/AUTH_team", f"tos://objects.example/{BUCKET}", f"gs://{BUCKET}"]
)
def test_what_osmo_enters_as_s3_is_entered_as_s3(s3: Place, profile: str) -> None:
    assert s3.credential is not None
    storage = Storage([replace(s3.credential, profile=profile)])
    bucket = f"{profile}/{BUCKET}" if profile.startswith("swift") else profile
    url = StorageUrl.parse(f"{bucket}/{uuid.uuid4().hex}/x.txt")
    storage.write_bytes(url, b"content")
    assert storage.read_bytes(url) == b"content"
    assert list(storage.find(url.parent)) == ["x.txt"]
    filesystem, path = storage.locate(url)
    assert filesystem.cat_file(path) == b"content"


def test_the_bucket_can_be_part_of_the_host_name(s3: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # The emulator is its own proxy, so that no name has to be resolved.
    assert s3.credential is not None
    monkeypatch.setenv("http_proxy", str(s3.credential.override_url))
    storage = Storage([replace(s3.credential, override_url="http://s3.example", addressing_style="virtual")])
    url = s3.root / uuid.uuid4().hex / "x.txt"
    storage.write_bytes(url, b"content")
    filesystem, path = storage.locate(url)
    assert storage.read_bytes(url) == filesystem.cat_file(path) == s3.storage.read_bytes(url) == b"content"


def test_s3_opens_with_the_identity_that_the_environment_has(s3: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.credential is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    storage = Storage([replace(s3.credential, access_key_id=None, access_key=None)])
    url = s3.root / uuid.uuid4().hex / "x.txt"
    storage.write_bytes(url, b"content")
    filesystem, path = storage.locate(url)
    assert storage.read_bytes(url) == filesystem.cat_file(path) == b"content"


def test_a_copy_within_a_bucket_is_whole_and_replaces_what_was_there(place: Place, folder: StorageUrl) -> None:
    storage, content = place.storage, random.Random(3).randbytes(300_000)
    storage.write_bytes(folder / "a=20b.mp4", content)
    storage.write_bytes(folder / "x/copy.mp4", b"older")
    storage.copy(folder / "a=20b.mp4", folder / "x/copy.mp4")
    assert storage.read_bytes(folder / "x/copy.mp4") == storage.read_bytes(folder / "a=20b.mp4") == content
    with pytest.raises(FileNotFoundError):
        storage.copy(folder / "gone.mp4", folder / "x/other.mp4")
    assert not storage.exists(folder / "x/other.mp4")


def test_nothing_is_copied_into_another_bucket(place: Place) -> None:
    elsewhere = StorageUrl.parse("swift://host/account/bucket/x")
    with pytest.raises(BadStorageUrl, match="is not in the bucket of"):
        place.storage.copy(place.root / "x", elsewhere)

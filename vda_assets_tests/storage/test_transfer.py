"""Copies that can be trusted, on every backend."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings

from vda_assets.storage.access import Storage
from vda_assets.storage.transfer import Copy, Done, FolderInUse, NotCopied, mirror, only_one, upload_clips
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.storage.emulators import Place


@pytest.fixture
def folder(place: Place) -> StorageUrl:
    return place.root / uuid.uuid4().hex


def fill(storage: Storage, folder: StorageUrl, **contents: bytes) -> None:
    for name, content in contents.items():
        storage.write_bytes(folder / f"deep/{name}.bin", content)


def copies_of(storage: Storage, folder: StorageUrl, root: Path) -> list[Copy]:
    return [Copy(folder / found.path, root / found.path, found) for found in storage.walk(folder, with_checksums=True)]


def problems_of(results: object) -> dict[str, str]:
    assert hasattr(results, "__iter__")
    return {one.subject: one.reason for one in results if isinstance(one, NotCopied)}


def test_a_mirror_has_every_byte_and_is_not_made_twice(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    storage = place.storage
    contents = {"a": b"first", "b": b"", "c": os.urandom(3_000_000)}
    fill(storage, folder, **contents)
    first = list(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    again = list(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    assert {path.stem: path.read_bytes() for path in tmp_path.rglob("*.bin")} == contents
    assert [(one.was_there, len(first)) for one in again if isinstance(one, Done)] == [(True, 3)] * 3
    assert not any(one.was_there for one in first if isinstance(one, Done))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".bin"}


def test_what_changed_on_either_side_is_fetched_again(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    storage = place.storage
    fill(storage, folder, a=b"one", b=b"two")
    list(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    edited = tmp_path / "deep/a.bin"
    edited.write_bytes(b"own")
    os.utime(edited, (edited.stat().st_mtime + 1,) * 2)
    fill(storage, folder, b=b"three")
    list(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    assert (tmp_path / "deep/a.bin").read_bytes() == b"one"
    assert (tmp_path / "deep/b.bin").read_bytes() == b"three"


def test_an_object_that_vanished_is_named_and_the_others_arrive(
    place: Place, folder: StorageUrl, tmp_path: Path
) -> None:
    storage = place.storage
    fill(storage, folder, a=b"one", gone=b"two")
    copies = copies_of(storage, folder, tmp_path)
    filesystem, path = storage.locate(folder / "deep/gone.bin")
    filesystem.rm(path)
    url = str(folder / "deep/gone.bin")
    assert problems_of(mirror(storage, copies, root=tmp_path)) == {url: "it does not exist any more"}
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.bin"]


def test_damaged_bytes_never_get_their_final_name(azure: Place, tmp_path: Path) -> None:
    assert azure.credential is not None
    storage, folder = azure.storage, azure.root / uuid.uuid4().hex
    fill(storage, folder, a=b"damaged", b=b"whole")
    # An uploader's own checksum, of bytes that never arrived as they were.
    service = BlobServiceClient.from_connection_string(str(azure.credential.access_key))
    blob = service.get_blob_client(folder.bucket, (folder / "deep/a.bin").key)
    blob.set_http_headers(ContentSettings(content_md5=bytearray(hashlib.md5(b"as it was").digest())))
    problems = problems_of(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    reason = "its bytes do not have the checksum that storage has; run the command again"
    assert problems == {str(folder / "deep/a.bin"): reason}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.bin"]


def test_an_etag_that_is_no_checksum_is_not_taken_for_one(s3: Place, tmp_path: Path) -> None:
    storage, folder = s3.storage, s3.root / uuid.uuid4().hex
    filesystem, path = storage.locate(folder / "a.bin")
    filesystem.pipe_file(path, b"encrypted", ServerSideEncryption="aws:kms")
    (copy,) = copies_of(storage, folder, tmp_path)
    assert copy.stored is not None
    # Under a key of one's own S3's etag has 32 digits too; the emulator's is the MD5 all the same.
    copy = replace(copy, stored=copy.stored._replace(md5="0" * 32))
    (done,) = mirror(storage, [copy], root=tmp_path)
    assert isinstance(done, Done)
    assert (tmp_path / "a.bin").read_bytes() == b"encrypted"


def test_an_object_without_checksum_that_was_replaced_is_not_taken_for_what_was_listed(
    place: Place, folder: StorageUrl, tmp_path: Path
) -> None:
    if place.root.scheme != "gs":
        pytest.skip("elsewhere a copy tells which object it is of")
    storage = place.storage
    fill(storage, folder, a=b"new", b=b"same")
    first, second = copies_of(storage, folder, tmp_path)
    assert first.stored is not None
    assert second.stored is not None
    copies = [
        replace(first, stored=first.stored._replace(md5="", etag="of-the-old")),
        replace(second, stored=second.stored._replace(md5="")),
    ]
    problems = problems_of(mirror(storage, copies, root=tmp_path))
    assert problems == {str(folder / "deep/a.bin"): "it was replaced since it was listed; run the command again"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.bin"]


def test_an_object_and_a_folder_of_one_name_cannot_both_be_files(s3: Place, tmp_path: Path) -> None:
    storage, folder = s3.storage, s3.root / uuid.uuid4().hex
    storage.write_bytes(folder / "a", b"file")
    storage.write_bytes(folder / "a/b", b"below")
    problems = problems_of(mirror(storage, copies_of(storage, folder, tmp_path), root=tmp_path))
    assert len(problems) == 1
    assert "taken by a folder" in next(iter(problems.values()))


def test_symbolic_links_do_not_lead_out(tmp_path: Path) -> None:
    source, target, secret = tmp_path / "source", tmp_path / "target", tmp_path / "secret"
    source.mkdir()
    secret.write_text("secret")
    (source / "inside.bin").write_text("inside")
    (source / "link.bin").symlink_to(source / "inside.bin")
    (source / "out.bin").symlink_to(secret)
    (source / "deep").mkdir()
    (source / "deep/x.bin").write_text("x")
    target.mkdir()
    (target / "deep").symlink_to(tmp_path)
    folder, storage = StorageUrl.parse(f"file://{source}"), Storage()
    problems = problems_of(mirror(storage, copies_of(storage, folder, target), root=target))
    assert problems == {
        f"{folder}/out.bin": "it is a symbolic link that leads out of its folder",
        f"{folder}/deep/x.bin": f"a symbolic link on its way leads out of {target}",
    }
    assert sorted(path.name for path in target.iterdir()) == ["deep", "inside.bin", "link.bin"]
    assert not (tmp_path / "x.bin").exists()


def test_a_full_disk_is_one_cause_and_leaves_no_half_file(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    storage = place.storage
    fill(storage, folder, big=os.urandom(3_000_000), small=b"fits")
    script = (
        "import pickle, resource, signal, sys; from pathlib import Path\n"
        "from vda_assets.storage.transfer import mirror\n"
        "storage, copies, root = pickle.loads(sys.stdin.buffer.read())\n"
        # A bound on file sizes is what a full disk looks like to one process.
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "for one in mirror(storage, copies, root=root): print(getattr(one, 'reason', 'done'))\n"
    )
    given = pickle.dumps((storage, copies_of(storage, folder, tmp_path), tmp_path))
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, check=True)
    assert sorted(done.stdout.decode().splitlines()) == ["done", f"the disk of {tmp_path} is full"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["small.bin"]


def test_only_one_process_copies_into_a_folder_and_finds_it_tidy(tmp_path: Path) -> None:
    (tmp_path / ".clip.mp4.4711.part").write_bytes(b"half")
    (tmp_path / ".kept.part").write_bytes(b"own")
    with only_one(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".kept.part"]
        with pytest.raises(FolderInUse, match="another process is copying"), only_one(tmp_path):
            pass
    with only_one(tmp_path):
        pass


def test_clips_are_uploaded_once_and_replace_nothing(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    storage = place.storage
    names = {"a.mp4": b"first", "b.mp4": os.urandom(2_000_000)}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    copies = [Copy(folder / name, tmp_path / name) for name in names]
    first, again = list(upload_clips(storage, copies)), list(upload_clips(storage, copies))
    assert [one.was_there for one in first if isinstance(one, Done)] == [False, False]
    assert [one.was_there for one in again if isinstance(one, Done)] == [True, True]
    (tmp_path / "a.mp4").write_bytes(b"other")
    (problem,) = problems_of(upload_clips(storage, copies)).items()
    assert problem == (
        str(tmp_path / "a.mp4"),
        f"{folder}/a.mp4 exists with other content and is kept; give your clip another name",
    )
    assert {name: storage.read_bytes(folder / name) for name in names} == names


def test_a_clip_that_vanished_before_its_turn_is_named(place: Place, folder: StorageUrl, tmp_path: Path) -> None:
    copies = [Copy(folder / "gone.mp4", tmp_path / "gone.mp4")]
    assert problems_of(upload_clips(place.storage, copies)) == {
        str(tmp_path / "gone.mp4"): "it does not exist any more"
    }

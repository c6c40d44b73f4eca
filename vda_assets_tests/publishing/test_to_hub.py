"""A release on the Hugging Face hub is whole or not taken for whole, and is the one in storage once unpacked.

The hub is a stand-in of ours (`hub_taking`), which huggingface_hub itself speaks to: no real hub can be reached.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import datasets
import pytest

from vda_assets.base.patience import NO_PATIENCE, Patience
from vda_assets.publishing import packing
from vda_assets.publishing.errors import HubUnavailable, NotFinished, PlaceTaken, PushRefused
from vda_assets.publishing.finished import Finished, find_finished
from vda_assets.publishing.hub import HubRepository as Repository
from vda_assets.publishing.hub import repository_name
from vda_assets.publishing.to_hub import push_to_hub
from vda_assets.releases.errors import ReleaseError
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.hub_serving import COMMIT, Hub, HubRepository, serving_hub
from vda_assets_tests.hub_taking import ATTRIBUTES, SIGNATURE, TakingHandler
from vda_assets_tests.releases.made import DATASET, MadeClips
from vda_assets_tests.releases.test_release import contents, folder_of

NAME = "team/yard"
WRITER, READER = "hf_writer_secret", "hf_reader_secret"


@pytest.fixture(autouse=True)
def without_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in has no Xet; the library's own switch is read once, when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MadeClips:
    clips = MadeClips(Storage(), StorageUrl.parse(f"file://{tmp_path_factory.mktemp('push')}/storage"))
    for path in ("a.mp4", "B b.mp4", "day/c.mp4"):
        clips.add(path)
    clips.release(version="v1", licence="CC-BY-4.0")
    clips.add("d.mp4")
    clips.candidates.pop(0)
    clips.release(version="v2", licence="CC-BY-4.0")
    return clips


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving_hub(Hub(tokens={WRITER, READER}, writers={WRITER: "team"}), TakingHandler) as hub:
        yield hub


@pytest.fixture
def small_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a release of a few clips reaches."""
    monkeypatch.setattr("vda_assets.publishing.to_hub._LOT_FILES", 9)
    monkeypatch.setattr(packing, "MOST_MEMBERS", 30)


def finished(clips: MadeClips, version: str | None = "v1") -> Finished:
    return find_finished(clips.storage, clips.root, DATASET, version)


def push(hub: Hub, one: Finished, *, public: bool = False, token: str = WRITER, **said: Any) -> bool:
    patience = said.pop("patience", NO_PATIENCE)
    return push_to_hub(one, Repository(NAME, token=token, endpoint=hub.url, patience=patience), public=public, **said)


def unpacked(files: dict[str, bytes], folder: Path) -> dict[str, str]:
    """Path -> hash of what is there once each archive is unpacked at the root, as the page on releases says."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    for archive in list(folder.rglob("*.zip")):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        archive.unlink()
    return contents(folder)


def test_what_is_pushed_and_unpacked_is_the_release(source: MadeClips, hub: Hub, tmp_path: Path) -> None:
    assert push(hub, finished(source))
    one = hub.repositories[NAME]
    assert one.private
    assert one.tags == {"v1": one.commit}
    assert one.messages[-1] == "yard v1: is whole"
    copy = unpacked({path: content for path, content in one.files.items() if path != ".gitattributes"}, tmp_path)
    assert copy == contents(folder_of(finished(source).root))
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path).returncode == 0


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip on this machine")
def test_a_copy_that_is_fetched_and_unpacked_as_the_page_says_is_the_release(
    source: MadeClips, hub: Hub, tmp_path: Path
) -> None:
    push(hub, finished(source))
    page = (REPOSITORY / "docs/release.md").read_text()
    (commands,) = [block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "hf download" in block]
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    script = commands.replace("2026-11", "v1")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True, env={"PATH": programs, **said})
    copy = {path: sha256 for path, sha256 in contents(tmp_path / "v1").items() if not path.startswith(".")}
    assert copy == contents(folder_of(finished(source).root))


def test_no_folder_has_a_file_for_each_frame_or_video(source: MadeClips, hub: Hub) -> None:
    push(hub, finished(source))
    loose = {path for path in hub.repositories[NAME].files if path.startswith("labels/") and not path.endswith(".zip")}
    assert not [path for path in loose if "-original" in path or "-aug0" in path]
    assert {path.split("/")[1] for path in loose} == {"coco", "cosmos-reason-v1.0", "mot", "tao-vl-reason-v1.0", "yolo"}


@pytest.mark.usefixtures("small_lots")
def test_archives_hold_so_many_files_and_each_lot_is_a_commit(source: MadeClips, hub: Hub, tmp_path: Path) -> None:
    push(hub, finished(source))
    one = hub.repositories[NAME]
    assert len([path for path in one.files if path.startswith("labels/daft-")]) > 1
    assert len([message for message in one.messages if "files" in message]) > 1
    assert unpacked(dict(one.files) | {".gitattributes": b""}, tmp_path).items() >= (
        contents(folder_of(finished(source).root)).items()
    )


def test_the_library_of_datasets_loads_it_by_its_card(source: MadeClips, hub: Hub, tmp_path: Path) -> None:
    push(hub, finished(source))
    for path, content in hub.repositories[NAME].files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    loaded = datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, loaded.values())) == finished(source).manifest["counts"]["videos"]


@pytest.mark.usefixtures("small_lots")
@pytest.mark.parametrize("over", [None, "v2"], ids=["into a new repository", "over another version"])
def test_killed_at_any_request_the_same_command_finishes_and_sends_no_large_file_twice(
    source: MadeClips, hub: Hub, over: str | None
) -> None:
    one = finished(source)
    if over:
        push(hub, finished(source, over))
    repositories, large = deepcopy(hub.repositories), dict(hub.large)
    former = repositories[NAME].files if over else None
    hub.asked.clear()
    push(hub, one)
    whole, requests = hub.repositories[NAME].files, len(hub.asked)
    for after in range(2, requests, 13):
        hub.repositories, hub.large, hub.sent = deepcopy(repositories), dict(large), []
        # From then on everything is refused, so that nothing the client does can change anything.
        hub.first = [0] * after + [400] * 1000
        with pytest.raises(ReleaseError):
            push(hub, one)
        hub.first = []
        half = hub.repositories.get(NAME)
        assert half is None or "manifest.json" not in half.files or half.files in (whole, former)
        push(hub, one)
        assert hub.repositories[NAME].files == whole
        assert hub.repositories[NAME].tags["v1"] == hub.repositories[NAME].commit
        assert len(hub.sent) == len(set(hub.sent))


def test_of_what_arrived_small_texts_alone_are_read_again(source: MadeClips, hub: Hub) -> None:
    push(hub, finished(source))
    last_commit = max(number for number, (_, path, _) in enumerate(hub.asked) if "/commit/" in path)
    hub.repositories.clear()
    hub.large.clear()
    told: list[str] = []
    hub.first = [0] * last_commit + [400] * 10
    with pytest.raises(PushRefused):
        push(hub, finished(source), log=told.append)
    hub.first = []
    push(hub, finished(source), log=told.append)
    counts = [int(line.split()[0]) for line in told if "to be sent" in line]
    last = {".gitattributes", "CONTENT", "README.md", "SHA256SUMS", "manifest.json"}
    texts = {path for path in hub.repositories[NAME].files if not path.endswith((".mp4", ".zip", ".parquet"))}
    assert counts[0] > counts[1] == len(texts - last)


def test_a_version_that_is_there_is_not_sent_again(source: MadeClips, hub: Hub) -> None:
    push(hub, finished(source))
    hub.asked.clear()
    assert not push(hub, finished(source))
    assert {method for method, path, _ in hub.asked if "paths-info" not in path} == {"GET"}


def test_the_next_version_takes_main_over_and_the_former_stays_under_its_tag(
    source: MadeClips, hub: Hub, tmp_path: Path
) -> None:
    push(hub, finished(source))
    sent = len(hub.sent)
    first = dict(hub.repositories[NAME].files)
    push(hub, finished(source, None))
    one = hub.repositories[NAME]
    assert one.at("v1") == first
    assert unpacked({path: content for path, content in one.files.items() if path != ".gitattributes"}, tmp_path) == (
        contents(folder_of(finished(source, "v2").root))
    )
    videos = [hashlib.sha256(content).hexdigest() for path, content in first.items() if path.endswith(".mp4")]
    assert not set(videos) & set(hub.sent[sent:]), "videos of both are sent once"
    assert not push(hub, finished(source))


@pytest.mark.parametrize("status", [429, 503, 409, 500])
def test_what_passes_is_waited_for(source: MadeClips, hub: Hub, status: int) -> None:
    # Of requests that the library itself does not send again.
    hub.first = [0, 0, status, status, 0, status]
    assert push(hub, finished(source), patience=Patience(20, first_pause_seconds=0.01))


def test_a_hub_that_stays_away_is_told_in_one_sentence(source: MadeClips, hub: Hub) -> None:
    hub.first = [503]
    with pytest.raises(HubUnavailable, match=r"answers 503; run the same command again, it goes on where it was"):
        push(hub, finished(source))
    hub.url = "http://127.0.0.1:9"
    with pytest.raises(HubUnavailable, match=r"cannot be reached \(ConnectError\)"):
        push(hub, finished(source))


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    source: MadeClips, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TakingHandler, "lost", [True] * 3)
    push(hub, finished(source), patience=Patience(20, first_pause_seconds=0.01))
    messages = hub.repositories[NAME].messages
    assert (TakingHandler.lost, len(set(messages))) == ([], len(messages))


def of_another_content(hub: Hub, _: MadeClips) -> None:
    files = {"CONTENT": b"another\n", "manifest.json": b"{}"}
    hub.repositories[NAME] = HubRepository(files, private=True, tags={"v1": COMMIT})


def of_other_files(hub: Hub, _: MadeClips) -> None:
    hub.repositories[NAME] = HubRepository({".gitattributes": ATTRIBUTES, "train.csv": b"a,b\n"}, private=True)


def changed_meanwhile(hub: Hub, clips: MadeClips) -> None:
    hub.repositories[NAME] = HubRepository({".gitattributes": ATTRIBUTES}, private=True)
    hub.first = [0, 0, 0, 0, 412]


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (of_another_content, "has a tag v1 of another content, and a version never changes"),
        (of_other_files, "holds files that no release has: name a new repository"),
        (changed_meanwhile, "somebody else changed team/yard meanwhile"),
    ],
)
def test_a_repository_that_is_taken_is_left_as_it_is(source: MadeClips, hub: Hub, taken: Any, said: str) -> None:
    taken(hub, source)
    before = dict(hub.repositories[NAME].files)
    with pytest.raises(PlaceTaken, match=said):
        push(hub, finished(source))
    assert hub.repositories[NAME].files == before


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("hf_unknown_secret", r"does not know the token \(401\): set HF_TOKEN to a valid one"),
        (READER, r"refuses it \(403\): the account of HF_TOKEN, or the token itself, may not write to team/yard"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_who_may_not_write_is_told_what_is_lacking(
    source: MadeClips, hub: Hub, token: str, said: str, is_there: bool
) -> None:
    if is_there:
        hub.repositories[NAME] = HubRepository({".gitattributes": ATTRIBUTES})
    with pytest.raises(PushRefused, match=said):
        push(hub, finished(source), token=token, public=True)


def test_a_public_repository_takes_a_push_only_when_that_is_said(source: MadeClips, hub: Hub) -> None:
    hub.repositories[NAME] = HubRepository({".gitattributes": ATTRIBUTES})
    with pytest.raises(PushRefused, match="team/yard is public: say --public"):
        push(hub, finished(source))
    assert hub.repositories[NAME].files == {".gitattributes": ATTRIBUTES}
    push(hub, finished(source), public=True)
    assert not hub.repositories[NAME].private


def test_a_private_repository_becomes_public_when_all_of_it_is_there(source: MadeClips, hub: Hub) -> None:
    push(hub, finished(source))
    assert hub.repositories[NAME].private
    assert not push(hub, finished(source), public=True)
    assert not hub.repositories[NAME].private


def test_what_a_gitignore_keeps_out_is_found_out(source: MadeClips, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TakingHandler, "ignored", (".zip",))
    with pytest.raises(PushRefused, match=r"has not got all that was sent, such as labels/.*\.zip: does a .gitignore"):
        push(hub, finished(source))
    assert hub.repositories[NAME].tags == {}


def test_a_card_that_the_hub_refuses_is_told_in_its_words(source: MadeClips, hub: Hub) -> None:
    source.release(version="odd", licence="made-up-1.0")
    with pytest.raises(PushRefused, match='"license" must be one of those it knows'):
        push(hub, finished(source, "odd"))


@pytest.mark.parametrize("path", ["videos/*/*.mp4", "labels/yolo/labels/*/*/*.txt", "metadata.jsonl"])
def test_a_file_that_is_not_what_was_released_is_not_pushed(clips: MadeClips, hub: Hub, path: str) -> None:
    clips.add("a.mp4")
    file = next(folder_of(clips.release(version="v1").url).glob(path))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    with pytest.raises(NotFinished, match="is not the file that was released: SHA256SUMS has another hash of it"):
        push(hub, finished(clips))
    file.unlink()
    with pytest.raises(NotFinished, match=f"is not whole: .*{file.name} is not there"):
        push(hub, finished(clips))
    assert "manifest.json" not in hub.repositories[NAME].files
    file.write_bytes(content)
    push(hub, finished(clips))


def test_no_log_and_no_error_holds_the_token_or_a_signed_link(
    source: MadeClips, hub: Hub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the libraries that log, httpx tells links by itself; `vda` does not have it log."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    def refused(handler: TakingHandler, oid: str) -> None:
        handler.refuse(403)

    monkeypatch.setattr(TakingHandler, "take", refused)
    with pytest.raises(HubUnavailable) as error:
        push(hub, finished(source), log=told.append)
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    push(hub, finished(source), log=told.append)
    said = "\n".join([str(error.value), *told, *(one.getMessage() for one in caplog.records if "http" not in one.name)])
    assert told
    assert WRITER not in said
    assert SIGNATURE not in said


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("team/yard", NAME),
        ("hf://datasets/team/yard", NAME),
        ("hf://datasets/team/yard/", NAME),
        ("yard", None),
        ("s3://bucket/folder", None),
        ("a/b/c", None),
        ("hf://models/team/yard", None),
    ],
)
def test_a_repository_is_named_as_its_library_names_it(to: str, name: str | None) -> None:
    assert repository_name(to) == name

"""`vda datasets`, and `vda datasets fetch-demo` from a hub that answers its own library."""

from __future__ import annotations

import hashlib
import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pytest

from vda_assets_tests.cli.project import (
    DATASET,
    Project,
)
from vda_assets_tests.http_serving import serving_http

# Enough of an MP4 to be taken for one at the door.
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
# The hub's answers to its own library: the files of a commit, and each file by its hash.
HUB_FILES = {
    "README.md": b"about",
    "clips/one.mp4": MP4 + b"one",
    "more/Two.MP4": MP4 + b"two",
    "day/same.mp4": MP4 + b"day",
    "night/same.mp4": MP4 + b"night",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repository: str) -> Iterator[str]:
    """A hub with one dataset repository; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            file = path.removeprefix(f"/datasets/{repository}/resolve/{COMMIT}/")
            if path.startswith(f"/api/datasets/{repository}"):
                self.answer(json.dumps(self.description()).encode(), {})
            elif file in HUB_FILES:
                headers = {"ETag": f'"{hashlib.sha1(HUB_FILES[file]).hexdigest()}"', "X-Repo-Commit": COMMIT}
                self.answer(HUB_FILES[file], headers)
            else:
                self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, status=404)

        do_HEAD = do_GET  # noqa: N815 - the base class says so

        def description(self) -> dict[str, object]:
            return {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in HUB_FILES]}

        def answer(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        yield url


def test_the_demo_clips_are_fetched_flat_and_shared_names_are_refused(project: Project) -> None:
    with hub("nvidia/video-data-augmentation-demo") as url:
        done = project.vda("datasets", "fetch-demo", HF_ENDPOINT=url, HF_HOME=str(project.folder / "hf"))
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{project.clips}/Two.MP4", f"{project.clips}/one.mp4"]
    assert f"nvidia/video-data-augmentation-demo at {COMMIT}: 4 clips" in done.stderr
    assert "2 clips of nvidia/video-data-augmentation-demo are called same.mp4; none of them is taken" in done.stderr
    found = {path: project.place.storage.read_bytes(project.clips / path) for path in ("one.mp4", "Two.MP4")}
    assert found == {"one.mp4": MP4 + b"one", "Two.MP4": MP4 + b"two"}


def test_another_repository_is_taken_only_when_it_is_named(project: Project) -> None:
    with hub("somebody/else") as url:
        hub_of_somebody = {"HF_ENDPOINT": url, "HF_HOME": str(project.folder / "hf")}
        refused = project.vda("datasets", "fetch-demo", **hub_of_somebody)
        named = project.vda("datasets", "fetch-demo", "--repository", "somebody/else", **hub_of_somebody)
    assert refused.returncode == 1
    assert "there is no dataset repository nvidia/video-data-augmentation-demo" in refused.stderr
    assert f"{project.clips}/one.mp4" in named.stdout


@pytest.mark.parametrize("environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_offline_the_demo_says_so_in_one_line(project: Project, environment: dict[str, str]) -> None:
    done = project.vda("datasets", "fetch-demo", **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: the Hugging Face hub cannot be reached")


def test_datasets_alone_lists_them(project: Project) -> None:
    assert f"{DATASET}\tlocal\tcity_traffic\t{project.clips}" in project.vda("datasets").stdout

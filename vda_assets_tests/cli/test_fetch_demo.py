"""`vda datasets`, and `vda datasets fetch-demo` from a hub that answers its own library."""

from __future__ import annotations

import http.server
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from vda_assets_tests.cli.project import (
    DATASET,
    Project,
)
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.hub_serving import COMMIT, Answer, Hub, HubRepository, serving_hub

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


def refusing(status: int, code: str = "") -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def breaking_off(request: http.server.BaseHTTPRequestHandler) -> None:
    """Says what there is, and sends nothing of it."""
    request.send_response(200)
    for name, value in {"ETag": '"e"', "X-Repo-Commit": COMMIT, "Content-Length": "100"}.items():
        request.send_header(name, value)
    request.end_headers()
    request.close_connection = True


@contextmanager
def hub(
    repository: str, *, files: Mapping[str, bytes] = HUB_FILES, faults: Mapping[str, Answer] | None = None
) -> Iterator[Hub]:
    """A stand-in of the hub with one dataset repository; files of `faults` are answered so."""
    with serving_hub(Hub({repository: HubRepository(dict(files))}, faults=dict(faults or {}))) as serving:
        yield serving


def test_the_demo_clips_are_fetched_flat_and_shared_names_are_refused(project: Project) -> None:
    with hub("nvidia/video-data-augmentation-demo") as one:
        done = project.vda("datasets", "fetch-demo", HF_ENDPOINT=one.url, HF_HOME=str(project.folder / "hf"))
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{project.demo_clips}/Two.MP4", f"{project.demo_clips}/one.mp4"]
    assert f"nvidia/video-data-augmentation-demo at {COMMIT}: 4 clips" in done.stderr
    assert "2 clips of nvidia/video-data-augmentation-demo are called same.mp4; none of them is taken" in done.stderr
    found = {path: project.place.storage.read_bytes(project.demo_clips / path) for path in ("one.mp4", "Two.MP4")}
    assert found == {"one.mp4": MP4 + b"one", "Two.MP4": MP4 + b"two"}


def test_another_repository_is_taken_only_when_it_is_named(project: Project) -> None:
    with hub("somebody/else") as one:
        hub_of_somebody = {"HF_ENDPOINT": one.url, "HF_HOME": str(project.folder / "hf")}
        refused = project.vda("datasets", "fetch-demo", **hub_of_somebody)
        named = project.vda("datasets", "fetch-demo", "--repository", "somebody/else", **hub_of_somebody)
    assert refused.returncode == 1
    assert "there is no dataset repository nvidia/video-data-augmentation-demo" in refused.stderr
    assert f"{project.demo_clips}/one.mp4" in named.stdout


ONE, TWO = "clips/one.mp4", "more/Two.MP4"
TWO_FILES = {name: HUB_FILES[name] for name in (ONE, TWO)}
FAULTS = {
    "gone": (refusing(404, "EntryNotFound"), "the Hugging Face hub does not have it (404)"),
    "no token": (refusing(401), "HF_TOKEN"),
    "forbidden": (refusing(403), "the Hugging Face hub refuses it (403): HF_TOKEN must be a token that may read"),
    "gated": (refusing(403, "GatedRepo"), "wants its terms accepted"),
    "refused": (refusing(400), "the Hugging Face hub answers 400; run the command again later"),
    "broken off": (breaking_off, "the Hugging Face hub cannot be reached (RemoteProtocolError); run the command again"),
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_a_clip_that_does_not_come_is_named_and_alone_asked_for_again(
    project: Project, fault: Answer, said: str
) -> None:
    repository, hf_home = "somebody/else", str(project.folder / "hf")
    fetch = ("datasets", "fetch-demo", "--repository", repository)
    with hub(repository, files=TWO_FILES, faults={TWO: fault}) as one:
        failed = project.vda(*fetch, HF_ENDPOINT=one.url, HF_HOME=hf_home)
    assert failed.returncode == 1
    assert failed.stdout.splitlines() == [f"{project.demo_clips}/one.mp4"]
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("FAILED")]
    assert line.startswith(f"FAILED: {TWO}: ")
    assert said in line
    assert "Traceback" not in failed.stderr

    with hub(repository, files=TWO_FILES) as one:
        whole = project.vda(*fetch, HF_ENDPOINT=one.url, HF_HOME=hf_home)
    assert whole.returncode == 0, whole.stderr
    assert [path for method, path, _ in one.asked if method == "GET" and path.startswith("/cdn/")] == [
        f"/cdn/{repository}/{COMMIT}/{TWO}"
    ]
    assert f"{project.demo_clips}/Two.MP4" in whole.stdout.splitlines()
    assert not [path for path in (project.folder / "home/fetched").rglob("*") if path.is_file()]


def test_a_path_that_leads_out_of_the_repository_is_refused_and_the_rest_comes(project: Project) -> None:
    files = {ONE: HUB_FILES[ONE], "../../../out.mp4": MP4, "/out.mp4/../way.mp4": MP4}
    with hub("somebody/else", files=files) as one:
        hub_of_somebody = {"HF_ENDPOINT": one.url, "HF_HOME": str(project.folder / "hf")}
        done = project.vda("datasets", "fetch-demo", "--repository", "somebody/else", **hub_of_somebody)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [f"{project.demo_clips}/one.mp4"]
    assert "FAILED: ../../../out.mp4: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not [*project.folder.rglob("out.mp4"), *project.folder.rglob("way.mp4")]


def test_an_answer_that_is_none_of_a_hub_is_one_line(project: Project) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[1")

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        hub_of_somebody = {"HF_ENDPOINT": url, "HF_HOME": str(project.folder / "hf")}
        done = project.vda("datasets", "fetch-demo", "--repository", "somebody/else", **hub_of_somebody)
    assert done.returncode == 1
    assert "\nError: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_falls_silent_is_not_asked_for_each_of_the_rest(project: Project) -> None:
    with hub("somebody/else", files=TWO_FILES, faults=dict.fromkeys((ONE, TWO), breaking_off)) as one:
        hub_of_somebody = {"HF_ENDPOINT": one.url, "HF_HOME": str(project.folder / "hf")}
        done = project.vda("datasets", "fetch-demo", "--repository", "somebody/else", **hub_of_somebody)
    assert done.returncode == 1
    assert f"FAILED: {ONE} (and 1 more): the Hugging Face hub cannot be reached" in done.stderr


def test_a_full_disk_is_named(project: Project) -> None:
    with hub("somebody/else", files={**TWO_FILES, TWO: MP4 + bytes(200_000)}) as one:
        hub_of_somebody = {"HF_ENDPOINT": one.url, "HF_HOME": str(project.folder / "hf")}
        fetch = ("datasets", "fetch-demo", "--repository", "somebody/else")
        done = project.vda(*fetch, largest_file_bytes=100_000, **hub_of_somebody)
        assert done.returncode == 1
        assert f"FAILED: {TWO}: the disk of {project.folder}/home/fetched/somebody--else is full" in done.stderr
        assert "Traceback" not in done.stderr
        assert project.vda(*fetch, **hub_of_somebody).returncode == 0


@pytest.mark.parametrize("environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_offline_the_demo_says_so_in_one_line(project: Project, environment: dict[str, str]) -> None:
    done = project.vda("datasets", "fetch-demo", **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    *_, line = done.stderr.splitlines()
    assert line.startswith("Error: the Hugging Face hub cannot be reached")


def test_datasets_alone_lists_them(project: Project) -> None:
    assert f"{DATASET}\tlocal\tcity_traffic\t{project.clips}" in project.vda("datasets").stdout

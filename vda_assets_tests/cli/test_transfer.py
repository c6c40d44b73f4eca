"""`vda stage`, `vda upload` and `vda datasets fetch-demo` as they are called."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import REPOSITORY
from vda_assets_tests.storage.emulators import BACKENDS, Place, configure, secrets_of

DATASET = "vda-demo"
RUN = "run-0a1b2c3d"
BIG_BYTES = 8_000_000


@dataclass(frozen=True)
class Project:
    folder: Path
    place: Place

    @property
    def clips(self) -> StorageUrl:
        return self.place.root / f"datasets/{DATASET}"

    @property
    def layout(self) -> RunLayout:
        return RunLayout(self.place.root, DATASET, RUN)

    @property
    def media(self) -> Path:
        return self.folder / "media/vda/runs" / RUN

    def start(
        self, *arguments: str, largest_file_bytes: int | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """The command as a process. A bound on its files is what a full disk looks like to it."""
        bound = (largest_file_bytes,) * 2 if largest_file_bytes else (resource.RLIM_INFINITY,) * 2
        known = {"VDA_ASSETS_CFG": str(self.folder / "assets_cfg"), "VDA_HOME": str(self.folder / "home")}
        return subprocess.Popen(
            [sys.executable, "-m", "vda_assets.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, **known, **secrets_of(self.place), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, bound),
        )

    def vda(
        self, *arguments: str, largest_file_bytes: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, largest_file_bytes=largest_file_bytes, **environment) as process:
            output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def hashes_here(self) -> dict[str, str]:
        """Path below the staged run -> hash, without what is still being written."""
        files = [path for path in self.media.rglob("*") if path.is_file() and not path.name.endswith(".part")]
        return {str(path.relative_to(self.media)): _hash(path.read_bytes()) for path in files}


@contextmanager
def project_on(backend: str, folder: Path) -> Iterator[Project]:
    shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg")
    with BACKENDS[backend](folder) as place:
        configure(folder / "assets_cfg", place)
        yield Project(folder, place)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """With its clips in a local folder."""
    with project_on("file", tmp_path) as project:
        yield project


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fill_run(project: Project, videos: list[str], *, size_bytes: int = 1000, files: int = 3) -> dict[str, str]:
    """A run's folder and clips as the pipeline leaves them; path in the mirror -> hash."""
    content = random.Random(7)
    storage, layout = project.place.storage, project.layout
    entries = [{"video_name": video, "video": f"{video}.mp4"} for video in videos]
    written = {layout.setup / "configs/manifest.yaml": json.dumps({"configs": entries}).encode()}
    for video in videos:
        for folder in (layout.original_labels(video), layout.augmented_video(video, 0)):
            parts = {f"raw/{number}.bin": content.randbytes(size_bytes) for number in range(files)}
            marked = [{"path": path, "size_bytes": len(one), "sha256": _hash(one)} for path, one in parts.items()]
            marker = {"version": 1, "stage": "x", "name": video, "work": "w", "attempt": 1, "files": marked}
            written |= {folder / path: one for path, one in parts.items()}
            written[folder / "outcome.json"] = json.dumps(marker).encode()
        written[layout.comparison(video, 0)] = content.randbytes(size_bytes)
    for url, one in written.items():
        storage.write_bytes(url, one)
    expected = {str(url).removeprefix(f"{layout.root}/"): _hash(one) for url, one in written.items()}
    for video in videos:
        clip = content.randbytes(size_bytes)
        storage.write_bytes(project.clips / f"{video}.mp4", clip)
        expected[f"input/{video}.mp4"] = _hash(clip)
    return expected


def test_a_run_is_staged_with_its_clips_and_every_file_is_named(project: Project) -> None:
    expected = fill_run(project, ["street", "night"])
    done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(f"MEDIA:{project.media / path}" for path in expected)
    assert project.hashes_here() == expected


def test_one_video_of_a_run_is_staged_alone(project: Project) -> None:
    expected = fill_run(project, ["street", "night"])
    done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN, "--video", "night.mp4")
    assert done.returncode == 0, done.stderr
    assert project.hashes_here() == {path: one for path, one in expected.items() if "street" not in path}

    unknown = project.vda("stage", "--dataset", DATASET, "--run-id", RUN, "--video", "nope")
    assert unknown.returncode == 2
    assert f"{RUN} has no video 'nope'; it has: night, street" in unknown.stderr


def test_what_is_not_whole_is_said_and_the_rest_comes(project: Project) -> None:
    expected = fill_run(project, ["street", "night", "rain"])
    root, clips = Path("/" + project.layout.root.key), Path("/" + project.clips.key)
    (root / "outputs/augmented/street_aug0/outcome.json").unlink()
    (root / "outputs/pseudo_labeled/night/raw/1.bin").write_bytes(b"half")
    (clips / "night.mp4").unlink()
    (clips / "rain.mp4").write_bytes(b"")
    done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN)
    assert done.returncode == 1
    lost = ("outputs/augmented/street_aug0/", "outputs/pseudo_labeled/night/", "input/night", "input/rain")
    assert project.hashes_here() == {path: one for path, one in expected.items() if not path.startswith(lost)}
    said = done.stderr.splitlines()
    assert len(said) == 4
    assert f"{root}/outputs/augmented/street_aug0 has no outcome.json: its worker did not finish" in done.stderr
    assert "raw/1.bin has 4 bytes; its worker wrote 1000 bytes" in done.stderr
    assert f"{clips}/night.mp4: the input clip is not there any more" in done.stderr
    assert f"{clips}/rain.mp4: it has zero bytes" in done.stderr


def test_a_full_disk_and_links_that_lead_out_are_a_line_each_and_the_rest_comes(project: Project) -> None:
    expected = fill_run(project, ["street", "night", "rain"])
    storage, layout = project.place.storage, project.layout
    storage.write_bytes(project.clips / "street.mp4", bytes(3_000_000))
    clip, secret = Path("/" + (project.clips / "night.mp4").key), project.folder / "secret.mp4"
    secret.write_bytes(b"secret")
    clip.unlink()
    clip.symlink_to(secret)
    project.media.mkdir(parents=True)
    (project.folder / "elsewhere").mkdir()
    (project.media / "display").symlink_to(project.folder / "elsewhere")

    done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN, largest_file_bytes=1_000_000)

    assert done.returncode == 1
    comparison = layout.comparison("night", 0)
    assert sorted(done.stderr.splitlines()) == sorted(
        [
            f"FAILED: {project.clips}/street.mp4: the disk of {project.media} is full",
            f"FAILED: {project.clips}/night.mp4: it is a symbolic link that leads out of its folder",
            f"FAILED: {comparison} (and 2 more): a symbolic link on its way leads out of {project.media}",
        ]
    )
    lost = ("input/street", "input/night", "display/")
    assert project.hashes_here() == {path: one for path, one in expected.items() if not path.startswith(lost)}
    assert not list(project.media.rglob("*.part"))
    assert not list((project.folder / "elsewhere").iterdir())


def test_an_output_that_did_not_come_whole_gets_no_marker(project: Project) -> None:
    fill_run(project, ["street"], size_bytes=2_000_000, files=1)
    (Path("/" + project.layout.original_labels("street").key) / "raw/0.bin").rename(project.folder / "0.bin")
    moved = Path("/" + project.layout.original_labels("street").key) / "raw/0.bin"
    moved.symlink_to(project.folder / "0.bin")
    done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert not (project.media / "outputs/pseudo_labeled/street/outcome.json").exists()
    assert (project.media / "outputs/augmented/street_aug0/outcome.json").exists()


def test_an_object_that_vanishes_meanwhile_is_named_and_the_rest_comes(tmp_path: Path) -> None:
    with project_on("s3", tmp_path) as project:
        expected = fill_run(project, ["street"], files=250)
        filesystem, clip = project.place.storage.locate(project.clips / "street.mp4")
        with project.start("stage", "--dataset", DATASET, "--run-id", RUN) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            # The clips are what comes last.
            filesystem.rm(clip)
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate()
        assert (process.returncode, errors) == (1, f"FAILED: {project.clips}/street.mp4: it does not exist any more\n")
        assert project.hashes_here() == {path: one for path, one in expected.items() if path != "input/street.mp4"}


def test_a_run_that_does_not_exist_is_named(project: Project) -> None:
    nothing = project.vda("stage", "--dataset", DATASET, "--run-id", RUN)
    assert (nothing.returncode, "there is nothing in" in nothing.stderr) == (1, True)
    wrong = project.vda("stage", "--dataset", DATASET, "--run-id", "../elsewhere")
    assert (wrong.returncode, "is no run, such as run-" in wrong.stderr) == (2, True)
    assert not (project.folder / "media").exists()


def killed_after_lines(process: subprocess.Popen[str], lines: int) -> None:
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.kill()


def killed_after_bytes(process: subprocess.Popen[str], folder: Path, size_bytes: int) -> None:
    """When so much more lies in the folder: mostly amid a file."""
    enough = size_bytes_of(folder) + size_bytes
    while process.poll() is None and size_bytes_of(folder) < enough:
        time.sleep(0.002)
    process.kill()


def size_bytes_of(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in folder.rglob("*"))
    return 0


@pytest.mark.parametrize(("backend", "kills"), [("file", 4), ("s3", 3)])
def test_staging_killed_at_any_moment_and_run_again_has_every_byte(backend: str, kills: int, tmp_path: Path) -> None:
    with project_on(backend, tmp_path) as project:
        fill_run(project, ["street", "night"], size_bytes=200_000, files=6)
        storage, big = project.place.storage, random.Random(5).randbytes(BIG_BYTES)
        for name in ("street", "night"):
            storage.write_bytes(project.clips / f"{name}.mp4", big)
        expected = {
            path: _hash(storage.read_bytes(project.layout.root / path)) for path in storage.find(project.layout.root)
        }
        expected |= {f"input/{name}.mp4": _hash(big) for name in ("street", "night")}
        moments = random.Random(11)
        for _ in range(kills):
            with project.start("stage", "--dataset", DATASET, "--run-id", RUN) as process:
                if moments.random() < 0.3:
                    killed_after_lines(process, moments.randrange(12))
                else:
                    killed_after_bytes(process, project.media, moments.randrange(BIG_BYTES))
            here = project.hashes_here()
            assert here == {path: expected[path] for path in here}
        done = project.vda("stage", "--dataset", DATASET, "--run-id", RUN)
        assert done.returncode == 0, done.stderr
        assert project.hashes_here() == expected
        assert not list(project.media.rglob("*.part"))


@pytest.mark.parametrize(("backend", "kills"), [("file", 4), ("s3", 3)])
def test_an_upload_killed_at_any_moment_and_run_again_has_every_byte(backend: str, kills: int, tmp_path: Path) -> None:
    content, moments = random.Random(3), random.Random(13)
    with project_on(backend, tmp_path) as project:
        clips = {f"day {number % 3}/c{number}.mp4": content.randbytes(700_000) for number in range(30)}
        for path, one in clips.items():
            (tmp_path / "clips" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / path).write_bytes(one)
        storage = project.place.storage
        for _ in range(kills):
            with project.start("upload", DATASET, "clips") as process:
                killed_after_lines(process, moments.randrange(len(clips)))
            there = [found.path for found in storage.walk(project.clips) if not found.path.endswith(".part")]
            assert all(storage.read_bytes(project.clips / path) == clips[path] for path in there)
        done = project.vda("upload", DATASET, "clips")
        assert done.returncode == 0, done.stderr
        assert {path: storage.read_bytes(project.clips / path) for path in storage.find(project.clips)} == clips


def test_clips_are_uploaded_with_their_folders_and_what_cannot_be_is_said(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    (folder / "night").mkdir(parents=True)
    (folder / "a.MP4").write_bytes(b"a")
    (folder / "night/b.mkv").write_bytes(b"b")
    (folder / "notes.txt").write_bytes(b"no clip")
    (folder / "empty.mp4").touch()
    (folder / "bad,name.mp4").write_bytes(b"c")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "a.MP4").write_bytes(b"another a")
    project.place.storage.write_bytes(project.clips / "night/b.mkv", b"user's own")

    done = project.vda("upload", DATASET, "clips", str(tmp_path / "a.MP4"), "gone.mp4", "clips/notes.txt")

    assert done.returncode == 1
    assert done.stdout == f"{project.clips}/a.MP4\n"
    reasons = {line.split(": ", 2)[1]: line.split(": ", 2)[2] for line in done.stderr.splitlines()}
    assert reasons.pop("clips/bad,name.mp4").endswith("which OSMO refuses")
    assert reasons == {
        "clips/empty.mp4": "it has zero bytes",
        "clips/link.mp4": "it is a symbolic link that leads out of clips; name its target",
        str(tmp_path / "a.MP4"): "clips/a.MP4 has the same name; rename one",
        "gone.mp4": "it does not exist",
        "clips/notes.txt": "it is no clip: only .mp4, .avi, .mkv are taken",
        "clips/night/b.mkv": (
            f"{project.clips}/night/b.mkv exists with other content and is kept; give your clip another name"
        ),
    }
    storage = project.place.storage
    assert storage.read_bytes(project.clips / "night/b.mkv") == b"user's own"
    assert set(storage.find(project.clips)) == {"a.MP4", "night/b.mkv"}

    again = project.vda("upload", DATASET, "clips/a.MP4")
    assert (again.returncode, again.stdout) == (0, f"{project.clips}/a.MP4  (was there already)\n")


def test_an_upload_onto_a_full_disk_says_so_and_the_rest_goes_on(project: Project) -> None:
    (project.folder / "clips").mkdir()
    (project.folder / "clips/a big one.mp4").write_bytes(bytes(3_000_000))
    (project.folder / "clips/small.mp4").write_bytes(b"small")
    done = project.vda("upload", DATASET, "clips", largest_file_bytes=1_000_000)
    assert (done.returncode, done.stdout) == (1, f"{project.clips}/small.mp4\n")
    target = Path("/" + project.clips.key)
    assert done.stderr == f"FAILED: clips/a big one.mp4: the disk of {target} is full\n"
    assert [path.name for path in target.iterdir()] == ["small.mp4"]


def test_a_clip_that_vanishes_while_others_are_uploaded_is_named(tmp_path: Path) -> None:
    with project_on("s3", tmp_path) as project:
        clips = [tmp_path / f"clips/{number:03}.mp4" for number in range(120)]
        clips[0].parent.mkdir()
        for clip in clips:
            clip.write_bytes(clip.name.encode())
        with project.start("upload", DATASET, "clips") as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            clips[-1].unlink()
            process.send_signal(signal.SIGCONT)
            _, errors = process.communicate()
        assert (process.returncode, errors) == (1, "FAILED: clips/119.mp4: it does not exist any more\n")
        assert set(project.place.storage.find(project.clips)) == {clip.name for clip in clips[:-1]}


# The hub's answers to its own library: the files of a commit, and each file by its hash.
HUB_FILES = {
    "README.md": b"about",
    "clips/one.mp4": b"one",
    "more/Two.MP4": b"two",
    "day/same.mp4": b"day",
    "night/same.mp4": b"night",
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

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_the_demo_clips_are_fetched_flat_and_shared_names_are_refused(project: Project) -> None:
    with hub("nvidia/video-data-augmentation-demo") as url:
        done = project.vda("datasets", "fetch-demo", HF_ENDPOINT=url, HF_HOME=str(project.folder / "hf"))
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{project.clips}/Two.MP4", f"{project.clips}/one.mp4"]
    assert f"nvidia/video-data-augmentation-demo at {COMMIT}: 4 clips" in done.stderr
    assert "2 clips of nvidia/video-data-augmentation-demo are called same.mp4; none of them is taken" in done.stderr
    found = {path: project.place.storage.read_bytes(project.clips / path) for path in ("one.mp4", "Two.MP4")}
    assert found == {"one.mp4": b"one", "Two.MP4": b"two"}


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

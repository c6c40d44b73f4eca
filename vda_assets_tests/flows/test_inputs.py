"""What a run hands to the containers for a clip, written once and whole."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from vda_assets.flows.inputs import container_input
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import probe
from vda_assets.storage.access import Storage
from vda_assets.storage.clips import Clip, clip_at
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.clips import cut


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(StorageUrl.parse(f"file://{tmp_path}"), "dock", "run-0a1b2c3d")


def clip_in(layout: RunLayout, key: str, *, start: int = 0) -> Clip:
    folder = layout.storage_url / "datasets/dock"
    cut(Path("/", folder.key, key), start=start, frames=20)
    return clip_at(Storage(), folder, key)


def path_of(url: StorageUrl) -> Path:
    return Path("/", url.key)


def provided(clip: Clip, layout: RunLayout) -> StorageUrl | None:
    info = probe(path_of(clip.url), name=clip.path)
    url, seen = container_input(Storage(), clip, info, layout=layout)
    assert (seen.frame_count, seen.width, seen.height) == (info.frame_count, info.width, info.height)
    return url


def test_an_mp4_is_taken_where_it_is(layout: RunLayout) -> None:
    assert provided(clip_in(layout, "a.mp4"), layout) is None
    assert not path_of(layout.root).exists()


@pytest.mark.parametrize("key", ["a.mkv", "a.AVI"])
def test_another_format_is_put_beside_the_runs_results_and_belongs_to_its_video(layout: RunLayout, key: str) -> None:
    url = provided(clip_in(layout, key), layout)
    assert url is not None
    assert str(url).startswith(f"{layout.root}/remuxed/a/")
    assert "mp4" in probe(path_of(url), name="a").format
    assert layout.video_at(str(url).removeprefix(f"{layout.root}/")) == "a"


def test_what_was_made_before_is_taken_again_until_the_clip_changes(layout: RunLayout) -> None:
    clip = clip_in(layout, "a.mkv")
    url = provided(clip, layout)
    assert url is not None
    before = path_of(url).stat().st_mtime_ns
    assert provided(clip, layout) == url
    assert path_of(url).stat().st_mtime_ns == before
    assert provided(clip_in(layout, "a.mkv", start=60), layout) != url


def test_a_clip_that_cannot_be_put_into_an_mp4_leaves_nothing(layout: RunLayout) -> None:
    clip = clip_in(layout, "a.avi")
    info = probe(path_of(clip.url), name="a.avi")
    content = bytearray(path_of(clip.url).read_bytes())
    content[8000:20000] = bytes(12000)
    path_of(clip.url).write_bytes(content)
    with pytest.raises(MediaError, match=r"^a\.avi: "):
        container_input(Storage(), clip, info, layout=layout)
    assert not path_of(layout.root).exists()


def test_a_process_that_is_killed_leaves_only_whole_files(layout: RunLayout) -> None:
    clip = clip_in(layout, "a.mkv")
    info = probe(path_of(clip.url), name="a.mkv")
    script = (
        "import pickle, sys; from dataclasses import replace; from itertools import count\n"
        "from vda_assets.flows.inputs import container_input\n"
        "storage, clip, info, layout = pickle.loads(sys.stdin.buffer.read())\n"
        "for number in count():\n"
        "    print(container_input(storage, replace(clip, version=str(number)), info, layout=layout)[0], flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps((Storage(), clip, info, layout)))
        process.stdin.close()
        told = [process.stdout.readline() for _ in range(20)]
        process.kill()
    made = [path for path in path_of(layout.root).rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(made) >= len(told)
    assert {probe(path, name=path.name).frame_count for path in made} == {20}

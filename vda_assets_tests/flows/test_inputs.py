"""What a run hands to the containers for a clip, written once and whole."""

from __future__ import annotations

import pickle
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vda_assets.base.failed import Failed
from vda_assets.datasets.clips import Clip, clip_at
from vda_assets.flows.inputs import Seen, check_selection, container_input, foresee_inputs, provide_inputs
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.work import ClipWork
from vda_assets.media.errors import MediaError, UnsuitableVideo
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.clips import cut
from vda_assets_tests.media.conftest import INPUTS
from vda_assets_tests.storage.emulators import Place, moto


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


@pytest.mark.parametrize("key", ["a.mkv", "a.AVI", "a.MOV"])
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


def work_on(layout: RunLayout, key: str, *, flow: str = "augmentation_and_al") -> ClipWork:
    clip = clip_at(Storage(), layout.storage_url / "datasets/dock", key)
    return ClipWork(clip, FLOWS[flow], draws=(), output_hashes={})


def put(layout: RunLayout, key: str, content: bytes) -> None:
    path = Path("/", layout.storage_url.key, "datasets/dock", key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("made", "key"), [("a.mp4", "a.mp4"), ("a.mkv", "a.mkv"), ("a.mov", "a.mp4"), ("a.mp4", "a.mov")]
)
def test_what_is_foreseen_is_what_will_be_provided_and_nothing_is_written_for_it(
    layout: RunLayout, made: str, key: str
) -> None:
    clip = clip_in(layout, made)
    path_of(clip.url).rename(path_of(clip.url).with_name(key))
    work = work_on(layout, key)
    ((foreseen, seen),) = foresee_inputs(Storage(), [work], layout=layout)
    assert isinstance(seen, Seen)
    assert not path_of(layout.root).exists()
    ((provided, _),) = provide_inputs(Storage(), [work], layout=layout)
    assert foreseen == provided


def test_what_is_refused_is_foreseen_with_the_same_reason(layout: RunLayout) -> None:
    put(layout, "a.mp4", b"no video")
    work = work_on(layout, "a.mp4")
    assert list(foresee_inputs(Storage(), [work], layout=layout)) == list(
        provide_inputs(Storage(), [work], layout=layout)
    )


def seen(layout: RunLayout, *keys: str) -> dict[str, Seen | Failed]:
    works = [work_on(layout, key) for key in keys]
    return {work.clip.key: one for work, one in provide_inputs(Storage(), works, layout=layout)}


def test_each_clip_that_cannot_be_taken_is_said_to_be_what_it_is(layout: RunLayout) -> None:
    clip_in(layout, "good.mp4")
    clip_in(layout, "phone.mov")
    for name in ("evil_ffconcat.mp4", "lfs.mp4", "nokey.mp4"):
        put(layout, name, (INPUTS / name).read_bytes())
    found = seen(layout, "evil_ffconcat.mp4", "lfs.mp4", "nokey.mp4", "good.mp4", "phone.mov")
    reasons = {key: one.reason for key, one in found.items() if isinstance(one, Failed)}
    assert set(reasons) == {"evil_ffconcat.mp4", "lfs.mp4", "nokey.mp4"}
    assert "a playlist that names other files" in reasons["evil_ffconcat.mp4"]
    assert "Git LFS pointer" in reasons["lfs.mp4"]
    assert "without a key frame: the first 15 of its 90 pictures" in reasons["nokey.mp4"]
    assert "ffmpeg -i IN" in reasons["nokey.mp4"]


def test_a_clip_that_promises_without_end_takes_so_much_memory_and_fails_alone(layout: RunLayout) -> None:
    bomb = bytearray(path_of(clip_in(layout, "good.mp4").url).read_bytes())
    promised = struct.pack(">I", 80_000_000)
    sizes, times, chunks = bomb.index(b"stsz"), bomb.index(b"stts"), bomb.index(b"stsc")
    bomb[sizes + 8 : sizes + 16] = struct.pack(">I", 1) + promised
    bomb[times + 12 : times + 16] = promised
    bomb[chunks + 16 : chunks + 20] = promised
    put(layout, "bomb.mp4", bytes(bomb))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = seen(layout, "bomb.mp4", "good.mp4")
    assert isinstance(found["bomb.mp4"], Failed)
    assert isinstance(found["good.mp4"], Seen)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def info_of(layout: RunLayout, **facts: object) -> ClipInfo:
    info = probe(path_of(clip_in(layout, "a.mp4").url), name="a.mp4")
    return replace(info, **facts)  # type: ignore[arg-type]


def test_augmentation_takes_so_many_frames_and_labelling_any(layout: RunLayout) -> None:
    info = info_of(layout, frame_count=5001)
    assert check_selection(info, FLOWS["auto_labeling"], name="a.mp4") == ()
    for flow in ("augmentation_and_al", "e2e", "e2e_super_resolution"):
        with pytest.raises(UnsuitableVideo, match=r"it has 5001 frames; augmentation takes 5000 at most"):
            check_selection(info, FLOWS[flow], name="a.mp4")


def test_a_clip_that_will_probably_not_finish_is_warned_of_with_the_time(layout: RunLayout) -> None:
    assert check_selection(info_of(layout, frame_count=651), FLOWS["e2e"], name="a.mp4") == ()
    (warning,) = check_selection(info_of(layout, frame_count=652), FLOWS["e2e"], name="a.mp4")
    assert "652 frames takes about 67 minutes" in warning
    assert "the generator has 60" in warning
    assert "at most 651 frames" in warning


def test_a_rate_that_varies_is_told_and_kept(layout: RunLayout) -> None:
    put(layout, "burst.mkv", (INPUTS / "burst.mkv").read_bytes())
    one = seen(layout, "burst.mkv")["burst.mkv"]
    assert isinstance(one, Seen)
    assert one.info.is_variable_rate
    assert "frame rate varies" in one.warnings[0]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with moto(tmp_path_factory.mktemp("moto")) as opened:
        yield opened


def test_clips_on_a_remote_backend_are_provided_alike(s3: Place, tmp_path: Path) -> None:
    layout = RunLayout(s3.root, "dock", "run-0a1b2c3d")
    for key in ("a.mp4", "b.mkv", "c.mov"):
        s3.storage.upload(cut(tmp_path / key, frames=20), s3.root / f"datasets/dock/{key}")
    s3.storage.write_bytes(s3.root / "datasets/dock/d.avi", b"version https://git-lfs.github.com/spec/v1\n")
    keys = ("a.mp4", "b.mkv", "c.mov", "d.avi")
    works = [
        ClipWork(clip_at(s3.storage, s3.root / "datasets/dock", key), FLOWS["e2e"], draws=(), output_hashes={})
        for key in keys
    ]
    found = list(provide_inputs(s3.storage, works, layout=layout))
    assert [isinstance(one, Seen) for _, one in found] == [True, True, True, False]
    for work, one in found[:3]:
        assert isinstance(one, Seen)
        assert (one.info.frame_count, one.info.format) == (20, "mp4")
        assert (work.remuxed is None) == (work.clip.key == "a.mp4")

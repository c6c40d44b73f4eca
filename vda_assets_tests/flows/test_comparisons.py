"""The pool of renderers: what cannot be rendered fails alone."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from vda_assets.base.failed import Failed
from vda_assets.flows.comparisons import Comparison, ComparisonPool
from vda_assets.media.probe import probe
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.clips import cut
from vda_assets_tests.media.conftest import INPUTS, with_noise_for_frames, write_clip


def url(path: Path) -> StorageUrl:
    return StorageUrl.parse(f"file://{path}")


def rendered(pool: ComparisonPool) -> dict[str, list[Comparison] | Failed]:
    made: dict[str, list[Comparison] | Failed] = {}
    while pool.wait(60):
        made.update(pool.take_ended())
    return made


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return cut(tmp_path / "good.mp4", frames=10)


def test_what_cannot_be_rendered_fails_alone(tmp_path: Path, good: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(with_noise_for_frames(good.read_bytes()))
    with ComparisonPool(Storage()) as pool:
        for number, other in enumerate(("broken.mp4", "gone.mp4", "good.mp4")):
            pool.submit(other, [(url(good), url(tmp_path / other), url(tmp_path / f"out/{number}_compare.mp4"))])
        made = rendered(pool)
    assert isinstance(made["broken.mp4"], Failed)
    assert "right clip" in made["broken.mp4"].reason
    assert isinstance(made["gone.mp4"], Failed)
    assert isinstance(made["good.mp4"], list)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"2_compare.mp4", "2_compare.webp"}


def test_a_clip_of_a_few_frames_has_a_comparison(tmp_path: Path) -> None:
    clip = url(INPUTS / "four_frames.mp4")
    with ComparisonPool(Storage()) as pool:
        pool.submit("four", [(clip, clip, url(tmp_path / "four_compare.mp4"))])
        (made,) = rendered(pool)["four"]
    assert made.video is not None
    assert made.video.frame_count == probe(tmp_path / "four_compare.mp4", name="four").frame_count == 4


def test_where_no_video_can_be_encoded_there_is_a_picture_of_both(tmp_path: Path, good: Path) -> None:
    ribbon = write_clip(tmp_path / "ribbon.mp4", width=4096, height=32, frame_count=4)
    with ComparisonPool(Storage()) as pool:
        pool.submit("ribbon", [(url(ribbon), url(good), url(tmp_path / "out/ribbon_compare.mp4"))])
        pool.submit("good", [(url(good), url(good), url(tmp_path / "out/good_compare.mp4"))])
        made = rendered(pool)
    (still,) = made["ribbon"]
    assert still.video is None
    assert "no libsvtav1 video can be made" in still.problem
    assert still.url == url(tmp_path / "out/ribbon_compare.png")
    assert (still.source, still.augmented) == (url(ribbon), url(good))
    assert still.preview_jpeg.startswith(b"\xff\xd8")
    with Image.open(tmp_path / "out/ribbon_compare.png") as picture:
        assert picture.format == "PNG"
        assert max(picture.size) < 8192
    (video,) = made["good"]
    assert video.video is not None


def test_a_renderer_that_is_killed_is_replaced_and_its_comparison_is_a_picture(tmp_path: Path) -> None:
    long = cut(tmp_path / "long.mp4", frames=200)
    with ComparisonPool(Storage(), processes=1) as pool:
        for number in range(2):
            pool.submit(str(number), [(url(long), url(long), url(tmp_path / f"{number}_compare.mp4"))])
        while not pool.renderers:
            time.sleep(0.05)
        time.sleep(2)
        (pid,) = pool.renderers
        os.kill(pid, signal.SIGKILL)
        made = rendered(pool)
        (still,) = made["0"]
        (video,) = made["1"]
    assert "SIGKILL" in still.problem
    assert still.url.name == "0_compare.png"
    assert video.video is not None


def test_a_rendering_has_so_much_memory_and_time(tmp_path: Path, good: Path) -> None:
    video = (url(good), url(good), url(tmp_path / "good_compare.mp4"))
    with ComparisonPool(Storage(), memory_bytes=300 << 20) as pool:
        pool.submit("good", [video])
        made = rendered(pool)["good"]
        assert isinstance(made, Failed) or made[0].video is None
    with ComparisonPool(Storage(), seconds=0.01) as pool:
        pool.submit("good", [video])
        failed = rendered(pool)["good"]
        assert isinstance(failed, Failed)
        assert "longer than" in failed.reason


def test_leaving_on_an_error_ends_what_is_being_rendered(tmp_path: Path) -> None:
    long = cut(tmp_path / "long.mp4", frames=250)
    pool = ComparisonPool(Storage(), processes=1)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), pool:  # noqa: PT012
        for number in range(5):
            pool.submit(str(number), [(url(long), url(long), url(tmp_path / f"{number}_compare.mp4"))])
        while not pool.renderers:
            time.sleep(0.05)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 8
    assert not list(tmp_path.glob("*_compare.*"))

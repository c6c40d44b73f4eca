"""The comparison video, looked at as a player would show it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vda_assets.media.errors import DamagedVideo, NotAVideo
from vda_assets.media.probe import probe
from vda_assets.media.side_by_side import side_by_side
from vda_assets_tests.media.conftest import GREEN, RED, MakeClip, with_noise_for_frames

LINES = 144


def first_picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def looks(pixel: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - color).max() < 12)


def test_two_clips_stand_beside_each_other_at_720_lines_in_av1(make_clip: MakeClip, tmp_path: Path):
    left, right = make_clip("l.mp4", width=128, height=72), make_clip("r.mp4", width=96, height=96)
    output = tmp_path / "display" / "both.mp4"
    result = side_by_side(left, right, output)
    assert (result.width, result.height, result.frame_count, result.fps) == (1280 + 720, 720, 10, Fraction(25))
    assert result.duration_seconds == pytest.approx(0.4)
    assert result.size_bytes == output.stat().st_size
    info = probe(output, name="both.mp4")
    assert (info.width, info.height, info.frame_count, info.fps) == (2000, 720, 10, Fraction(25))
    assert (info.codec, info.pixel_format, info.has_audio) == ("av1", "yuv420p", False)
    picture = first_picture(output)
    assert looks(picture[30, 30], GREEN)
    assert looks(picture[30, 1280 + 30], GREEN)
    assert looks(picture[680, 1240], RED)


def test_the_shorter_clip_decides_the_length(make_clip: MakeClip, tmp_path: Path):
    short, long = make_clip("s.mp4", frame_count=7), make_clip("l.mp4", frame_count=20)
    for left, right in ((short, long), (long, short)):
        assert side_by_side(left, right, tmp_path / "both.mp4", height=LINES).frame_count == 7


@pytest.mark.parametrize(("left_fps", "right_fps"), [(25, 30), (30, 25), (25, 10), (10, 50)])
def test_the_left_rate_is_kept_and_the_right_clip_keeps_its_pace(
    make_clip: MakeClip, tmp_path: Path, left_fps: int, right_fps: int
):
    left = make_clip("l.mp4", fps=left_fps, frame_count=2 * left_fps)
    right = make_clip("r.mp4", fps=right_fps, frame_count=2 * right_fps)
    result = side_by_side(left, right, tmp_path / "both.mp4", height=LINES)
    assert result.fps == left_fps
    assert result.frame_count == 2 * left_fps


@pytest.mark.parametrize(
    "how",
    [
        {"width": 97, "height": 65, "pixel_format": "yuv444p"},
        {"pixel_format": "yuv420p10le"},
        {"pixel_format": "yuv422p10le"},
        {"pixel_format": "yuvj420p"},
        {"name": "r.avi", "codec": "mpeg4"},
        {"name": "r.mkv", "codec": "ffv1", "pixel_format": "bgr0"},
    ],
)
def test_odd_sizes_and_other_pixels_keep_their_colours(make_clip: MakeClip, tmp_path: Path, how: dict):
    output = tmp_path / "both.mp4"
    result = side_by_side(make_clip("l.mp4"), make_clip(**{"name": "r.mp4", **how}), output, height=LINES)
    assert result.width % 2 == 0
    picture = first_picture(output)
    assert looks(picture[10, -20], RED)
    assert looks(picture[10, 216 + 10], GREEN)


@pytest.mark.parametrize(("counter_clockwise", "marked_corner"), [(-90, (5, -5)), (90, (-5, 5)), (180, (-5, -5))])
def test_a_phone_clip_stands_upright(
    make_clip: MakeClip, tmp_path: Path, counter_clockwise: int, marked_corner: tuple[int, int]
):
    turned = make_clip("turned.mp4", counter_clockwise_degrees=counter_clockwise)
    output = tmp_path / "both.mp4"
    result = side_by_side(turned, make_clip("r.mp4"), output, height=LINES)
    turned_width = result.width - 216
    assert turned_width == (96 if abs(counter_clockwise) == 90 else 216)
    assert looks(first_picture(output)[:, :turned_width][marked_corner], GREEN)


def test_the_encoder_does_not_chatter(make_clip: MakeClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    left, right = make_clip("l.mp4"), make_clip("r.mp4")
    capfd.readouterr()
    side_by_side(left, right, tmp_path / "both.mp4", height=LINES)
    assert capfd.readouterr() == ("", "")


def test_binary_files_serve_as_well_as_paths(make_clip: MakeClip, tmp_path: Path):
    with make_clip("l.mp4").open("rb") as left, make_clip("r.mp4").open("rb") as right:
        assert side_by_side(left, right, tmp_path / "both.mp4", height=LINES).frame_count == 10


def test_progress_rises_to_one(make_clip: MakeClip, tmp_path: Path):
    shares: list[float] = []
    side_by_side(make_clip("l.mp4"), make_clip("r.mp4"), tmp_path / "b.mp4", height=LINES, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.1)
    assert shares[-1] == 1


def test_a_failed_rendering_leaves_nothing_and_names_the_clip(make_clip: MakeClip, tmp_path: Path):
    whole = make_clip("whole.mp4")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(with_noise_for_frames(whole.read_bytes()))
    text = tmp_path / "text.mp4"
    text.write_text("not a clip")
    before = set(tmp_path.iterdir())
    with pytest.raises(DamagedVideo, match=r"^right clip broken\.mp4: "):
        side_by_side(whole, broken, tmp_path / "both.mp4", height=LINES)
    with pytest.raises(NotAVideo, match=r"^left clip text\.mp4: "):
        side_by_side(text, whole, tmp_path / "both.mp4", height=LINES)
    assert set(tmp_path.iterdir()) == before


def test_the_final_name_appears_only_when_the_video_is_whole(make_clip: MakeClip, tmp_path: Path):
    output = tmp_path / "both.mp4"
    output.write_bytes(b"an older comparison")
    seen: list[bytes] = []
    side_by_side(
        make_clip("l.mp4"),
        make_clip("r.mp4"),
        output,
        height=LINES,
        on_progress=lambda share: seen.append(output.read_bytes()[:19]) if share < 1 else None,
    )
    assert set(seen) == {b"an older comparison"}
    assert probe(output, name="both.mp4").frame_count == 10

"""The contact sheet: small, in a picture format every page shows."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vda_assets.media.errors import DamagedVideo, NotAVideo
from vda_assets.media.preview import animation_of, poster_of, preview
from vda_assets_tests.media.conftest import MakeClip


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def noisy_clip(path: Path) -> Path:
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(8):
            pixels = noise.integers(0, 255, (180, 320, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_frames_stand_in_a_row_in_order_of_time(make_clip: MakeClip):
    sheet = opened(preview(make_clip(width=128, height=72, frame_count=100), name="clip.mp4"))
    frame_width = sheet.width // 4
    assert sheet.width / sheet.height == pytest.approx(4 * 128 / 72, rel=0.02)
    brightest = [
        np.asarray(sheet.convert("RGB").crop((at * frame_width, 0, (at + 1) * frame_width, sheet.height)))[:, :, 2]
        .max(axis=0)
        .argmax()
        for at in range(4)
    ]
    assert brightest == sorted(set(brightest))


def test_even_noise_fits_by_giving_up_quality_and_size(tmp_path: Path):
    clip = noisy_clip(tmp_path / "noise.mp4")
    assert len(preview(clip, name="noise.mp4")) <= 15_000
    small = preview(clip, name="noise.mp4", max_bytes=3_000)
    assert len(small) <= 3_000
    opened(small)


def test_a_size_that_nothing_can_have_is_refused(make_clip: MakeClip):
    with pytest.raises(ValueError, match=r"clip\.mp4: no preview of 4 frames fits into 100 bytes"):
        preview(make_clip(), name="clip.mp4", max_bytes=100)


def test_very_wide_frames_stand_in_a_column(make_clip: MakeClip):
    sheet = opened(preview(make_clip(width=320, height=64), name="both.mp4", frames=3))
    assert sheet.width / sheet.height == pytest.approx(320 / (3 * 64), rel=0.02)


def test_a_phone_clip_is_shown_upright(make_clip: MakeClip):
    sheet = opened(preview(make_clip(counter_clockwise_degrees=-90), name="clip.mp4", frames=1))
    assert sheet.width < sheet.height
    red, green, _blue = sheet.getpixel((sheet.width - 10, 10))
    assert green > red


def test_a_clip_shorter_than_the_row_shows_each_frame_once(make_clip: MakeClip):
    sheet = opened(preview(make_clip(frame_count=2), name="clip.mp4"))
    assert sheet.width / sheet.height == pytest.approx(2 * 96 / 64, rel=0.02)


def test_what_is_no_clip_is_refused():
    with pytest.raises(NotAVideo, match=r"notes\.mp4"):
        preview(BytesIO(b"text"), name="notes.mp4")


def test_the_poster_of_a_moving_picture_is_its_first_one_and_small():
    moving = animation_of([Image.new("RGB", (1280, 320), colour) for colour in ("red", "blue")])
    poster = opened(poster_of(moving, name="a.webp"))
    assert poster.size == (480, 120)
    assert poster.getpixel((240, 60))[0] > 200


@pytest.mark.parametrize("content", [b"", b"text", b"RIFF\x24\x00\x00\x00WEBPVP8 ", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_has_no_poster(content: bytes):
    with pytest.raises(DamagedVideo, match=r"a\.webp: it is no picture"):
        poster_of(content, name="a.webp")

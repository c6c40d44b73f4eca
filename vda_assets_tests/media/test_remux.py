"""Clips of other containers as MP4s: the same pictures at the same times, or one clear reason why not."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vda_assets.media.errors import DamagedVideo, MediaError, UnsuitableVideo
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.media.remux import remux
from vda_assets.media.suitability import check_length, check_pictures, is_mp4
from vda_assets_tests.media.conftest import INPUTS, MakeClip

MS = Fraction(1, 1000)
NTSC = Fraction(30000, 1001)
B_FRAMES = {"bf": "5", "b-pyramid": "strict", "g": "12"}
NO_B_FRAMES = {"bf": "0"}


def remuxed(source: Path) -> tuple[ClipInfo, Path]:
    target = source.with_name(f"{source.name}.as.mp4")
    return remux(source, target, name=source.name, info=probe(source, name=source.name)), target


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def timed_clip(path: Path, *, at: list[int], tick: Fraction, options: dict[str, str]) -> Path:
    """A frame of its own grey at each time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(1 / tick) if tick > Fraction(1, 100) else 30)
        stream.options = options
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.time_base = 96, 64, "yuv420p", tick
        for number, time in enumerate(at):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 5 % 250, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("fps", [25, 30, NTSC, Fraction(24000, 1001)])
@pytest.mark.parametrize("name", ["c.mkv", "c.avi"])
def test_the_same_pictures_come_at_the_exact_rate(make_clip: MakeClip, name: str, fps: Fraction):
    source = make_clip(name, fps=fps, frame_count=40)
    made, target = remuxed(source)
    assert is_mp4(made)
    assert (made.width, made.height, made.frame_count, made.fps) == (96, 64, 40, fps)
    assert times(target) == pytest.approx([number / fps for number in range(40)])
    assert pictures(target) == pictures(source)


@pytest.mark.parametrize("options", [B_FRAMES, NO_B_FRAMES])
@pytest.mark.parametrize("name", ["c.mkv", "c.avi"])
def test_pictures_stored_in_another_order_are_shown_in_theirs(tmp_path: Path, name: str, options: dict[str, str]):
    source = timed_clip(tmp_path / name, at=list(range(60)), tick=Fraction(1, 30), options=options)
    _, target = remuxed(source)
    assert times(target) == pytest.approx([number / 30 for number in range(60)])
    assert pictures(target) == pictures(source)


def test_a_rate_that_varies_keeps_varying(tmp_path: Path):
    at = [0, 31, 70, 100, 141, 300, 303, 340, 380, 410, 500, 520]
    source = timed_clip(tmp_path / "c.mkv", at=at, tick=Fraction(1, 1000), options=NO_B_FRAMES)
    _, target = remuxed(source)
    assert times(target) == pytest.approx([time / 1000 for time in at], abs=0.0011)


def test_sound_is_left_out(make_clip: MakeClip):
    made, _ = remuxed(make_clip("c.mkv", with_sound=True))
    assert not made.has_audio


def test_a_file_object_serves_as_source(make_clip: MakeClip, tmp_path: Path):
    path = make_clip("c.avi")
    info = probe(path, name="c.avi")
    with path.open("rb") as file:
        assert remux(file, tmp_path / "c.mp4", name="c.avi", info=info).frame_count == info.frame_count


@pytest.mark.parametrize(
    ("name", "how", "what"),
    [
        ("c.mkv", {"codec": "libvpx-vp9"}, "vp9 in yuv420p"),
        ("c.mkv", {"pixel_format": "yuv444p"}, "h264 in yuv444p"),
        ("c.mkv", {"pixel_format": "yuv420p10le"}, "h264 in yuv420p10le"),
        ("c.mp4", {"pixel_format": "yuv420p10le"}, "h264 in yuv420p10le"),
        ("c.mp4", {"pixel_format": "yuv422p"}, "h264 in yuv422p"),
        ("c.mp4", {"codec": "libx265"}, "hevc in yuv420p"),
        ("c.mov", {"codec": "libx265"}, "hevc in yuv420p"),
        ("c.mp4", {"codec": "libvpx-vp9"}, "vp9 in yuv420p"),
        ("c.mp4", {"codec": "libsvtav1"}, "av1 in yuv420p"),
    ],
)
def test_what_the_containers_cannot_decode_is_refused_whatever_the_file_is(
    make_clip: MakeClip, name: str, how: dict, what: str
):
    info = probe(make_clip(name, **how), name=name)
    with pytest.raises(UnsuitableVideo, match=rf"^{name}: its pictures are {what};.*: ffmpeg -i IN .* OUT\.mp4$"):
        check_pictures(info, name=name)


@pytest.mark.parametrize("name", ["c.mp4", "c.avi", "c.mkv", "c.mov"])
@pytest.mark.parametrize(
    "how",
    [{}, {"pixel_format": "yuvj420p"}, {"codec": "mpeg4"}, {"codec": "mjpeg", "pixel_format": "yuvj422p"}],
)
def test_what_their_decoders_take_is_taken_from_every_format(make_clip: MakeClip, name: str, how: dict):
    source = make_clip(name, **how)
    made, target = remuxed(source)
    assert is_mp4(made)
    assert (made.frame_count, made.fps) == (10, Fraction(25))
    assert pictures(target) == pictures(source)


def test_a_clip_that_players_turn_is_refused_with_the_command_that_turns_it(make_clip: MakeClip):
    info = probe(make_clip(counter_clockwise_degrees=-90), name="c.mp4")
    with pytest.raises(UnsuitableVideo, match=r"turns its pictures by 90 degrees; .* Encode it upright: ffmpeg -i IN"):
        check_pictures(info, name="c.mp4")


def test_a_clip_is_as_long_as_augmentation_takes_it_and_no_longer(make_clip: MakeClip):
    info = probe(make_clip(frame_count=10), name="c.mp4")
    check_length(info, name="c.mp4", most_frames=10)
    with pytest.raises(UnsuitableVideo, match=r"it has 10 frames; augmentation takes 9 at most\. Cut it.*ffmpeg"):
        check_length(info, name="c.mp4", most_frames=9)


def test_a_copy_that_would_not_be_the_same_clip_is_refused(make_clip: MakeClip, tmp_path: Path):
    larger = probe(make_clip("larger.mkv", width=128), name="larger.mkv")
    with pytest.raises(DamagedVideo, match=r"as an MP4 it would be 10 frames of 96x64 instead of 10 frames of 128x64"):
        remux(make_clip("c.mkv"), tmp_path / "c.mp4", name="c.mkv", info=larger)


def test_arrival_times_are_kept_and_rise(tmp_path: Path):
    source = INPUTS / "burst.mkv"
    info = probe(source, name="burst.mkv")
    assert info.is_variable_rate
    made = remux(source, tmp_path / "c.mp4", name="burst.mkv", info=info)
    assert (made.frame_count, made.is_variable_rate) == (100, True)
    assert times(tmp_path / "c.mp4") == pytest.approx(times(source), abs=0.0011)
    assert times(tmp_path / "c.mp4") == sorted(set(times(tmp_path / "c.mp4")))
    assert pictures(tmp_path / "c.mp4") == pictures(source)


@pytest.mark.parametrize("options", [B_FRAMES, NO_B_FRAMES])
def test_pictures_of_the_same_millisecond_come_one_after_the_other(tmp_path: Path, options: dict[str, str]):
    at = [1000 * (number // 4) // 7 + number % 4 // 2 for number in range(60)]
    source = timed_clip(tmp_path / "c.mkv", at=[100 * number for number in range(60)], tick=MS, options=options)
    burst = tmp_path / "burst.mkv"
    with av.open(str(source)) as clip, av.open(str(burst), "w") as target:
        track = target.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.pts = at[packet.pts // 100]
                packet.dts, packet.stream = None, track
                target.mux(packet)
    made, target_path = remuxed(burst)
    assert made.frame_count == 60
    assert times(target_path) == sorted(set(times(target_path)))


def test_an_avi_that_was_copied_into_keeps_its_rate(tmp_path: Path):
    source = INPUTS / "avi_stream_copy.avi"
    info = probe(source, name="a.avi")
    assert (info.fps, info.frame_count, info.duration_seconds) == (Fraction(25), 100, 4.0)
    made = remux(source, tmp_path / "c.mp4", name="a.avi", info=info)
    assert (made.fps, made.frame_count, made.duration_seconds) == (Fraction(25), 100, 4.0)
    assert times(tmp_path / "c.mp4") == pytest.approx([number / 25 for number in range(100)])


def test_an_avi_with_noise_inside_is_damaged(tmp_path: Path):
    source = timed_clip(tmp_path / "c.avi", at=list(range(60)), tick=Fraction(1, 30), options=B_FRAMES)
    info = probe(source, name="c.avi")
    content = bytearray(source.read_bytes())
    content[6000:8000] = bytes(2000)
    source.write_bytes(content)
    with pytest.raises(MediaError, match=r"^c\.avi: .*decode"):
        remux(source, tmp_path / "c.mp4", name="c.avi", info=info)


@pytest.mark.parametrize("name", ["c.mp4", "c.mov"])
@pytest.mark.parametrize("options", [B_FRAMES, {"bf": "0", "g": "12"}])
def test_a_clip_that_was_trimmed_without_encoding_is_taken_as_it_is_shown(
    tmp_path: Path, name: str, options: dict[str, str]
):
    """It begins with pictures that its edit list leaves out, and that the first ones shown are made of."""
    whole = timed_clip(tmp_path / "whole.mp4", at=list(range(60)), tick=Fraction(1, 30), options=options)
    source = tmp_path / name
    with av.open(str(whole)) as clip, av.open(str(source), "w") as made:
        track = made.add_stream_from_template(clip.streams.video[0])
        packets = [packet for packet in clip.demux(video=0) if packet.size]
        begin = next(number for number, packet in enumerate(packets) if number and packet.is_keyframe)
        first_shown = sorted(packet.pts for packet in packets[begin:])[5]
        for packet in packets[begin:]:
            packet.pts, packet.dts, packet.stream = packet.pts - first_shown, packet.dts - first_shown, track
            made.mux(packet)
    expected = pictures(source)
    assert len(expected) < len(packets) - begin
    info = probe(source, name=name)
    assert (info.frame_count, info.is_variable_rate) == (len(expected), False)
    made_info, target = remuxed(source)
    assert made_info.frame_count == len(expected)
    assert pictures(target) == expected

"""Clips at their limits are looked into within the seconds and megabytes that the page says."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from vda_assets.flows.comparisons import RENDER_BYTES, RENDER_SECONDS
from vda_assets.flows.inputs import CLIP_BYTES, CLIP_SECONDS, MOST_AUGMENTED_FRAMES
from vda_assets.media.errors import MediaError
from vda_assets.media.pictures import MOST_PICTURES
from vda_assets.media.probe import PROBE_SECONDS, probe
from vda_assets.media.reading import MOST_PIXELS, MOST_STREAMS
from vda_assets_tests.reading_cost import cost_of

PAGE = (Path(__file__).parents[2] / "docs/limits.md").read_text()
WIDTH, HEIGHT = 8192, 4352


def documented(what: str) -> tuple[str, float, float]:
    """The limit, seconds, and MiB of memory."""
    row = re.search(rf"^\| {re.escape(what)} \| ([^|]+) \| (\d+) s \| (\d+) MiB \|$", PAGE, re.MULTILINE)
    assert row, what
    return row[1], float(row[2]), float(row[3])


def encoded(codec: str, *, width: int, height: int, pictures: int, scratch: Path) -> list[bytes]:
    """The packets of so many grey pictures, the first a key frame."""
    with av.open(scratch, "w", format="avi") as target:
        stream = target.add_stream(codec, rate=60)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(pictures):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 20 % 256]) * plane.buffer_size)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with av.open(scratch) as source:
        return [bytes(packet) for packet in source.demux(video=0) if packet.size]


def repeated(path: Path, packets: list[bytes], *, count: int, streams: int = 1) -> Path:
    """A clip of `count` pictures in each of its streams, made of the packets over and over."""
    with av.open(path.with_suffix(".avi.scratch")) as source, av.open(path, "w") as target:
        tracks = [target.add_stream_from_template(source.streams.video[0]) for _ in range(streams)]
        for track in tracks:
            track.time_base = Fraction(1, 60)
        for number in range(count):
            for track in tracks:
                packet = av.Packet(packets[number % len(packets)])
                packet.stream, packet.time_base = track, Fraction(1, 60)
                packet.pts = packet.dts = number
                packet.duration, packet.is_keyframe = 1, number % len(packets) == 0
                target.mux(packet)
    return path


def assert_costs(what: str, path: Path) -> None:
    _, seconds, mib = documented(what)
    cost = cost_of("clip", path)
    assert cost.refusal == ""
    assert cost.seconds <= seconds
    assert cost.mib <= mib


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_clip_of_as_many_pictures_as_may_be(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"many{ending}"
    packets = encoded("mpeg4", width=16, height=16, pictures=12, scratch=path.with_suffix(".avi.scratch"))
    assert_costs("pictures", repeated(path, packets, count=MOST_PICTURES))


def test_a_clip_of_as_large_pictures_as_may_be(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    packets = encoded("mjpeg", width=WIDTH, height=HEIGHT, pictures=2, scratch=path.with_suffix(".avi.scratch"))
    assert_costs("size of a picture", repeated(path, packets, count=30))


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_clip_of_as_many_streams_as_may_be(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"streams{ending}"
    packets = encoded("mpeg4", width=16, height=16, pictures=12, scratch=path.with_suffix(".avi.scratch"))
    assert_costs("streams of a file", repeated(path, packets, count=3000, streams=MOST_STREAMS))


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize("streams", [MOST_STREAMS + 1, MOST_STREAMS + 8])
def test_a_clip_of_more_streams_is_refused_and_not_taken_for_another(tmp_path: Path, ending: str, streams: int) -> None:
    path = tmp_path / f"streams{ending}"
    packets = encoded("mpeg4", width=16, height=16, pictures=12, scratch=path.with_suffix(".avi.scratch"))
    repeated(path, packets, count=30, streams=streams)
    with pytest.raises(MediaError):
        probe(path, name=path.name)


def test_the_page_states_the_limits_that_hold() -> None:
    assert documented("pictures")[0] == f"{MOST_PICTURES:,}; {MOST_AUGMENTED_FRAMES:,} where it is augmented"
    assert documented("size of a picture")[0] == f"{WIDTH} x {HEIGHT}"
    assert WIDTH * HEIGHT == MOST_PIXELS
    assert documented("streams of a file")[0] == str(MOST_STREAMS)
    for what, seconds, memory in (
        ("looking into a clip", PROBE_SECONDS, ""),
        (
            "making a clip ready for its containers (look, copy, remux)",
            CLIP_SECONDS,
            f", {CLIP_BYTES >> 30} GiB of memory",
        ),
        ("rendering one side-by-side video", RENDER_SECONDS, f", {RENDER_BYTES >> 30} GiB of memory"),
    ):
        assert f"| {what} | {seconds:,.0f} s by the clock{memory} |" in PAGE

"""Clips whose bytes were changed at random: each is a clip or a MediaError, soon, whatever the header then promises."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from vda_assets.flows.processes import CallFailed, Processes
from vda_assets.media.errors import MediaError
from vda_assets.media.probe import ClipInfo, probe
from vda_assets.media.remux import remux
from vda_assets_tests.media.conftest import INPUTS, write_clip

# Many more with `make fuzz`, from other seeds.
_LONG = "VDA_FUZZ_SECONDS" in os.environ
_ROUNDS = 900 if _LONG else 150
_SECONDS = 3.0
Spoil = Callable[[random.Random, bytearray], None]


def flip_bits(chance: random.Random, content: bytearray) -> None:
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_in_header(chance: random.Random, content: bytearray) -> None:
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(min(len(content), 1200))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))


def flip_at_end(chance: random.Random, content: bytearray) -> None:
    """Where an MP4 that is not made for streaming has its index."""
    for _ in range(chance.randint(1, 4)):
        content[-chance.randint(1, min(len(content), 1200))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))


def truncate(chance: random.Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def fill(chance: random.Random, content: bytearray) -> None:
    begin = chance.randrange(len(content))
    end = min(len(content), begin + chance.randint(1, 2000))
    content[begin:end] = chance.choice((bytes(end - begin), b"\xff" * (end - begin), chance.randbytes(end - begin)))


def double(chance: random.Random, content: bytearray) -> None:
    begin = chance.randrange(len(content))
    content[begin:begin] = content[begin : begin + chance.randint(1, 400)]


def promise(chance: random.Random, content: bytearray) -> None:
    """Lengths and counts of an MP4's boxes, behind the names of which they stand or in front of them."""
    kinds = (
        b"moov",
        b"trak",
        b"mdia",
        b"stbl",
        b"stsd",
        b"stts",
        b"stsz",
        b"stsc",
        b"stco",
        b"ctts",
        b"elst",
        b"avcC",
        b"mdat",
    )
    places = [content.find(kind) for kind in kinds if kind in content] or [chance.randrange(4, len(content) - 12)]
    for _ in range(chance.randint(1, 3)):
        place = chance.choice(places) + chance.choice((-4, 4, 8, 12))
        most = chance.choice((0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF, chance.getrandbits(32)))
        content[place : place + 4] = most.to_bytes(4, "big")


_SPOILERS: tuple[Spoil, ...] = (flip_bits, flip_in_header, flip_at_end, truncate, fill, double, promise)


def clips(folder: Path) -> dict[str, bytes]:
    made = [
        write_clip(folder / "c.mp4"),
        write_clip(folder / "fast.mp4", faststart=True, with_sound=True),
        write_clip(folder / "c.mkv"),
        write_clip(folder / "c.avi", codec="mpeg4"),
        write_clip(folder / "j.avi", codec="mjpeg", pixel_format="yuvj420p", frame_count=4),
        INPUTS / "four_frames.mp4",
    ]
    return {path.name: path.read_bytes() for path in made}


def outcome(name: str, content: bytes, scratch: str) -> str:
    """What comes of it; anything but a clip and a MediaError is raised."""
    begun = time.monotonic()
    try:
        info = probe(BytesIO(content), name=name)
        assert isinstance(info, ClipInfo)
        assert info.frame_count >= 2
        told = "clip"
        if time.monotonic() - begun < _SECONDS:
            remux(BytesIO(content), Path(scratch, "made.mp4"), name=name, info=info)
    except MediaError as error:
        told = type(error).__name__
    assert time.monotonic() - begun < _SECONDS
    return told


@pytest.mark.parametrize("spoil", _SPOILERS, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_clip_is_a_clip_or_a_media_error_soon(tmp_path: Path, spoil: Spoil) -> None:
    chance = random.Random(None if _LONG else spoil.__name__)
    (tmp_path / "scratch").mkdir()
    outcomes: dict[str, int] = {}
    # In a process, as the pipeline reads clips: a crash in native code is one failed clip.
    with Processes(seconds=20, memory_bytes=1 << 30) as processes:
        for name, whole in clips(tmp_path).items():
            for number in range(_ROUNDS // 6):
                content = bytearray(whole)
                spoil(chance, content)
                try:
                    told = processes.call(outcome, name, bytes(content), str(tmp_path / "scratch"))
                except (CallFailed, Exception) as error:
                    saved = Path(os.environ.get("VDA_KEEP_SPOILT", str(tmp_path))) / f"{spoil.__name__}_{number}_{name}"
                    saved.write_bytes(content)
                    raise AssertionError(f"{saved}: {type(error).__name__}: {error}") from error
                outcomes[told] = outcomes.get(told, 0) + 1
    assert set(outcomes) <= {"clip", "NotAVideo", "NoVideoStream", "UnsuitableVideo", "DamagedVideo", "TooFewFrames"}
    assert len(outcomes) > 1

"""What files are by their first bytes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vda_assets.media.sniff import HEAD_BYTES, demuxer_of, looks_like
from vda_assets_tests.media.conftest import INPUTS, MakeClip


@pytest.mark.parametrize("name", ["c.mp4", "c.mov", "c.avi", "c.mkv", "c.webm"])
def test_a_clip_may_be_one(make_clip: MakeClip, name: str):
    codec = {"c.webm": "libvpx-vp9", "c.avi": "mpeg4"}.get(name, "libx264")
    head = make_clip(name, codec=codec).read_bytes()[:HEAD_BYTES]
    assert looks_like(head) is None
    assert demuxer_of(head) in {"mp4", "avi", "matroska"}


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ((INPUTS / "lfs.mp4").read_bytes(), "a Git LFS pointer, not a video. Run git lfs pull"),
        ((INPUTS / "evil_ffconcat.mp4").read_bytes(), "a playlist that names other files"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://example.com/a.ts\n", "a playlist"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n", "a playlist"),
        (b"<!doctype html>\n<title>Sign in</title>", "a web page"),
        (b"\xef\xbb\xbf  \r\n<HTML><body>Not found</body></HTML>", "a web page"),
        (b"<?xml version='1.0'?><!-- - --><html xmlns=''>", "a web page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "plain text"),
        ("自行车\n".encode() * 200, "plain text"),
        ("clip".encode("utf-16"), "plain text"),
        (b"", "zero bytes"),
        (bytes(HEAD_BYTES), "begins with zeros"),
        (b"\x47" + bytes([0xFF] * 187) + b"\x47", "an MPEG transport stream. Convert it"),
        (b"OggS\0\2", "a video of another format. Convert it"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"PK\x03\x04\x14\x00", "an archive"),
    ],
)
def test_what_is_none_is_told_for_what_it_is(head: bytes, what: str):
    head = head[:HEAD_BYTES]
    assert what in (looks_like(head) or "")
    assert demuxer_of(head) is None


def test_bytes_of_no_known_kind_are_left_to_who_reads_on():
    assert looks_like(b"\x01\x02\xff\xfe\x80") is None
    assert demuxer_of(b"\x01\x02\xff\xfe\x80") is None


def test_the_door_needs_no_ffmpeg():
    asked = "import sys; import vda_assets.media.sniff; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0

"""What a file is, by its first bytes alone: cheap enough for a door that many files go through.

Only the three families of containers that the project takes get as far as FFmpeg, each with its own demuxer. FFmpeg's
guessing would also take playlists, which name other files and addresses to read from.
"""

from __future__ import annotations

import re

HEAD_BYTES = 512

MP4, AVI, MATROSKA = "mp4", "avi", "matroska"
# The names of the first boxes that MP4 and QuickTime files begin with.
_MP4_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid"}
_UPLOAD_AGAIN = "Upload the clip itself, or take this out of the dataset."
_CONVERT = "Convert it: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (rb"version https://git-lfs\.github\.com/spec/", "a Git LFS pointer", "Run git lfs pull where it comes from."),
    (rb"(?i)(?:<!--.*?-->|<\?xml[^>]*>|\s)*<(?:!doctype\s+html|html|head|body|script)\b", "a web page", _UPLOAD_AGAIN),
    (rb"(?:ffconcat version|#EXTM3U|v=0\r?\no=)", "a playlist that names other files or addresses", _UPLOAD_AGAIN),
    (
        rb"(?:OggS|FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x00\x00\x01\xba|\.RMF)",
        "a video of another format",
        _CONVERT,
    ),
    (rb"(?:G.{187}G|.{4}G.{191}G)", "an MPEG transport stream", _CONVERT),
    (rb"(?:\x89PNG|\xff\xd8\xff|GIF8|BM.{12}\x28\x00\x00\x00|RIFF.{4}WEBP)", "a picture", _UPLOAD_AGAIN),
    (rb"(?:PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|\xfd7zXZ)", "an archive", "Unpack it and upload the clips in it."),
)


def demuxer_of(head: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file that begins so; None for what the project takes no clips from."""
    if head[4:8] in _MP4_BOXES:
        return MP4
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return AVI
    return MATROSKA if head[:4] == b"\x1a\x45\xdf\xa3" else None


def looks_like(head: bytes) -> str | None:
    """Why a file that begins with these bytes (`HEAD_BYTES` are enough) cannot be a clip, and what to do.

    None when it may be one, and for bytes that are of no known kind.
    """
    if not head:
        return f"it has zero bytes. {_UPLOAD_AGAIN}"
    if demuxer_of(head):
        return None
    for pattern, kind, remedy in _OTHERS:
        if re.match(pattern, head.removeprefix(b"\xef\xbb\xbf"), re.DOTALL):
            return f"it is {kind}, not a video. {remedy}" if remedy != _CONVERT else f"it is {kind}. {remedy}"
    if not any(head):
        return f"it begins with zeros instead of a video: an upload or a copy of it broke. {_UPLOAD_AGAIN}"
    return f"it is plain text, not a video. {_UPLOAD_AGAIN}" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True  # UTF-16
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last letter may be cut in two.
        text = head[: error.start].decode() if error.start >= len(head) - 3 else "\x00"
    return all(letter.isprintable() or letter in "\t\n\r\f" for letter in text)

"""Whether a file is whole, as far as that can be told without decoding it."""

from __future__ import annotations

import json
from pathlib import Path


def is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def file_problem(path: Path) -> str:
    """What is wrong with a file that must be there, as the container's deed; empty when nothing is."""
    if not is_filled(path):
        return f"left out {path.name}"
    checked = {".json": json_problem, ".mp4": mp4_problem}.get(path.suffix)
    problem = checked(path) if checked else ""
    return f"left {path.name} damaged: {problem}" if problem else ""


def json_problem(path: Path) -> str:
    """What keeps the file from being a JSON object; empty when nothing does."""
    try:
        return "" if isinstance(json.loads(path.read_bytes()), dict) else "it holds no object"
    except (ValueError, RecursionError) as error:
        return str(error)


def mp4_problem(path: Path) -> str:
    """What keeps the file from being a whole MP4, by its top-level boxes (ISO 14496-12); empty when nothing does."""
    size, position, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:
                length = size - position
            if position == 0 and kind != b"ftyp":
                return "it is not an MP4 file"
            if length < 8 or position + length > size:
                return f"its {kind.decode('latin-1')} box is cut off at {size} bytes"
            kinds.add(kind)
            position += length
    absent = [kind.decode() for kind in (b"moov", b"mdat") if kind not in kinds]
    return f"it has no {' and no '.join(absent)} box" if absent else ""

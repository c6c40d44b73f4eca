"""What a container must have left, whole: paidf-augmentation 1.0.0 exits 0 on failure, so its code proves nothing."""

from __future__ import annotations

import json
from pathlib import Path

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.failure import OUTPUT_INCOMPLETE, say
from vda_assets.worker.words import Words, container_failed

REQUIRED_FILES = {
    "augmentation": ["augmented_video.mp4"],
    "auto_labeling": ["config.yaml", "sidecars/pipeline_status.json", "raw/*"],
}
SR_CLIP = "sidecars/sr_output.mp4"
# What the checks of an augmented clip found; a clip without is kept, and judged to be unverified.
CHECKS_FILE = "metadata.json"


def require_outputs(arguments: Arguments, words: Words) -> None:
    output: Path = arguments.output
    required = [*REQUIRED_FILES[arguments.container], *([SR_CLIP] if arguments.super_resolution else [])]
    missing = [name for name in required if not any(is_filled(path) for path in output.glob(name))]
    if missing:
        what = f"the container exited 0 but left out {', '.join(missing)}"
        raise container_failed(arguments.container, OUTPUT_INCOMPLETE, what, words)
    if arguments.container == "augmentation" and not is_filled(output / CHECKS_FILE):
        say(f"WARNING: the container left no {CHECKS_FILE}: nothing tells whether the clip passed its checks")
    elif arguments.container == "augmentation":
        required.append(CHECKS_FILE)
    problem_of = {".json": json_problem, ".mp4": mp4_problem}
    for path in (output / name for name in required if Path(name).suffix in problem_of):
        if problem := problem_of[path.suffix](path):
            what = f"the container exited 0 but left {path.name} damaged: {problem}"
            raise container_failed(arguments.container, OUTPUT_INCOMPLETE, what, words)


def is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def json_problem(path: Path) -> str:
    """What keeps the file from being a JSON object; empty when nothing does."""
    try:
        return "" if isinstance(json.loads(path.read_bytes()), dict) else "it holds no object"
    except ValueError as error:
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

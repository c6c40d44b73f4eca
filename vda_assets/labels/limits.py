"""How much of a label scene is read: what paidf-auto-labeling 1.0.0 can write for a clip of 5,000 frames, and room.

One detection takes about 310 bytes as the container writes it: 64 MiB hold 40 objects in each of 5,000 frames. A window
takes about 30 KB with captions, answers and their verification; there are 84 of 60 frames each.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

BYTES = {
    "contextual/objects.json": 64 * MIB,
    "contextual/instances.json": 4 * MIB,
    "contextual/events.json": 1 * MIB,
    "contextual/video.json": 256 * KIB,
    "contextual/image.json": 256 * KIB,
    "task/mcq.json": 1 * MIB,
    "task/bcq.json": 1 * MIB,
    "task/open_qa.json": 1 * MIB,
    "sidecars/metadata.json": 16 * MIB,
    "sidecars/pipeline_status.json": 256 * KIB,
    "config.yaml": 256 * KIB,
}
# A bracket costs its reader a hundred times what it costs the file: a limit on bytes alone would not bound memory.
BYTES_PER_BRACKET = 64
BYTES_PER_COMMA = 16

FRAMES = 100_000
WINDOWS = 5_000
ANSWERS_PER_WINDOW = 200
YAML_DEPTH = 50

# The format check of DAFT is Python, 0.1 ms a frame or detection: of more than these it sees one of each shape.
DAFT_OBJECTS = 5_000

SUMMARISED_ANSWERS = 50
SUMMARISED_CLASSES = 50

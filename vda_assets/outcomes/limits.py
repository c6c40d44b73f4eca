"""How much of an output is read before it is judged, beside the files of a label scene (`labels.limits`).

paidf-augmentation leaves a few KB of metadata, a worker some forty files; what is far more is no output of theirs.
"""

from __future__ import annotations

from vda_assets.labels.limits import MIB

MARKER_BYTES = 1 * MIB
MARKED_FILES = 2_000
# A folder keeps what former attempts left.
LISTED_OBJECTS = 5_000
AUGMENTATION_METADATA_BYTES = 1 * MIB
# 5,000 frames of 3840x2160 at 200 Mbit/s.
VIDEO_BYTES = 4 * 1024 * MIB
# A small moving picture is worth no more.
LOOK_BYTES = 1024 * MIB

"""Which split a clip belongs to: decided by its key alone, so that it stays there when the dataset grows.

What is made of a clip shows the same scene and motion, so it is in the split of its source.
"""

from __future__ import annotations

import hashlib

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
SHARES = {TRAIN: 0.8, VAL: 0.1, TEST: 0.1}


def split_of(key: str) -> str:
    """`key` is that of the source clip."""
    point = int.from_bytes(hashlib.sha256(f"split:{key}".encode()).digest()[:8], "big") / 2**64
    if point < SHARES[TRAIN]:
        return TRAIN
    return VAL if point < SHARES[TRAIN] + SHARES[VAL] else TEST

"""Sizes of memory and storage as OSMO 6.4 reads and writes them: a number with a unit of powers of 1024."""

from __future__ import annotations

import math
import re

_UNIT_BYTES = {"": 1.0, "B": 1.0, "m": 1e-3}
for _power, _letter in enumerate("KMGT", start=1):
    for _unit in (_letter, f"{_letter}i", f"{_letter}iB"):
        _UNIT_BYTES[_unit] = 1024.0**_power


def parse_bytes(text: str) -> float:
    """Raises ValueError for an unknown unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if match is None or match[2] not in _UNIT_BYTES:
        raise ValueError(f"{text!r} is no size; use a number and one of B, Ki, Mi, Gi, Ti")
    size_bytes = float(match[1]) * _UNIT_BYTES[match[2]]
    if math.isinf(size_bytes):
        raise ValueError(f"{text!r} is larger than any machine")
    return size_bytes

"""Durations and sizes as OSMO 6.4 reads them in a spec."""

from __future__ import annotations

import re

from vda_assets.osmo.sizes import parse_bytes

_UNIT_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

MAX_TIMEOUT_SECONDS = 60 * 86400.0


def parse_duration(text: str | None) -> float:
    """Seconds of a group's timeout, at most 60 days (also the default); raises ValueError for another form."""
    if text is None:
        return MAX_TIMEOUT_SECONDS
    return min(_seconds(text.strip()), MAX_TIMEOUT_SECONDS)


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if match := re.fullmatch(r"(-?\d+)\s*(d|h|m|s|ms|us)", text):
        return float(match[1]) * _UNIT_SECONDS[match[2]]
    if (match := _ISO_DURATION.fullmatch(text)) and any(match.groups()):
        return sum(float(part or 0) * factor for part, factor in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
    raise ValueError(f"Invalid timeout {text!r}: use seconds, <number><d|h|m|s|ms|us> or ISO 8601 PnDTnHnMnS")


def parse_gib(text: str | None) -> float:
    """GiB of a `memory` or `storage` field, 0.0 without one; raises ValueError for an unknown unit."""
    return parse_bytes(text) / 1024**3 if text is not None else 0.0

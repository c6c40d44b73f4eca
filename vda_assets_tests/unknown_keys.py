"""What a schema does not know of a config."""

from __future__ import annotations

from typing import Any


def unknown_keys(raw: Any, parsed: Any, path: str = "") -> list[str]:
    """The keys that `raw` has and what a schema made of it has not."""
    if isinstance(raw, dict):
        missing = [f"{path}.{key}" for key in raw if key not in parsed]
        return missing + [
            found for key in raw if key in parsed for found in unknown_keys(raw[key], parsed[key], f"{path}.{key}")
        ]
    if isinstance(raw, list):
        return [p for n, (a, b) in enumerate(zip(raw, parsed, strict=True)) for p in unknown_keys(a, b, f"{path}.{n}")]
    return []

"""Takes a cookbook's base config apart: what the container reads, what it ignores, and what no version ever had."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel


@dataclass
class Sifted:
    """`ignored` and `unknown` say why, by key; `content` is the rest."""

    content: Any
    ignored: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def sift(raw: Any, model: type[BaseModel], *, ignored: Mapping[str, str]) -> Sifted:
    """Sifts by the keys of `model`. `ignored` maps known dead keys to the reason; `*` is any position in a list."""
    sifted = Sifted(None)
    sifted.content = _sift(raw, model, ignored, "", sifted)
    return sifted


def _sift(raw: Any, annotation: Any, ignored: Mapping[str, str], path: str, sifted: Sifted) -> Any:
    if isinstance(raw, list):
        return [_sift(item, annotation, ignored, f"{path}{number}.", sifted) for number, item in enumerate(raw)]
    model = _model_in(annotation)
    if model is None or not isinstance(raw, dict):
        return raw
    kept = {}
    for key, value in raw.items():
        full = f"{path}{key}"
        if key in model.model_fields:
            kept[key] = _sift(value, model.model_fields[key].annotation, ignored, f"{full}.", sifted)
        elif reason := ignored.get(re.sub(r"(?<=\.)\d+(?=\.)", "*", full)):
            sifted.ignored[full] = reason
        else:
            sifted.unknown[full] = f"unknown key; allowed here: {', '.join(sorted(model.model_fields))}"
    return kept


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `X | None` and `list[X]`; None for plain values and free mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)

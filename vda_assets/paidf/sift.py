"""Takes the keys out of a cookbook's base config that the container would take in silence and never read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vda_assets.config.yaml_file import Location, dotted
from vda_assets.paidf.dead_keys import DeadKey


@dataclass(frozen=True)
class Sifted:
    """`dead` says by key why it is dead, `unknown` which keys no version has; `content` is the rest, and they."""

    content: dict[str, Any]
    dead: Mapping[str, str]
    unknown: Sequence[ErrorDetails]


def sift(raw: Mapping[str, Any], model: type[BaseModel], *, dead_keys: Mapping[str, DeadKey]) -> Sifted:
    """Sifts out the keys that `model` does not know and `dead_keys` does, and those that the rest of `raw` makes dead.

    `dead_keys` are dotted; `*` is any position in a list.
    """
    content = deepcopy(dict(raw))
    unknown = {one["loc"]: one for one in _unknown(content, model)}
    dead: dict[str, str] = {}
    for location in [*unknown, *_given(content, dead_keys)]:
        found = dead_keys.get(dotted(tuple("*" if isinstance(part, int) else part for part in location)))
        if found and found.applies(content):
            dead[dotted(location)] = found.reason
            unknown.pop(location, None)
            _remove(content, location)
    return Sifted(content, dead, list(unknown.values()))


def _unknown(content: dict[str, Any], model: type[BaseModel]) -> list[ErrorDetails]:
    try:
        model.model_validate(content)
    except ValidationError as error:
        return [one for one in error.errors(include_url=False) if one["type"] == "extra_forbidden"]
    return []


def _given(content: dict[str, Any], dead_keys: Mapping[str, DeadKey]) -> list[Location]:
    """The keys that a model knows and that are dead in some configs, as far as they hold anything."""
    locations: list[Location] = [tuple(key.split(".")) for key, dead in dead_keys.items() if dead.unless is not None]
    return [location for location in locations if value_at(content, location) is not None]


def value_at(content: Any, location: Location) -> Any:
    """What stands there; None for nothing."""
    for part in location:
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _remove(content: Any, location: Location) -> None:
    for part in location[:-1]:
        content = content[part]
    content.pop(location[-1], None)

"""YAML of a spec: read without trust, written as the service writes it."""

from __future__ import annotations

from typing import Any

import yaml

from vda_assets.embedded.service.errors import ApiError

# Specs carry files of tens of kB, on which the pure Python classes spend a tenth of a second.
_BASE: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Deeper text overflows the C stack of the parser, and with it the whole process.
_MAX_DEPTH = 100
# Of what the text stands for with its aliases written out; each node costs Python about as much as so many bytes.
_MAX_SIZE_BYTES = 32 * 1024 * 1024
_NODE_BYTES = 64


class _Loader(_BASE):  # type: ignore[valid-type, misc]  # which of the two it is depends on the installed PyYAML
    pass


def load_section(text: str, key: str) -> Any:
    """The value of the one top-level key of `text`."""
    document = load_yaml(text)
    if not isinstance(document, dict) or key not in document:
        raise _bad_format(f"{key} must be a mapping")
    return document[key]


def load_yaml(text: str) -> Any:
    """What the text holds; raises USAGE for text that is no YAML, nests too deep or stands for too much."""
    try:
        _check_shape(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    # The constructors of PyYAML let Python's own errors through, such as for `2001-99-99` or `!!int x`.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _bad_format(str(error)) from error


def dump_yaml(document: dict[str, Any]) -> str:
    """With sorted keys, as the service writes specs."""
    text: str = yaml.dump(document, Dumper=_DUMPER)
    return text


def _check_shape(text: str) -> None:
    """Counts before anything is built: a few aliases of aliases stand for more than any memory holds."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    size = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in open_nodes):
                raise ValueError(f"*{event.anchor} stands inside of what it names")
            size += sizes.get(event.anchor or "", 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, size))
            size += _NODE_BYTES
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size_before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = size - size_before
        elif isinstance(event, yaml.ScalarEvent):
            own_size = _NODE_BYTES + len(event.value)
            size += own_size
            if event.anchor is not None:
                sizes[event.anchor] = own_size
        if len(open_nodes) > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
        if size > _MAX_SIZE_BYTES:
            raise ValueError(f"larger than {_MAX_SIZE_BYTES} bytes with its aliases written out")


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    number: int = loader.construct_yaml_int(node)
    # Neither the database nor the text of an answer takes more.
    if number.bit_length() > 63:
        raise ValueError("a number has more than 64 bits")
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def _bad_format(reason: str) -> ApiError:
    return ApiError(f"Workflow spec is not properly formatted: {reason}", error_code="USAGE")

"""Reads small files that somebody else wrote: bounded in bytes, in nodes and in depth, so in seconds and memory too."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

# Far beyond what people write (the largest shipped file has 4 kB, 250 nodes and 5 levels), and read in about a second.
MAX_FILE_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40
# `1:59:59:…`, a number in base sixty, takes a minute to compute at a few hundred kilobytes.
_MAX_NUMBER_LENGTH = 100
# In front of the host, or as a parameter; bounded, so that a text of nothing but `://` takes no time.
CREDENTIALS_IN_URL = re.compile(
    r"://(?:[^/\s@]+@|[^\s?]{0,500}\?(?:[^\s&]{0,500}&){0,9}(?:[\w-]{0,50}(?:key|token|secret|passw(?:or)?d)|sig\w{0,50})=)",
    re.IGNORECASE,
)


class Unreadable(Exception):
    """Says of a file why it is not read, such as `is no regular file`; the file itself is not named."""


def read_regular_file(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """A regular file's bytes. Raises Unreadable for one that is larger, cannot be read, or would be waited for."""
    try:
        # A pipe without a writer would be waited for without end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("is no regular file")
            content = file.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise Unreadable(f"is larger than {limit:,} bytes; nothing that long is read here")
    return content


def load_yaml(text: bytes, *, most_nodes: int = MAX_NODES) -> Any:
    """What a YAML text holds. Raises yaml.YAMLError or UnicodeDecodeError for what is no YAML or is refused."""
    decoded = text.decode("utf-8")
    check_size(decoded, most_nodes=most_nodes)
    return yaml.load(decoded, _Loader)  # noqa: S506 - a SafeLoader


class TooMuch(yaml.MarkedYAMLError):
    """A document that is refused before anything is built of it."""


def check_size(text: str, *, most_nodes: int = MAX_NODES) -> None:
    """Raises TooMuch for a document that is too deep or too large once its aliases are written out, and for one that
    holds credentials; yaml.YAMLError for what is no YAML. Nothing is built meanwhile, so nothing can blow up."""
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.NodeEvent):
            size = _size(event, open_nodes, sizes)
            anchor = event.anchor if not isinstance(event, yaml.AliasEvent) else None
            open_nodes.append((anchor, size))
            if len(open_nodes) > MAX_DEPTH:
                raise _refused(event, f"is nested more than {MAX_DEPTH} deep")
        if isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent, yaml.CollectionEndEvent)):
            anchor, size = open_nodes.pop()
            above, below = open_nodes[-1]
            open_nodes[-1] = (above, below + size)
            if anchor is not None:
                sizes[anchor] = size
            if below + size > most_nodes:
                raise _refused(event, f"holds more than {most_nodes:,} values, aliases written out")


def _size(event: yaml.NodeEvent, open_nodes: list[tuple[str | None, int]], sizes: dict[str, int]) -> int:
    """The nodes that an event stands for by itself."""
    if not isinstance(event, yaml.AliasEvent):
        if isinstance(event, yaml.ScalarEvent) and CREDENTIALS_IN_URL.search(event.value):
            raise _refused(event, "holds a URL with credentials; take them out, they belong into the environment")
        return 1
    if any(event.anchor == anchor for anchor, _ in open_nodes):
        raise _refused(event, f"*{event.anchor} stands inside of what it repeats")
    return sizes.get(event.anchor or "", 1)


def _refused(event: Any, problem: str) -> TooMuch:
    return TooMuch(problem=problem, problem_mark=event.start_mark)


class _Loader(yaml.CSafeLoader):
    """Names the line of whatever YAML's own constructors stumble over, and refuses keys that stand twice."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = node.tag.rpartition(":")[2]
        if isinstance(node, yaml.ScalarNode) and kind != "str" and len(node.value) > _MAX_NUMBER_LENGTH:
            raise yaml.constructor.ConstructorError(None, None, f"is too long for a {kind}", node.start_mark)
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        # `!!int x`, `2001-99-99`, `!!timestamp x`, `!!bool x`: PyYAML lets the faults of its constructors through.
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
            said = f"{node.value[:50]!r} is no {kind}" if isinstance(node.value, str) else f"is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, "stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

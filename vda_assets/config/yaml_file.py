"""One YAML file -> one pydantic model, with every problem named by file, line, key and reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from vda_assets.base.bounded import (
    CREDENTIALS_IN_URL,
    MAX_FILE_BYTES,
    MAX_NODES,
    Unreadable,
    check_size,
    load_yaml,
    read_regular_file,
)
from vda_assets.config.errors import BadConfigFile

_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_MAX_SHOWN = 200
Location = tuple[int | str, ...]
Lines = dict[Location, int]


class ConfigModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


ModelT = TypeVar("ModelT", bound=ConfigModel)


def read_file(path: Path, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """A regular file's bytes. Raises BadConfigFile for one that is larger, cannot be read, or would be waited for."""
    try:
        return read_regular_file(path, limit=limit)
    except Unreadable as error:
        raise BadConfigFile(path, [str(error)]) from None


def read_model(path: Path, model: type[ModelT], *, variables: Mapping[str, str]) -> ModelT:
    """The file as `model`, with `${NAME}` in its texts replaced from `variables`.

    Raises BadConfigFile with all problems of the file: bad YAML, unknown or missing keys, wrong types.
    """
    return parse_model(path, read_file(path), model, variables=variables)


def parse_model(path: Path, text: bytes, model: type[ModelT], *, variables: Mapping[str, str]) -> ModelT:
    """What `read_model` makes of the file at `path` that holds `text`."""
    return model_of(path, parse_yaml(path, text), model, variables=variables, text=text)


def model_of(
    path: Path, content: Any, model: type[ModelT], *, variables: Mapping[str, str], text: bytes = b""
) -> ModelT:
    """What `read_model` makes of the file at `path` that holds `content`; with its `text` it names lines too."""
    filling = _Filling(variables)
    try:
        content = filling.fill(content)
    except RecursionError:
        raise BadConfigFile(path, ["is nested too deep, or stands inside of itself"]) from None
    if filling.problems:
        raise BadConfigFile(path, filling.problems)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise BadConfigFile(
            path, map(filling.hide, problems_of(error.errors(include_url=False), model, text=text))
        ) from None


def parse_yaml(path: Path, text: bytes, *, most_nodes: int = MAX_NODES) -> Any:
    """The content of the file at `path`; an empty one is an empty mapping. Raises BadConfigFile for what is no YAML,
    or would take more than its share of time and memory."""
    try:
        content = load_yaml(text, most_nodes=most_nodes)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        key = next((dotted(key) for key, number in reversed(lines_of(text).items()) if number == line + 1), "")
        raise BadConfigFile(path, [f"line {line + 1}: {f'{key}: ' if key else ''}{error.problem}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadConfigFile(path, [f"is not YAML: {error}"]) from None
    return {} if content is None else _unshared(content)


def _unshared(content: Any) -> Any:
    """A copy in which nothing is the same object twice, as what an alias repeats is: a change would be made to both."""
    match content:
        case list():
            return [_unshared(item) for item in content]
        case dict():
            return {key: _unshared(value) for key, value in content.items()}
        case _:
            return content


def problems_of(errors: Iterable[ErrorDetails], model: type[BaseModel], *, text: bytes = b"") -> list[str]:
    """One line per problem that `model` found: key and what is wrong, with the line where the YAML `text` has it."""
    lines, keys = lines_of(text), _keys_of(model)
    return [at(lines, _location(one["loc"]), _reason(one, keys)) for one in errors]


def lines_of(text: bytes) -> Lines:
    """On which line each key of a YAML text stands, from 1; empty for what is no YAML, or too much of it."""
    try:
        check_size(text.decode("utf-8"))
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    lines: Lines = {}
    open_nodes: list[tuple[Location, Any]] = [((), root)]
    while open_nodes:
        location, node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            below = [((*location, number), item, item) for number, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            below = [((*location, str(key.value)), key, value) for key, value in node.value]
        else:
            continue
        lines |= {place: key.start_mark.line + 1 for place, key, _ in below}
        open_nodes += [(place, value) for place, _, value in below]
    return lines


def at(lines: Lines, location: Location, reason: str) -> str:
    """A problem with its key, and its line where it has one."""
    line = lines.get(location)
    return f"{dotted(location) or 'the whole file'}: {reason}{f' (line {line})' if line else ''}"


def dotted(location: Location) -> str:
    return ".".join(str(part) for part in location)


def _location(location: Location) -> Location:
    return tuple(part for part in location if part != "[key]")


def _reason(error: ErrorDetails, keys: frozenset[str]) -> str:
    match error["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(error["loc"][-1]), keys, n=1)
            return f"unknown key; {f'did you mean {near[0]}?' if near else 'remove it'}"
        case "missing":
            return "is missing"
        case "model_type" | "dict_type":
            return f"must be a mapping, not {type(error['input']).__name__}"
        case _:
            message = str(error["msg"]).removeprefix("Value error, ")
            if isinstance(error["input"], dict):
                return message
            shown = repr(error["input"])
            return f"{message} (got {shown if len(shown) <= _MAX_SHOWN else f'{shown[:_MAX_SHOWN]}…'})"


def _keys_of(model: type[BaseModel]) -> frozenset[str]:
    """Every key of a model and of those inside it."""
    schema = model.model_json_schema()
    return frozenset(key for part in (schema, *schema.get("$defs", {}).values()) for key in part.get("properties", {}))


class _Filling:
    """Replaces `${NAME}` in the texts of a document, and knows what must not be shown of the result."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._used: set[str] = set()
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> list[str]:
        return list(self._problems)

    def fill(self, content: Any, location: Location = ()) -> Any:
        match content:
            case str():
                return self._fill_text(content, location)
            case list():
                return [self.fill(item, (*location, number)) for number, item in enumerate(content)]
            case dict():
                return {key: self.fill(value, (*location, str(key))) for key, value in content.items()}
            case _:
                return content

    def _fill_text(self, text: str, location: Location) -> str:
        names = set(_VARIABLE.findall(text))
        self._used |= names
        self._problems |= {f"${{{name}}} is not set in the environment": None for name in names - set(self._variables)}
        filled = _VARIABLE.sub(lambda match: self._variables.get(match[1], ""), text)
        if CREDENTIALS_IN_URL.search(filled):
            self._problems[f"{dotted(location)}: becomes a URL with credentials; take them out"] = None
        return filled

    def hide(self, problem: str) -> str:
        """The problem with the names of the variables instead of what they hold."""
        for name in self._used:
            if value := self._variables.get(name):
                problem = problem.replace(value, f"${{{name}}}")
        return problem

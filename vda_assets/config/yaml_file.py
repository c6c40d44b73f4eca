"""One YAML file -> one pydantic model, with every problem named by file, key and reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vda_assets.config.errors import BadConfigFile

_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


class ConfigModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


ModelT = TypeVar("ModelT", bound=ConfigModel)


class _Loader(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_model(path: Path, model: type[ModelT], *, variables: Mapping[str, str]) -> ModelT:
    """The file as `model`, with `${NAME}` in its texts replaced from `variables`.

    Raises BadConfigFile with all problems of the file: bad YAML (line), unknown or missing keys, wrong types.
    """
    content = read_yaml(path)
    missing: list[str] = []
    content = _replace_variables(content, variables, missing)
    if missing:
        raise BadConfigFile(path, [f"${{{name}}} is not set in the environment" for name in sorted(set(missing))])
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise BadConfigFile(path, problems_of(error, model)) from None


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per problem that `model` found: key, what is wrong, what is allowed."""
    return [_problem(dict(one), model) for one in error.errors()]


def read_yaml(path: Path) -> Any:
    """The file's content; an empty file is an empty mapping. Raises BadConfigFile for what is no YAML."""
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadConfigFile(path, [f"line {line}: {error.problem}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadConfigFile(path, [f"is not YAML: {error}"]) from None
    except OSError as error:
        raise BadConfigFile(path, [f"cannot be read: {error.strerror}"]) from None
    return {} if content is None else content


def _replace_variables(content: Any, variables: Mapping[str, str], missing: list[str]) -> Any:
    if isinstance(content, str):
        missing.extend(name for name in _VARIABLE.findall(content) if name not in variables)
        return _VARIABLE.sub(lambda match: variables.get(match[1], ""), content)
    if isinstance(content, list):
        return [_replace_variables(item, variables, missing) for item in content]
    if isinstance(content, dict):
        return {key: _replace_variables(value, variables, missing) for key, value in content.items()}
    return content


def _problem(error: dict[str, Any], model: type[BaseModel]) -> str:
    location = [part for part in error["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location) or "the whole file"
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; allowed here: {', '.join(_allowed_keys(model, location[:-1]))}"
        case "missing":
            return f"{key}: is missing"
        case "model_type" | "dict_type":
            return f"{key}: must be a mapping, not {type(error['input']).__name__}"
        case _:
            message = error["msg"].removeprefix("Value error, ")
            if isinstance(error["input"], dict):
                return f"{key}: {message}" if location else message
            return f"{key}: {message} (got {error['input']!r})"


def _allowed_keys(model: type[BaseModel], location: list[Any]) -> list[str]:
    current: Any = model
    for part in location:
        fields = getattr(current, "model_fields", None)
        current = fields[part].annotation if fields and part in fields else _inner_model(current)
        if not hasattr(current, "model_fields"):
            current = _inner_model(current)
    return sorted(getattr(current, "model_fields", {}))


def _inner_model(annotation: Any) -> Any:
    """The model inside `X | None`, `list[X]`, `dict[str, X]`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    for argument in get_args(annotation):
        found = _inner_model(argument)
        if hasattr(found, "model_fields"):
            return found
    return annotation

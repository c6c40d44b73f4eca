"""Reads one file of a label scene within its limits, so that nothing in it can stop or kill the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from vda_assets.base.cut import cut
from vda_assets.labels import limits
from vda_assets.labels.errors import BrokenLabelFile

Model = TypeVar("Model", bound=BaseModel)
_AGAIN = "Label the clip again."


def read_file(folder: Path, file: str, model: type[Model]) -> Model | None:
    """The file as `model`; None when there is none. Raises BrokenLabelFile."""
    content = content_of(folder, file)
    if content is None:
        return None
    try:
        if file.endswith(".yaml"):
            return model.model_validate(_yaml(content, file))
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"key {cut(key)}: " if key else ""
        raise BrokenLabelFile(file, f"{where}{cut(first['msg'])}. {_AGAIN}") from None


def read_json(folder: Path, file: str) -> Any:
    """The JSON as it is; None when there is no file. Raises BrokenLabelFile."""
    content = content_of(folder, file)
    if content is None:
        return None
    try:
        return from_json(content)
    except ValueError as error:
        raise BrokenLabelFile(file, f"Invalid JSON: {cut(error)}. {_AGAIN}") from None


def content_of(folder: Path, file: str) -> bytes | None:
    """The bytes of a file that has no more of them, and of values, than its limits allow. Raises BrokenLabelFile."""
    path = folder / file
    if not path.is_file():
        return None
    limit = limits.BYTES[file]
    size_bytes = path.stat().st_size
    if size_bytes > limit:
        raise BrokenLabelFile(file, f"it has {size_bytes:,} bytes, more than the {limit:,} that are read")
    with path.open("rb") as opened:
        content = opened.read(limit)
    brackets = content.count(b"[") + content.count(b"{")
    if brackets * limits.BYTES_PER_BRACKET > limit or content.count(b",") * limits.BYTES_PER_COMMA > limit:
        raise BrokenLabelFile(file, "it holds far more values than the container writes")
    return content


def _yaml(content: bytes, file: str) -> Any:
    """Parsed in two passes: libyaml ends the process when it builds what is nested too deeply."""
    try:
        depth = 0
        for event in yaml.parse(content, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > limits.YAML_DEPTH:
                raise BrokenLabelFile(file, f"it is nested more than {limits.YAML_DEPTH} levels deep")
            # A chain of merges doubles at every link. The container writes none.
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<":
                raise BrokenLabelFile(file, "it merges mappings with <<, which the container does not write")
        return yaml.load(content, Loader=yaml.CSafeLoader)
    # `!!timestamp x`, `!!bool x`: PyYAML lets the faults of its constructors through.
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise BrokenLabelFile(file, f"this is not YAML: {cut(error)}. {_AGAIN}") from None

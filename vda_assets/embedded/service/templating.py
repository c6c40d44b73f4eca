"""Text of a workflow file -> the finished mapping: OSMO 6.4's section splitter and its Jinja sandbox.

Other than the service, templates run in this process, without its limits of 0.5 s and 100 MiB.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.yaml_text import load_section
from vda_assets.osmo.spec import TOKEN_PATTERN

_TOP_LEVEL_KEY = re.compile(r"^([a-zA-Z][a-zA-Z0-9_-]*):", re.MULTILINE)
_SECTIONS = ("workflow", "default-values", "version")


def split_sections(text: str) -> dict[str, str]:
    """Top-level key -> its raw text. What stands above the first key is dropped, as the service does."""
    starts = list(_TOP_LEVEL_KEY.finditer(text))
    sections: dict[str, str] = {}
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=False):
        key = start[1]
        if key not in _SECTIONS:
            raise ApiError(f'Unknown top-level key "{key}" found in the workflow spec.')
        if key in sections:
            raise ApiError(f'Duplicate top-level key "{key}" found in the workflow spec.')
        sections[key] = text[start.start() : end]
    if "workflow" not in sections:
        raise ApiError("Workflow spec not found.")
    return sections


def render_workflow(text: str, *, set_variables: list[str], set_string_variables: list[str]) -> dict[str, Any]:
    """The document `{"workflow": {…}}` with all templates replaced and OSMO's own tokens left in place."""
    sections = split_sections(text)
    variables: dict[str, Any] = {}
    if "default-values" in sections:
        defaults = load_section(sections["default-values"], "default-values") or {}
        if not isinstance(defaults, dict):
            raise ApiError("default-values must be a mapping", error_code="USAGE")
        variables |= defaults
    variables |= {key: _cast(value) for key, value in map(split_pair, set_variables)}
    variables |= dict(map(split_pair, set_string_variables))
    workflow = load_section(_render(sections["workflow"], variables), "workflow")
    if not isinstance(workflow, dict):
        raise ApiError("Workflow spec is not properly formatted: workflow must be a mapping", error_code="USAGE")
    return {"workflow": workflow}


def split_pair(pair: str) -> tuple[str, str]:
    """`k=v` at the first `=`; a missing one is a USAGE error."""
    key, separator, value = pair.partition("=")
    if not separator:
        raise ApiError(f'"{pair}" must use key=value format.', error_code="USAGE")
    return key, value


def _render(text: str, variables: dict[str, Any]) -> str:
    protected: dict[str, str] = {}

    def protect(match: re.Match[str]) -> str:
        name = f"hash{int(hashlib.md5(match[0].encode(), usedforsecurity=False).hexdigest(), 16)}"
        protected[name] = match[0]
        return f"{{{{{name}}}}}"

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    try:
        return environment.from_string(TOKEN_PATTERN.sub(protect, text)).render({**variables, **protected})
    # The last two are Python's words for a template that nests too deep to be compiled.
    except (TemplateError, MemoryError, RecursionError, SyntaxError) as error:
        raise ApiError(f"Jinja substitution failure: {type(error)}: {error}", error_code="USAGE") from error
    except TypeError as error:
        raise ApiError(f"Jinja Template Error: {error}", error_code="USAGE") from error
    # What else a template can do wrong the service does not foresee, such as a range beyond the sandbox's 100000.
    except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
        raise server_error(str(error)) from error


def _cast(value: str) -> int | float | str:
    for cast in (int, float):
        try:
            return cast(value)
        except ValueError:
            continue
    return value

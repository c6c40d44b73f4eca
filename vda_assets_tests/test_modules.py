"""What holds for every module of the project."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import vda_assets

PACKAGE = Path(vda_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_first_line_of_every_module_says_what_it_is_for() -> None:
    sources = {path.relative_to(PACKAGE): path.read_text() for path in MODULES}
    silent = [path for path, source in sources.items() if source.strip() and not ast.get_docstring(ast.parse(source))]
    assert silent == []


def test_every_module_can_be_imported() -> None:
    for path in MODULES:
        if path.name != "__main__.py":
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            importlib.import_module(".".join(part for part in parts if part != "__init__"))

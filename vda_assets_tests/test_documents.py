"""The pages tell only of what there is: files, headings, names in the code, rooms."""

from __future__ import annotations

import importlib
import re
import tomllib
from functools import reduce
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGES = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_PATH = re.compile(r"`((?:vda_assets|vda_assets_tests|assets_cfg|docs|benchmarks|scripts|\.ci)/[^`\s]*)`")
_PLACEHOLDER = re.compile(r"[<>*…]")


def links(page: Path) -> list[tuple[str, str]]:
    found = [(match["text"], match["target"]) for match in _LINK.finditer(page.read_text())]
    return [(text, target) for text, target in found if "://" not in target]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for _, target in links(page):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_that_links_to_code_stands_in_that_file(page: Path) -> None:
    """The text of such a link is `module.name`, or `module` alone."""
    for text, target in links(page):
        if target.endswith(".py"):
            path = (page.parent / target).resolve().relative_to(REPOSITORY).with_suffix("")
            module, *names = text.strip("`").split(".")
            assert module == path.name, f"[{text}]({target})"
            assert reduce(getattr, names, importlib.import_module(".".join(path.parts))), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_project_that_a_page_names_is_there(page: Path) -> None:
    named = [path for path in _PATH.findall(page.read_text()) if not _PLACEHOLDER.search(path)]
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_the_readme_names_every_room_and_no_other() -> None:
    text = (REPOSITORY / "README.md").read_text()
    tree = text.partition("```\nvda_assets/\n")[2].partition("```")[0]
    named = re.findall(r"^  (\w+/|\w+\.py)", tree, re.MULTILINE)
    package = REPOSITORY / "vda_assets"
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    assert sorted(named) == sorted(rooms | modules)


def test_the_project_is_licensed_as_its_licence_says() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    licence = (REPOSITORY / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in licence


def test_the_newest_release_in_the_changelog_is_the_version_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [project["version"]])

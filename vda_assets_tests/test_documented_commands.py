"""Every `vda` command that a page shows is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vda_assets.cli.main import vda

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
# What a shell puts behind a command, and what a page leaves out or lets the reader choose.
_BEHIND = re.compile(r"\s+(#|\||&&|>|2>|;|&( |$)).*$")


def shown(page: Path) -> Iterator[str]:
    """The commands of a page: lines of its blocks, continued ones as one, and spans of its text."""
    text = page.read_text()
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip().removeprefix("$ ")
    yield from _SPAN.findall(_BLOCK.sub("", text))


def commands(page: Path) -> Iterator[list[str]]:
    for line in shown(page):
        words = _BEHIND.sub("", line).removeprefix(".venv/bin/")
        if not words.startswith("vda "):
            continue
        arguments = shlex.split(words)[1:]
        if "--" in arguments:
            behind = arguments[arguments.index("--") + 1 :]
            if behind and behind[0] == "vda":
                yield behind[1:]
            arguments = arguments[: arguments.index("--")]
        yield arguments


def problem_with(arguments: list[str]) -> str:
    """Empty for a command and options that there are; whether its values are usable, only running it would tell."""
    command: click.Command = vda
    context = click.Context(vda, info_name="vda")
    while isinstance(command, click.Group) and arguments:
        name, *rest = arguments
        if name.startswith("-") and command.invoke_without_command:
            break
        if name.startswith(("-", "…")):
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name}"
        command, arguments = found, rest
        context = click.Context(command, info_name=name, parent=context)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= set(context.help_option_names) | {"--help", "-h"}
    unknown = [one for one in arguments if re.match(r"--?[a-z]", one) and one.partition("=")[0] not in known]
    return f"no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_is_there_with_its_options(page: Path) -> None:
    wrong = {" ".join(one): problem for one in commands(page) if (problem := problem_with(one))}
    assert wrong == {}


def test_commands_and_options_that_are_not_there_are_found() -> None:
    assert problem_with(["run", "--dataset", "street", "--flow", "e2e"]) == ""
    assert problem_with(["datasets", "add", "NAME", "URL", "--cookbook", "C"]) == ""
    assert problem_with(["rnu"]) == "no command rnu"
    assert problem_with(["datasets", "remove"]) == "no command remove"
    assert problem_with(["run", "--data", "street"]) == "no option --data"
    assert problem_with(["release", "--data", "street"]) == "no option --data"
    assert problem_with(["release", "push", "--for", "street"]) == "no option --for"

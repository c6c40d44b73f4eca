"""What the pages show of a command: a block that begins with `$ vda …`, and what it says below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vda_assets_tests.end_to_end.world import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```\n(\$ vda .*?)^```", re.MULTILINE | re.DOTALL)
# What differs from one machine, run or moment to the next, and what stands for it.
_VARIES = {
    r"…": r".*",
    r"\b[0-9a-f]{8}(?:[0-9a-f]{4})?\b": r"[0-9a-f]{8,12}",
    r"\bnow\b|\b\d+ (?:s|min|h|d)\b": r"(?:now|\d+ (?:s|min|h|d))",
    r"\d[\d.,:-]*": r"\d[\d.,:-]*",
    r"\s+": r"\s+",
}
_TOKEN = re.compile("|".join(f"({varies})" for varies in _VARIES))


def shown_commands() -> Iterator[tuple[str, str, str]]:
    """Page, command, and what the page says that it says."""
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text()):
            for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = one.partition("\n")
                yield page.name, command, output.strip()


def differs(shown: str, said: str, *, home: Path) -> str:
    """Empty when the output is as shown: `…` stands for anything in a line, alone in one for any lines, and numbers
    for numbers. `home` is the folder that the pages call /home/ana."""
    said = said.replace(str(home), "/home/ana").strip()
    lines = [r"(?:.*\n)*?" if line.strip() == "…" else f"{_pattern(line)}\n" for line in shown.splitlines()]
    if re.fullmatch("".join(lines), f"{said}\n"):
        return ""
    return f"shown is\n{shown}\nsaid was\n{said}"


def _pattern(line: str) -> str:
    pattern, behind = "", 0
    for token in _TOKEN.finditer(line.rstrip()):
        pattern += re.escape(line[behind : token.start()]) + [*_VARIES.values()][(token.lastindex or 0) - 1]
        behind = token.end()
    return pattern + re.escape(line[behind:].rstrip()) + r"\s*?"

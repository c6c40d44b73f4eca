"""Are pinned libraries known to be unsafe? By a list that lies here, and by pip-audit where its index answers.

Ends with 1 for an advisory that nobody has decided on. An index that does not answer is told and changes nothing: the
list is compared in any case. Takes ten seconds at most.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

_HERE = Path(__file__).parent
_SECONDS = 9
_AT_ONCE = 4
_OPTIONS = ("--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json", "--timeout", "3")


def pins_of(constraints: Path) -> dict[str, Version]:
    """Of every platform: markers are left out."""
    wanted = [Requirement(line) for line in constraints.read_text().splitlines() if line and not line.startswith("#")]
    return {one.name: Version(next(iter(one.specifier)).version) for one in wanted}


def below(pins: dict[str, Version], advisories: list[dict[str, Any]]) -> list[str]:
    """One line per pin that is older than the version in which an advisory was mended."""
    return [
        f"{one['package']} {pins[one['package']]}: {one['id']}, fixed in {one['fixed']}"
        for one in advisories
        if "fixed" in one and one["package"] in pins and pins[one["package"]] < Version(one["fixed"])
    ]


def asked(pins: dict[str, Version]) -> tuple[int, list[tuple[str, str]]]:
    """For how many of the pins an index of advisories answered, and package and id of each advisory."""
    program = shutil.which("pip-audit") or shutil.which("pip-audit", path=str(Path(sys.executable).parent))
    lines = [f"{name}=={version}" for name, version in pins.items()]

    def ask(some: list[str]) -> list[dict[str, Any]]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(some))
            file.flush()
            command = [str(program), *_OPTIONS, "--requirement", file.name]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
                return list(json.loads(done.stdout)["dependencies"])
            except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError):
                return []

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = threads.map(ask, [lines[first::_AT_ONCE] for first in range(_AT_ONCE)] if program else [])
        found = [one for answer in answers for one in answer if "skip_reason" not in one]
    return len(found), [(one["name"], said["id"]) for one in found for said in one.get("vulns", [])]


def main() -> int:
    constraints = Path(sys.argv[1]) if sys.argv[1:] else _HERE.parent / "constraints.txt"
    advisories = tomllib.loads((_HERE / "advisories.toml").read_text())["advisory"]
    pins = pins_of(constraints)
    problems = below(pins, advisories)
    answered, found = asked(pins)
    decided = {one["id"] for one in advisories if "decision" in one}
    problems += [f"{name} {pins[name]}: {identity}" for name, identity in found if identity not in decided]
    for problem in problems:
        print(f"{problem}; raise the pin, or write a decision into scripts/advisories.toml")
    print(f"{len(pins)} pins: {len(advisories)} advisories of the list compared, an index answered for {answered}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

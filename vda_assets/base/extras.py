"""Which of an extra's libraries are not installed: `pip install vda-assets` brings none of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

PROJECT = "vda-assets"


def lacking_of(extra: str) -> list[str]:
    """Names of the distributions that the extra asks for and that are not there, whatever their version."""
    asked = [Requirement(line) for line in requires(PROJECT) or []]
    # Only what the extra adds: a marker that holds without any extra is one of the machine.
    names = [one.name for one in asked if one.marker and _of(one, extra) and not _of(one, "")]
    return [name for name in names if not _is_installed(name)]


def _of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True

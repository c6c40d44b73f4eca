"""A model cache that has all that is needed of it, in a file for each source."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from vda_assets.config.deployment import Images
from vda_assets.cookbooks.cookbook import Cookbook, read_cookbook
from vda_assets.flows.selection import FLOWS
from vda_assets.model_caches.contents import Source, needs_of
from vda_assets.model_caches.fill import MANIFEST

SCENES = Path(__file__).parents[2] / "assets_cfg/cookbooks"


def scene(name: str = "city_traffic") -> Cookbook:
    return read_cookbook(SCENES / name, name=name)


def needs(flow: str = "e2e") -> dict[str, tuple[Source, ...]]:
    """What the default scene needs of each cache."""
    return needs_of(FLOWS[flow], cookbooks=[scene()], images=Images())


def fill(folder: Path, sources: Iterable[Source]) -> None:
    folder.mkdir(parents=True)
    listed = {}
    for number, source in enumerate(sources):
        (folder / f"weights-{number}").write_bytes(b"weights")
        listed[source.id] = {f"weights-{number}": 7}
    (folder / MANIFEST).write_text(json.dumps({"sources": listed}))

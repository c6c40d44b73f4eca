"""Configuration that cannot be used, shown where its assets would stand. Nothing of it can be run."""

from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from vda_assets.config.names import slug_of
from vda_assets.project import BrokenFile
from vda_assets.runs.names import BROKEN

_LONGEST_TAG = 63


def broken_assets(files: Iterable[BrokenFile]) -> list[dg.AssetSpec]:
    """One external asset per name; files that share a name, which may be why they are broken, share it too."""
    by_slug: dict[str, list[BrokenFile]] = defaultdict(list)
    for file in files:
        by_slug[slug_of(file.name)].append(file)
    return [
        dg.AssetSpec(
            dg.AssetKey([slug, BROKEN]),
            description="\n\n".join(map(_description, alike)),
            group_name=slug,
            kinds={"broken"},
            tags={str(file.kind): slug[:_LONGEST_TAG] for file in alike},
        )
        for slug, alike in by_slug.items()
    ]


def _description(file: BrokenFile) -> str:
    """Markdown; the reasons are indented, so that nothing in them is taken for markup."""
    lines = [str(file.path), *(line for problem in file.problems for line in problem.splitlines())]
    told = "\n".join(f"    {line}" for line in lines)
    return f"Nothing of this {file.kind} runs until its file is mended and this code location is reloaded:\n\n{told}"

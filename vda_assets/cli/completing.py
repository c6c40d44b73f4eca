"""What the shell completes: names of the project and clips of a dataset. Nobody asks OSMO for that.

Whatever goes wrong completes nothing: a message would land in the middle of a line that somebody writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import click

from vda_assets.base.parallel import within
from vda_assets.datasets.clips import Clip, iterate_clips
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import OUTPUTS
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import load_project

_SECONDS = 3.0
_MOST_NAMES, _MOST_LISTED = 200, 20_000
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(names: Callable[[Mapping[str, object]], Iterable[str]]) -> Complete:
    """Those of the names that begin as the word does; `names` gets what else the line says."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
        def matching(said: Mapping[str, object]) -> list[str]:
            return list(islice((name for name in names(said) if name.startswith(begun)), _MOST_NAMES))

        try:
            found, _late = within(_SECONDS, matching, [context.params], threads=1)
        except Exception:  # noqa: BLE001
            return []
        return found[0] if found else []

    return complete


def _clips(said: Mapping[str, object]) -> Iterator[str]:
    project = load_project(os.environ)
    dataset = project.dataset(str(said["dataset_name"]))
    storage = project.storage_of(project.deployment_of(dataset), os.environ)
    listed = islice(iterate_clips(storage, dataset.dataset_url), _MOST_LISTED)
    return (one.key for one in listed if isinstance(one, Clip))


complete_dataset = _completing(lambda _: load_project(os.environ).datasets)
complete_deployment = _completing(lambda _: load_project(os.environ).deployments)
complete_flow = _completing(lambda _: FLOWS)
complete_output = _completing(lambda _: OUTPUTS)
complete_verdict = _completing(lambda _: Verdict)
complete_clip = _completing(_clips)

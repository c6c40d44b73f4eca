"""`vda status`: per clip what there is, how good, how old, and why something is not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import click

from vda_assets.cli.completing import complete_verdict
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.showing import json_option, show, show_json
from vda_assets.cli.world import chosen_clips, dataset_and_deployment, dataset_option, load, video_option
from vda_assets.config.errors import UnknownName
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.selection import wanted_of
from vda_assets.flows.stages import Output
from vda_assets.outcomes.verdict import Verdict
from vda_assets.runs.standing import Stand, further_in_books
from vda_assets.runs.status import OutputStatus, status_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FAILED = {Stand.FAILED, Stand.QUARANTINED}


@click.command()
@dataset_option
@video_option
@click.option(
    "--verdict",
    metavar="VERDICT",
    shell_complete=complete_verdict,
    help=f"Only outputs with it: {', '.join(Verdict)}.",
)
@click.option("--failed", "only_failed", is_flag=True, help="Only outputs that failed the last time.")
@json_option
def status(dataset_name: str, videos: tuple[str, ...], verdict: str | None, only_failed: bool, as_json: bool) -> None:
    """Say of each clip's outputs what became of them: verdict, age, and the reason where one is not accepted.

    A further augmentation that --cover asked for is listed by a key of its own, such as bikes.mp4=aug7.

    It reads Dagster's books; nothing is looked at in storage but the list of clips.

    \b
    Examples:
      vda status --dataset street --failed
      vda status --dataset street --verdict rejected --json
    """
    if verdict is not None and verdict not in list(Verdict):
        raise UnknownName("verdict", verdict, Verdict)
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    listing = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url)
    clips, _ = chosen_clips(listing, videos)
    with dagster_instance(project) as instance:
        clips += further_in_books(instance, dataset, clips)
        wanted = wanted_of(dataset)
        enhances = wanted is not None and wanted.super_resolution
        found = status_of(instance, project.scope_of(dataset), clips, super_resolution=enhances)
    shown = _FAILED if only_failed else {verdict}
    lines = [line for line in _lines(found) if shown == {None} or line[2].state in shown]
    if as_json:
        show_json([_document(*line) for line in lines])
        return
    show(
        ["clip", "output", "state", "age", "reason"],
        [[key, str(output), one.state, _age(one.at), one.reason] for key, output, one in lines],
    )
    counts = Counter(one.state for _, _, one in _lines(found))
    click.echo(", ".join(f"{count} {state}" for state, count in counts.most_common()) or "no clips", err=True)


def _lines(found: Mapping[str, Mapping[Output, OutputStatus]]) -> Iterator[tuple[str, Output, OutputStatus]]:
    for key, outputs in found.items():
        for output, one in outputs.items():
            yield key, output, one


def _document(key: str, output: Output, one: OutputStatus) -> dict[str, str | None]:
    return {
        "clip": key,
        "output": str(output),
        "state": one.state,
        "reason": one.reason,
        "at": one.at.isoformat(timespec="seconds") if one.at else None,
        "run": one.run_id or None,
    }


def _age(at: datetime | None) -> str:
    if at is None:
        return "-"
    seconds = (datetime.now(UTC) - at).total_seconds()
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return "now"

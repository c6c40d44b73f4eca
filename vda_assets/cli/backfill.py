"""`vda backfill`: what is unfinished of a dataset, or lacks in what is accepted: said first, then made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import click
import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.likely import likely
from vda_assets.cli.covering import NAMED, Wish, changed_wish, cover_wish
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.preflight import foreseen
from vda_assets.cli.run import make
from vda_assets.cli.showing import json_option, show_json
from vda_assets.cli.world import chosen_selection, dataset_and_deployment, dataset_option, flow_option, load
from vda_assets.config.deployment import Price
from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import draws_for
from vda_assets.datasets.clips import Clip, list_clips
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.project import Scope
from vda_assets.readiness.overview import Overview
from vda_assets.runs.asking import UNFINISHED, Choice, choose
from vda_assets.runs.attempts import rejected_clips
from vda_assets.runs.canary import Canary
from vda_assets.runs.recording.tries import ask_again
from vda_assets.runs.standing import Stand, Standings, standings, worst_of

_WANTED = {
    "missing": UNFINISHED,
    "failed": frozenset({Stand.FAILED}),
    "changed": frozenset({Stand.CHANGED}),
    "rejected": frozenset(Stand) - {Stand.QUARANTINED, Stand.CHANGED},
    "all": frozenset(Stand) - {Stand.QUARANTINED},
}


@click.command()
@dataset_option
@flow_option
@click.option("--missing", "which", flag_value="missing", help="Never made, or failed once. This is the default.")
@click.option("--failed", "which", flag_value="failed", help="Failed the last time.")
@click.option("--changed", "which", flag_value="changed", help="Made of another clip or configuration than now.")
@click.option("--rejected", "which", flag_value="rejected", help="Rejected: augmented once more, with another seed.")
@click.option("--all", "which", flag_value="all", help="Every clip; what is finished is looked at and kept.")
@click.option(
    "--cover",
    "which",
    flag_value="cover",
    help="Further augmentations of clips, for what lacks of what the cookbook wants.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many clips; with --cover so many augmentations.",
)
@click.option("--where", "conditions", multiple=True, metavar="VAR=VALUE", help="Only clips that draw this value.")
@click.option("--dry-run", is_flag=True, help="Only say what would be made, how long it takes and what it costs.")
@json_option
def backfill(
    dataset_name: str,
    flow: str | None,
    which: str | None,
    limit: int | None,
    conditions: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make what is unfinished of a dataset, after saying what that is and how long it takes.

    Clips that failed alike twice are quarantined and not asked for. --cover compares what `vda release` accepts with
    what the cookbook wants. Interrupted or killed, the same command goes on.

    \b
    Examples:
      vda backfill --dataset street --dry-run
      vda backfill --dataset street --dry-run --json
      vda backfill --dataset street --changed --limit 100
      vda backfill --dataset street --rejected
      vda backfill --dataset street --where weather=rain
      vda backfill --dataset street --cover --limit 50
    """
    if as_json and not dry_run:
        raise click.UsageError("--json is for --dry-run: what a run says is no list")
    if which == "cover" and conditions:
        raise click.UsageError("--where and --cover exclude each other: --cover chooses by what lacks")
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    selection = chosen_selection(flow, (), dataset)
    if which in ("cover", "rejected") and Stage.AUGMENTED_VIDEOS not in selection:
        raise click.BadParameter("the flow augments no clip; name one with --flow", param_hint=f"--{which}")
    if which == "cover" and Stage.AUGMENTED_LABELS not in selection:
        raise click.BadParameter("the flow labels no augmented clip; name one with --flow", param_hint="--cover")
    scope = project.scope_of(dataset)
    clips = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url).clips
    with dagster_instance(project) as instance:
        if which == "cover":
            wishes = [cover_wish(instance, scope, selection, clips, limit=limit)]
        else:
            drawing = _drawing(clips, scope.cookbook.distribution, conditions)
            wishes = _wishes(instance, scope, selection, drawing, wanted=which or "missing", limit=limit)
        if not as_json:
            for line in (line for wish in wishes for line in wish.lines):
                click.echo(line)
        for wish in wishes:
            if stopped := Canary(instance, scope, wish.selection).stopped:
                raise click.ClickException(
                    f"{stopped}. Change the cookbook or image, or `vda retry --dataset {dataset_name} --canary`"
                )
        ahead = [foreseen(project, dataset, wish.selection, wish.clips) if wish.clips else None for wish in wishes]
        if as_json:
            documents = [
                {**wish.document} | _costs(overview, deployment.price)
                for wish, overview in zip(wishes, ahead, strict=True)
            ]
            show_json(documents[0] | ({"further": documents[1]} if len(documents) > 1 else {}))
        else:
            for overview in filter(None, ahead):
                _tell_costs(overview, deployment.price)
        if dry_run:
            return
        for key in (key for wish in wishes for key in wish.again):
            ask_again(instance, dataset, Stage.AUGMENTED_VIDEOS, key)
        made = [make(project, dataset, wish.selection, instance, [clip.key for clip in wish.clips]) for wish in wishes]
        if not all(made):
            raise click.exceptions.Exit(1)


def _wishes(
    instance: dg.DagsterInstance,
    scope: Scope,
    selection: Selection,
    clips: Sequence[Clip],
    *,
    wanted: str,
    limit: int | None,
) -> list[Wish]:
    """For the clips that stand as wanted, and, of what has changed, for their further augmentations too."""
    dataset = scope.dataset
    found = standings(instance, scope, selection.outputs, clips, super_resolution=selection.super_resolution)
    if wanted == "rejected":
        found = {key: found[key] for key in rejected_clips(instance, dataset, list(found))}
    choice = choose(found, _WANTED[wanted], limit=limit)
    taken = {*choice.keys}
    wish = Wish(
        selection,
        [clip for clip in clips if clip.key in taken],
        [*_lines(dataset.name, selection, choice, found)],
        _document(dataset.name, selection, choice, found),
        again=choice.keys if wanted == "rejected" else (),
    )
    if wanted != "changed" or Stage.AUGMENTED_VIDEOS not in selection:
        return [wish]
    room = None if limit is None else limit - len(choice.keys)
    further = changed_wish(instance, scope, selection, clips, limit=room)
    return [wish, further] if further.clips else [wish]


def _drawing(clips: Sequence[Clip], distribution: Distribution, conditions: Sequence[str]) -> list[Clip]:
    """The clips of which one draw meets all conditions."""
    wanted = dict(_condition(one, distribution) for one in conditions)

    def meets(clip: Clip) -> bool:
        draws = draws_for(distribution, clip.video)
        return any(all(draw.sampled_vars[name] == value for name, value in wanted.items()) for draw in draws)

    return [clip for clip in clips if not wanted or meets(clip)]


def _condition(text: str, distribution: Distribution) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no VAR=VALUE, such as weather=rain", param_hint="--where")
    if name not in distribution.variables:
        raise _unknown(f"the cookbook draws no {name!r}, but", name, distribution.variables)
    if value not in distribution.variables[name]:
        raise _unknown(f"{name} is never {value!r}, but", value, distribution.variables[name])
    return name, value


def _unknown(what: str, name: str, known: Iterable[str]) -> click.BadParameter:
    names = list(known)
    return click.BadParameter(f"{what} {', '.join(names)}{likely(name, names)}", param_hint="--where")


def _lines(dataset_name: str, selection: Selection, choice: Choice, found: Standings) -> Iterator[str]:
    what = selection.flow or ", ".join(selection.outputs)
    yield f"{dataset_name}: {what} for {counted(len(choice.keys), 'clip')} ({choice.summary})"
    for key in choice.keys[:NAMED]:
        stands = found[key]
        worst = worst_of(stands)
        yield f"  {key}: {worst}: {', '.join(output for output, stand in stands.items() if stand is worst)}"
    if len(choice.keys) > NAMED:
        yield f"  … and {len(choice.keys) - NAMED} more"
    if choice.left:
        yield f"{counted(choice.left, 'clip is', 'clips are')} left out by --limit"
    if quarantined := choice.counts[Stand.QUARANTINED]:
        yield f"{quarantined} quarantined: `vda status --dataset {dataset_name} --failed` says why"


def _document(dataset_name: str, selection: Selection, choice: Choice, found: Standings) -> dict[str, object]:
    """`clips` with where their outputs stand."""
    return {
        "dataset": dataset_name,
        "flow": selection.flow,
        "outputs": list(selection.outputs),
        "clips": [{"clip": key, "outputs": found[key]} for key in choice.keys],
        "left_out_by_limit": choice.left,
        "quarantined": choice.counts[Stand.QUARANTINED],
    }


def _costs(ahead: Overview | None, price: Price | None) -> dict[str, object]:
    """`overview` and `cost` are null where nothing is to be made."""
    cost = [round(hours * price.gpu_hour, 6) for hours in ahead.gpu_hours] if ahead and price else None
    return {
        "overview": ahead.document() if ahead else None,
        "cost": {price.currency: cost} if price and cost else None,
    }


def _tell_costs(overview: Overview, price: Price | None) -> None:
    for line in overview.lines():
        click.echo(line)
    low, high = overview.gpu_hours
    cost = f", {low * price.gpu_hour:.2f}-{high * price.gpu_hour:.2f} {price.currency}" if price else ""
    click.echo(f"  GPU hours: {low:.1f}-{high:.1f}{cost}")

"""`vda cookbook`: is a scene's folder fit for use, and what its weights draw for the clips of a dataset."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from vda_assets.base.counted import counted
from vda_assets.base.problem import Problem, Severity
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.showing import json_option, show, show_json
from vda_assets.cli.world import dataset_and_deployment, dataset_option, load
from vda_assets.config.deployment import Container, Images
from vda_assets.cookbooks.cookbook import Distribution
from vda_assets.cookbooks.draw import Draw, draws_for
from vda_assets.cookbooks.exclusions import expected_shares
from vda_assets.datasets.clips import clip_key, list_clips
from vda_assets.paidf.cookbook_check import check_cookbook
from vda_assets.paidf.versions import versions_of
from vda_assets.project import config_folder, cookbook_folder, read_in_time
from vda_assets.runs.standing import further_in_books


@click.group()
def cookbook() -> None:
    """Check a cookbook, and see what it draws."""


@cookbook.command()
@click.argument("path")
@click.option(
    "--augmentation",
    "version",
    type=click.Choice(versions_of(Container.AUGMENTATION)),
    default=versions_of(Container.AUGMENTATION)[0],
    show_default=True,
    help="The version of paidf-augmentation that it is for.",
)
def check(path: str, version: str) -> None:
    """Check the cookbook in the folder PATH, or the shipped scene of that name. Exit code 1 when it has errors.

    \b
    Examples:
      vda cookbook check piazza
      vda cookbook check ./my_scene
    """

    def looked_into(environment: Mapping[str, str]) -> tuple[Path, list[Problem]]:
        configuration = config_folder(environment)
        is_own = Path(path).is_dir() and not (configuration / "cookbooks" / path).is_dir()
        folder = cookbook_folder(f"./{path}" if is_own else path, config_folder=configuration, own_below=Path.cwd())
        return folder, list(check_cookbook(folder.resolve(), images=Images(augmentation_version=version)))

    folder, problems = read_in_time(looked_into, os.environ)
    for problem in problems:
        click.echo(problem)
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    click.echo(f"{folder}: {counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}", err=True)
    if errors:
        raise click.exceptions.Exit(1)


@cookbook.command()
@dataset_option
@json_option
def plan(dataset_name: str, as_json: bool) -> None:
    """List what is drawn for each clip of a dataset, and how that spreads against the weights.

    A clip's draw depends on its name alone: clips that come or go change no other's. Further augmentations that
    `vda backfill --cover` asked for are among them.

    Example: vda cookbook plan --dataset street
    """
    project = load()
    dataset, deployment = dataset_and_deployment(project, dataset_name)
    distribution = project.cookbooks[dataset.cookbook].distribution
    listing = list_clips(project.storage_of(deployment, os.environ), dataset.dataset_url)
    with dagster_instance(project) as instance:
        known = [*listing.clips, *further_in_books(instance, dataset, listing.clips)]
    drawn = [
        (clip_key(clip.key), one) for clip in known for one in draws_for(distribution, clip.video, further=clip.further)
    ]
    drawn.sort(key=lambda one: (one[0], one[1].index))
    if as_json:
        show_json([_document(key, one) for key, one in drawn])
        return
    rows = [
        [key, str(one.index), *(one.sampled_vars[name] for name in distribution.variables), str(one.generation_seed)]
        for key, one in drawn
    ]
    show(["clip", "index", *distribution.variables, "seed"], rows)
    click.echo()
    spread = _spread(distribution, [one for _, one in drawn])
    show(["variable", "value", "count", "share", "expected", "weight"], spread)
    for excluded in distribution.exclude:
        click.echo("never together: " + ", ".join(f"{name} {' or '.join(them)}" for name, them in excluded.items()))


def _document(key: str, draw: Draw) -> dict[str, object]:
    return {"clip": key, "index": draw.index, "seed": draw.generation_seed, "sampled_vars": dict(draw.sampled_vars)}


def _spread(distribution: Distribution, draws: Sequence[Draw]) -> list[list[str]]:
    """One row per value of each variable. What is expected differs from the weights where combinations are excluded."""
    rows = []
    expected = expected_shares(distribution.variables, distribution.exclude)
    for name, weights in distribution.variables.items():
        counts = Counter(one.sampled_vars[name] for one in draws)
        for value, weight in weights.items():
            share = f"{counts[value] / len(draws):.3f}" if draws else "-"
            rows.append([name, value, str(counts[value]), share, f"{expected[name][value]:.3f}", f"{weight:.3f}"])
    return rows

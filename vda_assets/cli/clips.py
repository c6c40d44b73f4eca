"""`vda datasets`: what there is, and what else is done with one."""

from __future__ import annotations

import click

from vda_assets.cli.adding import add
from vda_assets.cli.demo import fetch_demo
from vda_assets.cli.showing import json_option, show, show_json
from vda_assets.cli.world import load


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def datasets(context: click.Context, as_json: bool) -> None:
    """List the datasets of assets_cfg/; with a command, do something else with one.

    \b
    Examples:
      vda datasets
      vda datasets --json
    """
    if context.invoked_subcommand is not None:
        return
    project = load()
    rows = [[one.name, one.deployment, one.cookbook, str(one.dataset_url)] for one in project.datasets.values()]
    if as_json:
        show_json([dict(zip(("dataset", "deployment", "cookbook", "url"), row, strict=True)) for row in rows])
    else:
        show(["dataset", "deployment", "cookbook", "clips at"], rows)
    for broken in project.broken:
        click.echo(f"broken {broken.kind} {broken.name}:\n{broken.error}", err=True)


datasets.add_command(add)
datasets.add_command(fetch_demo)

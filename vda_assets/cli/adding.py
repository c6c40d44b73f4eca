"""`vda datasets add`: a dataset's file, written once and never over another."""

from __future__ import annotations

import os
from pathlib import Path

import click
import yaml

from vda_assets.cli.completing import complete_deployment
from vda_assets.cli.world import load
from vda_assets.config.dataset import Dataset
from vda_assets.config.errors import ConfigError
from vda_assets.config.yaml_file import parse_model
from vda_assets.project import Project, load_project

_DEFAULT_COOKBOOK = "city_traffic"


@click.command("add")
@click.argument("name")
@click.argument("url")
@click.option(
    "--deployment",
    "deployment_name",
    metavar="NAME",
    shell_complete=complete_deployment,
    help="Where it is worked on; the only one, if not said.",
)
@click.option("--cookbook", default=_DEFAULT_COOKBOOK, show_default=True, metavar="NAME", help="Its scene.")
def add(name: str, url: str, deployment_name: str | None, cookbook: str) -> None:
    """Write assets_cfg/datasets/NAME.yaml for the clips at URL, which ends with datasets/NAME.

    Example: vda datasets add yard s3://clips/datasets/yard --deployment team-a
    """
    project = load()
    deployment_name = deployment_name or only_deployment(project)
    path = add_dataset(project, name, url, deployment_name=deployment_name, cookbook=cookbook)
    click.echo(f"wrote {path}; now: vda preflight --dataset {name}")


def only_deployment(project: Project) -> str:
    """The deployment that is meant when none is named: the only one, the embedded default set aside.

    Raises click.ClickException when there are several.
    """
    real = [name for name, deployment in project.deployments.items() if not deployment.is_stand_in]
    names = real or list(project.deployments)
    if len(names) != 1:
        known = ", ".join(names) or "none yet; `vda connect URL` writes one"
        raise click.ClickException(f"USER_INPUT_REQUIRED: give --deployment; choose from: {known}")
    return names[0]


def add_dataset(
    project: Project, name: str, url: str, *, deployment_name: str, cookbook: str = _DEFAULT_COOKBOOK
) -> Path:
    """Writes the file and returns its path. Raises ConfigError when the project with it would not hold together."""
    project.deployment(deployment_name)
    content = {"url": url, "deployment": deployment_name, "cookbook": cookbook}
    path = project.folder / "datasets" / f"{name}.yaml"
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    dataset = parse_model(path, text.encode(), Dataset, variables={})
    if dataset.name != name:
        raise ConfigError(f"{url} ends with {dataset.name!r}, not with the name {name!r}: give both the same")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} exists and stays as it is: edit it, or give another name") from None
    try:
        load_project(os.environ).dataset(name)
    except ConfigError:
        path.unlink()
        raise
    return path

"""`vda connect`: a deployment file for an OSMO service, from what the service itself says."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import yaml

from vda_assets.cli.preflight import deployment_findings, stop_if_blocked, tell
from vda_assets.cli.world import load
from vda_assets.config.deployment import Deployment, OsmoConnection
from vda_assets.config.names import check_label
from vda_assets.config.yaml_file import parse_model
from vda_assets.flows.selection import DEFAULT_FLOW, flow_named
from vda_assets.osmo.connect import connect as log_in
from vda_assets.project import config_folder
from vda_assets.readiness.credentials import Replace
from vda_assets.readiness.pools import gpu_platforms, pools_for_gpus


@click.command()
@click.argument("url")
@click.option("--name", metavar="NAME", help="What the deployment is called; without it, after the URL's host.")
@click.option("--pool", "pool_option", metavar="POOL", help="Which pool, where the login may use several.")
@click.option("--platform", "platform_option", metavar="PLATFORM", help="Which platform, where the pool has several.")
@click.option("--token-env", metavar="VARIABLE", help="The variable with an access token, instead of `osmo login`.")
@click.option("--user", metavar="USER", help="Who asks, at a service without authentication.")
def connect(
    url: str,
    name: str | None,
    pool_option: str | None,
    platform_option: str | None,
    token_env: str | None,
    user: str | None,
) -> None:
    """Write assets_cfg/deployments/NAME.yaml for the OSMO service at URL, and check it.

    Log in with `osmo login URL` before. What there is one of is chosen; what there are several of is asked for, or
    taken from the options.

    Example: vda connect https://osmo.example.com --pool team-a
    """
    connection = _connection(url, token_env, user)
    name = _checked_name(name or _name_after(connection.url))
    path = config_folder(os.environ) / "deployments" / f"{name}.yaml"
    if path.exists():
        raise click.ClickException(f"{path} exists and stays as it is: edit it, or give another --name")
    with log_in(
        connection.url, token_env=token_env, user=user, environment=os.environ, retry_budget_seconds=3
    ) as client:
        click.echo(
            f"OSMO {client.version()} at {connection.url}, as {client.profile().username or 'nobody in particular'}"
        )
        pools = client.pools()
        pool = _chosen("pool", pools_for_gpus(pools), pool_option, lacking="is ONLINE and has a platform with GPUs")
        platform = _chosen("platform", gpu_platforms(pools[pool]), platform_option, lacking=f"of {pool} is for GPUs")
        text = _text(
            connection,
            pool=pool,
            platform=platform,
            others=[name for name in pools_for_gpus(pools) if name != pool],
            profiles=sorted({one.profile for one in client.credentials() if one.type == "DATA" and one.profile}),
        )
    parse_model(path, text.encode(), Deployment, variables=os.environ)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, text)
    click.echo(f"wrote {path}")
    deployment = load().deployment(name)
    findings = deployment_findings(deployment, flow_named(DEFAULT_FLOW), replacing=Replace.SUPPLIED)
    tell(findings)
    stop_if_blocked(findings)
    click.echo(f"now: vda run --deployment {name}, or vda datasets add NAME URL --deployment {name}")


def _connection(url: str, token_env: str | None, user: str | None) -> OsmoConnection:
    """Raises click.UsageError for a URL that is none, and for two logins at once."""
    try:
        return OsmoConnection(url=url, token_env=token_env, user=user)
    except ValueError as error:
        reason = re.sub(r"^Value error, ", "", error.errors()[0]["msg"]) if hasattr(error, "errors") else str(error)
        raise click.UsageError(f"the URL {reason}") from None


def _name_after(url: str) -> str:
    parts = urlsplit(url)
    return re.sub(r"[^a-z0-9]+", "-", f"{parts.hostname}{f'-{parts.port}' if parts.port else ''}").strip("-")


def _checked_name(name: str) -> str:
    try:
        return check_label(name, "deployment")
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _chosen(what: str, names: Sequence[str], wanted: str | None, *, lacking: str) -> str:
    """Raises click.ClickException that names the one thing to give."""
    if wanted is not None and wanted not in names:
        known = ", ".join(names) or "none"
        raise click.ClickException(f"USER_INPUT_REQUIRED: --{what} {wanted} is not there; choose from: {known}")
    if wanted is not None:
        return wanted
    if not names:
        raise click.ClickException(f"USER_INPUT_REQUIRED: no {what} {lacking}: ask the administrator of OSMO for one")
    if len(names) == 1:
        click.echo(f"{what}: {names[0]}, the only one")
        return names[0]
    if not sys.stdin.isatty():
        raise click.ClickException(f"USER_INPUT_REQUIRED: give --{what}; choose from: {', '.join(names)}")
    answer: str = click.prompt(f"which {what}", type=click.Choice(list(names)))
    return answer


def _text(
    connection: OsmoConnection, *, pool: str, platform: str, others: Sequence[str], profiles: Sequence[str]
) -> str:
    login = f"# the login is that of the osmo command: osmo login {connection.url}"
    if connection.token_env:
        login = f"token_env: {connection.token_env}  # the variable that holds the access token"
    if connection.user:
        login = f"user: {_scalar(connection.user)}  # a service without authentication"
    listed = ", ".join(others)
    lines = [
        f"# An OSMO cluster, as `vda connect {connection.url}` found it.",
        "# docs/connect-a-cluster.md has all keys with their defaults.",
        f"description: {_scalar(f'OSMO at {urlsplit(connection.url).netloc}')}",
        "osmo:",
        f"  url: {connection.url}",
        f"  {login}",
        f"  pool: {_scalar(pool)}{f'  # also ONLINE: {listed}' if others else ''}",
        f"  gpu_platform: {_scalar(platform)}",
        "  max_in_flight: 16  # workflows that all runs together keep on the pool; one clip is one workflow",
    ]
    if not profiles:
        lines += [
            "# OSMO has no DATA credential. Where it has one, this says how this machine opens the same storage:",
            "# storage: [{profile: s3://bucket}]",
        ]
        return "\n".join(lines) + "\n"
    lines += ["# What OSMO opens. Without variables a profile is opened by this machine's own identity.", "storage:"]
    for profile in profiles:
        lines += [
            f"  - profile: {_scalar(profile)}",
            "    # access_key_id_env: NAME_OF_A_VARIABLE",
            "    # access_key_env: NAME_OF_A_VARIABLE",
        ]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """The text as YAML has it within a line, in quotes where it would be read as something else."""
    dumped: str = yaml.safe_dump([text], default_flow_style=True, width=1000)
    return dumped.strip()[1:-1]


def _write_new(path: Path, text: str) -> None:
    """Raises click.ClickException when somebody has written the file meanwhile."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} exists by now and stays as it is: give another --name") from None

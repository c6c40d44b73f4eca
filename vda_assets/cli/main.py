"""`vda`: what the Dagster UI offers, for terminals and scripts.

Exit codes: 0 everything asked for is there · 1 something failed · 2 the command or the configuration is wrong.
"""

from __future__ import annotations

import sys

import click

from vda_assets.cli.clips import datasets, videos
from vda_assets.cli.cookbook import cookbook
from vda_assets.cli.embedded import osmo_local
from vda_assets.cli.mirror import mirror_run
from vda_assets.cli.preflight import preflight
from vda_assets.cli.render import render
from vda_assets.cli.run import run
from vda_assets.cli.transfer import upload
from vda_assets.config.errors import ConfigError
from vda_assets.osmo.errors import OsmoError
from vda_assets.storage.errors import StorageError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="vda-assets", message="vda %(version)s")
def vda() -> None:
    """Labels and augments whole datasets of video clips on OSMO GPU pools.

    Reads assets_cfg/ in the current folder, or the folder that VDA_ASSETS_CFG names.
    """


for command in (datasets, videos, cookbook, preflight, run, render, mirror_run, upload, osmo_local):
    vda.add_command(command)


def main() -> None:
    """The command line; every known error is one message and exit code 2."""
    try:
        # Without its standalone mode click returns the code of an Exit.
        sys.exit(vda(standalone_mode=False))
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ConfigError, StorageError, OsmoError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)

"""`vda`: what the Dagster UI offers, for terminals and scripts.

Exit codes: 0 everything asked for is there · 1 something failed · 2 the command or the configuration is wrong.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from vda_assets.base.json_log import UnknownLogFormat, log_as_asked
from vda_assets.base.likely import likely
from vda_assets.config.errors import ConfigError
from vda_assets.osmo.errors import OsmoError
from vda_assets.releases.errors import ReleaseError
from vda_assets.storage.errors import StorageError

# Each command's module is loaded when it is asked for: Dagster alone takes a second, and few commands need it.
_COMMANDS = {
    "connect": "connect.connect",
    "datasets": "clips.datasets",
    "videos": "videos.videos",
    "status": "status.status",
    "backfill": "backfill.backfill",
    "retry": "upkeep.retry",
    "forget": "upkeep.forget",
    "runs": "runs.runs",
    "report": "report.report",
    "cookbook": "cookbook.cookbook",
    "preflight": "preflight.preflight",
    "overview": "preflight.overview",
    "run": "run.run",
    "render": "render.render",
    "mirror": "mirror.mirror_run",
    "media": "media.media",
    "metrics": "metrics.metrics",
    "upload": "transfer.upload",
    "release": "release.release",
    "trace": "release.trace",
    "osmo-local": "embedded.osmo_local",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Without loading the commands, which click would do for their help: it takes seconds."""
        names = [CompletionItem(name) for name in _COMMANDS if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in _COMMANDS and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command {args[0]!r}{likely(args[0], _COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command = getattr(import_module(f"vda_assets.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="vda-assets", message="vda %(version)s")
def vda() -> None:
    """Labels and augments whole datasets of video clips on OSMO GPU pools.

    Reads assets_cfg/ in the current folder, or the folder that VDA_ASSETS_CFG names.
    """


def main() -> None:
    """The command line; every known error is one message and exit code 2."""
    try:
        log_as_asked(os.environ)
        # Without its standalone mode click returns the code of an Exit.
        sys.exit(vda(prog_name="vda", standalone_mode=False))
    except click.Abort:
        click.echo("stopped", err=True)
        sys.stdout.flush()
        # All is closed by now; a thread that still waits for somebody's answer keeps nobody from stopping.
        os._exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ConfigError, StorageError, OsmoError, ReleaseError, UnknownLogFormat) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)

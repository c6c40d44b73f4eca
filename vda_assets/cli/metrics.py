"""`vda metrics`: what the project does, as numbers for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import click
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from vda_assets.base.extras import lacking_of
from vda_assets.cli.dagster_home import dagster_instance
from vda_assets.cli.world import load

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="It asks nobody who they are: keep it local.")
@click.option("--port", default=8730, show_default=True, type=click.IntRange(1, 65535))
def metrics(host: str, port: int) -> None:
    """Serve metrics for Prometheus at /metrics: workflows, latencies, failures, verdicts, GPU seconds, ticks.

    Read-only. Counters count from the start of the command on; Dagster's books, OSMO and storage are read at every
    scrape, and one that does not answer is told by vda_up alone.

    Example: vda metrics --port 8730
    """
    if lacking := lacking_of("metrics"):
        raise click.ClickException(f"needs {', '.join(lacking)}: pip install 'vda-assets[metrics]'")
    from vda_assets.telemetry.exporter import Exporter, sources_of
    from vda_assets.telemetry.metrics import Metrics

    project, numbers = load(), Metrics()
    with dagster_instance(project) as instance:
        sources = sources_of(project, instance, numbers, os.environ)
        exporter = Exporter(sources, numbers, say=partial(click.echo, err=True))
        # From here on it counts.
        exporter.page()
        click.echo(f"metrics at http://{host}:{port}/metrics")
        uvicorn.run(_app(exporter.page), host=host, port=port, log_level="warning")


def _app(page: Callable[[], bytes]) -> Starlette:
    def give(_: Request) -> Response:
        return Response(page(), headers={"Content-Type": _TEXT})

    def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/metrics", give), Route("/health", healthy)])

"""`vda osmo-local`: the embedded OSMO, an emulator for one machine, with what stands for the cluster's services."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any
from urllib.parse import urlsplit

import click
import psutil
from pydantic import SecretStr, ValidationError

from vda_assets.base.extras import lacking_of
from vda_assets.cli.completing import complete_deployment
from vda_assets.cli.dagster_home import ensure_dagster_home
from vda_assets.cli.world import answers, load
from vda_assets.config.deployment import DEFAULT_POOL, Deployment, EmbeddedOsmoConfig
from vda_assets.config.errors import ConfigError
from vda_assets.embedded.service.errors import EmbeddedOsmoError, EmptyToken
from vda_assets.embedded.service.leftovers import kill_leftovers
from vda_assets.embedded.service.settings import EmbeddedSettings, PlatformCapacity, StandIn
from vda_assets.embedded.service.tokens import token_in

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_SERVICE_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV")
deployment_option = click.option(
    "--deployment",
    "deployment_name",
    default="local",
    show_default=True,
    metavar="NAME",
    help="A deployment's name.",
    shell_complete=complete_deployment,
)


@click.group("osmo-local")
def osmo_local() -> None:
    """Run the embedded OSMO: the same HTTP calls on this machine, tasks as local processes.

    It emulates one machine for demos, tests and development; it is no scheduler.
    """


@osmo_local.command()
@deployment_option
def serve(deployment_name: str) -> None:
    """Serve until interrupted. Started again after a kill, it knows every workflow.

    Example: vda osmo-local serve
    """
    server = _server()
    deployment = load().deployment(deployment_name)
    settings = embedded_settings(deployment, deployment_name)
    settings = settings.model_copy(update={"token": _token(deployment)})
    assert deployment.osmo_local is not None
    services = deployment.osmo_local.services
    # uvicorn raises the signal that ended it once more, for whoever handled it before.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as stack:

        def ready(url: str) -> None:
            click.echo(f"embedded OSMO at {url}: an emulator for one machine; its GPUs and containers are stand-ins")
            started = _Started(settings.state_folder / "services.json")
            started.end_leftovers()
            for name, command in services.items():
                started.add(stack.enter_context(service(name, command)))

        try:
            server.serve(settings, ready=ready)
        except EmbeddedOsmoError as error:
            raise click.ClickException(str(error)) from None


@osmo_local.command(name="exec", context_settings={"ignore_unknown_options": True})
@deployment_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(deployment_name: str, command: tuple[str, ...]) -> None:
    """Run a command beside the embedded OSMO, which is started for it unless it answers already.

    Example: vda osmo-local exec -- vda run --dataset street --flow e2e
    """
    server = _server()
    project = load()
    deployment = project.deployment(deployment_name)
    settings = embedded_settings(deployment, deployment_name)
    ensure_dagster_home(project)
    with ExitStack() as stack:
        if not server.is_served(settings):
            stack.enter_context(running_server(deployment, deployment_name))
        with _leaving_signals_to_children() as children, subprocess.Popen(command) as child:
            children.append(child)
            code = child.wait()
    raise click.exceptions.Exit(code if code >= 0 else 128 - code)


def _server() -> ModuleType:
    """What serves, loaded when it is asked for: its libraries and those of the stand-ins are the extra `local`.

    Raises click.ClickException that says how to get them.
    """
    if lacking := lacking_of("local"):
        raise click.ClickException(f"this needs {', '.join(lacking)}: pip install 'vda-assets[local]'")
    return import_module("vda_assets.embedded.service.server")


def embedded_settings(deployment: Deployment, name: str) -> EmbeddedSettings:
    """Raises ConfigError when the deployment has no embedded OSMO, or one that cannot be started."""
    config = deployment.osmo_local
    if config is None:
        raise ConfigError(f"deployment {name!r} has no osmo_local section: it is no embedded OSMO")
    address = urlsplit(deployment.osmo.url)
    try:
        return EmbeddedSettings(
            state_folder=Path(config.state_folder),
            host=address.hostname or "127.0.0.1",
            port=address.port or 80,
            pool=deployment.osmo.pool or DEFAULT_POOL,
            platforms={key: PlatformCapacity(**value.model_dump()) for key, value in config.platforms.items()},
            images=_images(config),
            workflow_data_url=config.workflow_data_url,
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"deployment {name!r}: osmo_local.{problems}") from None


def _token(deployment: Deployment) -> SecretStr | None:
    """The token that the server asks for: whoever may call it runs commands on this machine."""
    if deployment.osmo.token_env:
        token = os.environ.get(deployment.osmo.token_env, "").strip()
        if not token:
            raise click.ClickException(f"the variable {deployment.osmo.token_env} is empty: put an access token there")
        return SecretStr(token)
    path = deployment.token_file
    if path is None:
        return None
    try:
        return token_in(path)
    except EmptyToken as error:
        raise click.ClickException(str(error)) from None


def _images(config: EmbeddedOsmoConfig) -> dict[str, StandIn]:
    """The stand-ins live in this environment, which takes the place of the one that an image has for its container."""
    own = {"UV_PROJECT_ENVIRONMENT": sys.prefix}
    return {
        image: StandIn(environment={**own, **one.environment}, path=one.path) for image, one in config.images.items()
    }


@contextmanager
def running_server(deployment: Deployment, name: str) -> Iterator[None]:
    """A server process of its own for the time of the block. Raises click.ClickException when it does not start."""
    log = Path(embedded_settings(deployment, name).state_folder) / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "vda_assets.cli", "osmo-local", "serve", "--deployment", name]
    with log.open("ab") as output, process(command, stdout=output, stderr=subprocess.STDOUT) as server:
        deadline = time.monotonic() + _START_SECONDS
        while not answers(deployment.osmo.url) or server.poll() is not None:
            if server.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").splitlines()
                raise click.ClickException(f"the embedded OSMO did not start: {said[-1] if said else 'see'} ({log})")
            time.sleep(0.1)
        yield


class _Started:
    """The service processes of this server, noted so that the next one can end those of a server that was killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._leaders: dict[int, float] = {}

    def end_leftovers(self) -> None:
        if self._path.exists():
            noted = json.loads(self._path.read_text())
            kill_leftovers((), {int(pid): created for pid, created in noted.items()})

    def add(self, process: subprocess.Popen[bytes]) -> None:
        self._leaders[process.pid] = psutil.Process(process.pid).create_time()
        self._path.write_text(json.dumps(self._leaders))


@contextmanager
def service(name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """One command that stands for a service of the cluster, for the time of the block.

    Of this process's environment it gets what is listed alone: the rest may hold secrets.
    """
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise click.ClickException(f"osmo_local.services.{name}: there is no program {command[0]!r}")
    click.echo(f"service {name}: {shlex.join(command)}")
    environment = {name: os.environ[name] for name in _SERVICE_ENVIRONMENT if name in os.environ}
    with process([program, *command[1:]], env=environment) as running:
        yield running


@contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, so that Ctrl-C does not reach it; ended, then killed, with the block."""
    child = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _leaving_signals_to_children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The command decides what a signal means. A terminal's Ctrl-C reaches it by itself, SIGTERM is passed on.

    To be entered before the command starts: a shell's background job ignores SIGINT, and so would the command.
    """
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        for child in children:
            child.terminate()

    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
    }
    try:
        yield children
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

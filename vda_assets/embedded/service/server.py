"""Starts the embedded OSMO, an emulator of OSMO 6.4 for one Linux machine: in the foreground, or in a thread for tests.

What differs from the service, and where it is as unkind, stands in docs/embedded-osmo.md.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn

from vda_assets.embedded.service.app import create_app
from vda_assets.embedded.service.credentials import Credentials
from vda_assets.embedded.service.engine import Engine
from vda_assets.embedded.service.errors import EmbeddedOsmoError, PortTaken, StateFolderTaken
from vda_assets.embedded.service.service import Service
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import Store
from vda_assets.embedded.service.submission import Submitter

_log = logging.getLogger(__name__)


def serve(settings: EmbeddedSettings, *, ready: Callable[[str], None] | None = None) -> None:
    """Answers calls until SIGTERM or SIGINT; then kills the running tasks. `ready` is told the URL once it answers.

    Raises PortTaken and StateFolderTaken before anything is changed.
    """
    with _listening(settings) as listener, _locked_state(settings):
        _Server(settings, listener, ready or (lambda _: None)).run_on(listener)


def is_served(settings: EmbeddedSettings) -> bool:
    """Whether an embedded OSMO of this very state folder runs now; another one may have the same port."""
    try:
        with _locked_state(settings):
            return False
    except StateFolderTaken:
        return True


class EmbeddedOsmo:
    """The service in a thread of this process, for the time of a `with` block; `url` is where it answers."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._serve, name="embedded-osmo")
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    def _serve(self) -> None:
        try:
            with _listening(self._settings) as listener, _locked_state(self._settings):
                self._server = _Server(self._settings, listener, self._answering)
                self._server.run_on(listener)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that entered
            self._error = error
        finally:
            self._ready.set()

    def _answering(self, url: str) -> None:
        self.url = url
        self._ready.set()


class _Server(uvicorn.Server):
    def __init__(self, settings: EmbeddedSettings, listener: socket.socket, ready: Callable[[str], None]) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._url = f"http://{host}:{listener.getsockname()[1]}"
        self._ready = ready
        self._service = _service(settings, self._url)
        super().__init__(
            uvicorn.Config(create_app(self._service), log_level="warning", timeout_graceful_shutdown=2, ws="none")
        )

    def run_on(self, listener: socket.socket) -> None:
        self.run(sockets=[listener])
        if not self.started:
            raise EmbeddedOsmoError("the embedded OSMO could not start; its log says why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _log.info(
                "embedded OSMO at %s: an emulator of OSMO 6.4 for one machine, tasks are its processes", self._url
            )
            self._ready(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Log streams that follow a workflow would keep the server waiting.
        self._service.is_closing = True
        await super().shutdown(sockets)
        self._service.store.close()


def _service(settings: EmbeddedSettings, url: str) -> Service:
    store = Store(settings.state_folder / "osmo.sqlite")
    credentials = Credentials(store)
    return Service(
        settings=settings,
        url=url,
        store=store,
        engine=Engine(store, settings, url=url),
        submitter=Submitter(store, settings, credentials),
        credentials=credentials,
    )


@contextmanager
def _listening(settings: EmbeddedSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            # Bound is not enough: two sockets may bind one address as long as none listens.
            listener.listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"port {settings.port} of {settings.host} is taken, perhaps by another embedded OSMO: "
                "end that one, or give this one another port"
            ) from error
        yield listener


@contextmanager
def _locked_state(settings: EmbeddedSettings) -> Iterator[None]:
    folder = settings.state_folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateFolderTaken(
                f"{folder} is in use by another embedded OSMO: end that one, or give this one another state folder"
            ) from error
        yield

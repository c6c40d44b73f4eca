"""Storage that does not answer for a while is waited for; what time does not mend is said at once."""

from __future__ import annotations

import http.server
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from vda_assets.base.parallel import as_they_come
from vda_assets.base.patience import Patience
from vda_assets.storage.access import Storage
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.errors import AccessRefused, StorageUnavailable, TemporarilyUnavailable
from vda_assets.storage.url import StorageUrl
from vda_assets_tests.end_to_end.world import free_port
from vda_assets_tests.http_serving import serving_http
from vda_assets_tests.simulated_clock import SimulatedClock
from vda_assets_tests.storage.emulators import AZURE_ACCOUNT, Place
from vda_assets_tests.storage.test_faults import OPERATIONS, Operation, at, every_operation

ONCE = Limits(connect_seconds=1, read_seconds=5, attempts=1)
# What each says of itself when it is too busy, as their references have it.
BUSY = {
    "s3": b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    "azure": b"<Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>",
    "gs": b'{"error": {"code": 503, "message": "Backend Error", "errors": [{"reason": "backendError"}]}}',
}


@dataclass
class Outage:
    """A place behind a proxy that answers so many requests with 503, and passes the others on.

    With `until_refused` it begins to pass them on once requests for so many different things were refused.
    """

    endpoint: str = ""
    refusals: int = 0
    until_refused: int = 0
    refused_paths: set[str] = field(default_factory=set)
    refused: int = 0
    passed_on: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refuses(self, path: str) -> bool:
        with self.lock:
            if len(self.refused_paths) < self.until_refused:
                self.refused_paths.add(path)
                return True
            if self.refusals <= 0:
                self.passed_on += 1
                return False
            self.refusals -= 1
            self.refused += 1
            return True


@contextmanager
def outage(upstream: str, scheme: str) -> Iterator[Outage]:
    state = Outage()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            if state.refuses(self.path):
                self.give(503, BUSY[scheme], {"content-type": "application/xml" if scheme != "gs" else "text/json"})
                return
            answer = httpx.request(self.command, f"{upstream}{self.path}", content=content, headers=dict(self.headers))
            hidden = {"transfer-encoding", "content-encoding", "connection", "date", "server"}
            kept = {name: value for name, value in answer.headers.items() if name not in hidden}
            self.give(answer.status_code, answer.content, kept)

        def give(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the base class says so

    with serving_http(Handler) as endpoint:
        state.endpoint = endpoint
        yield state


@contextmanager
def behind_outage(place: Place) -> Iterator[tuple[StorageCredential, Outage]]:
    """What opens the place by way of the proxy, and the proxy's state."""
    if place.credential is None:
        pytest.skip("folders of this machine do not answer 503")
    scheme, credential = place.root.scheme, place.credential
    if scheme == "azure":
        upstream = str(credential.access_key).partition("BlobEndpoint=")[2].partition(f"/{AZURE_ACCOUNT}")[0]
        with outage(upstream, scheme) as state:
            yield replace(credential, access_key=str(credential.access_key).replace(upstream, state.endpoint)), state
    else:
        with outage(str(credential.override_url), scheme) as state:
            yield replace(credential, override_url=state.endpoint), state


@every_operation
def test_storage_that_answers_503_for_a_while_is_waited_for(place: Place, operation: Operation, tmp_path: Path) -> None:
    if place.root.scheme == "gs" and operation is OPERATIONS["create"]:
        pytest.skip("its emulator knows no preconditions")
    url, log = place.root / uuid.uuid4().hex / "x.mp4", list[str]()
    if operation not in (OPERATIONS["create"], OPERATIONS["write"]):
        place.storage.write_bytes(url, b"clip")
    with behind_outage(place) as (credential, state):
        clock = SimulatedClock()
        storage = Storage([credential], limits=ONCE, patience=Patience(1800), clock=clock, log=log.append)
        state.refusals = 6
        operation(storage, url, tmp_path)
    assert (state.refusals, state.refused) == (0, 6)
    assert 0 < clock.monotonic() < 1800
    assert log[0].startswith(f"waiting for storage: {state.endpoint}")
    assert "cannot answer just now" in log[0]
    assert log[1].startswith("storage answers again, after ")
    assert len(log) == 2
    assert place.storage.exists(url)


@every_operation
def test_without_patience_a_503_is_said_as_what_time_may_mend(
    place: Place, operation: Operation, tmp_path: Path
) -> None:
    url = place.root / uuid.uuid4().hex / "x.mp4"
    with behind_outage(place) as (credential, state):
        state.refusals = 10_000
        with pytest.raises(TemporarilyUnavailable, match=r"cannot answer just now .*: try later"):
            operation(Storage([credential], limits=ONCE), url, tmp_path)


def test_an_outage_is_told_as_one_however_many_objects_wait_for_its_end(s3: Place) -> None:
    folder, log = s3.root / uuid.uuid4().hex, list[str]()
    with behind_outage(s3) as (credential, state):
        clock = SimulatedClock()
        # However late the last of the threads begins.
        storage = Storage([credential], limits=ONCE, patience=Patience(10**9), clock=clock, log=log.append)
        state.until_refused = 8
        for _ in as_they_come(lambda name: storage.write_bytes(folder / name, b"x"), "abcdefgh", threads=8):
            pass
    assert len(s3.storage.find(folder)) == 8
    assert log[0].startswith("waiting for storage: ")
    # A refusal may be heard when another object has come through already; alone each would tell of it and of its end.
    assert len(log) < 8


def test_an_outage_that_outlasts_the_patience_is_said_with_its_cause(s3: Place, tmp_path: Path) -> None:
    with behind_outage(s3) as (credential, state):
        state.refusals = 10_000
        clock = SimulatedClock()
        storage = Storage([credential], limits=ONCE, patience=Patience(60), clock=clock)
        with pytest.raises(TemporarilyUnavailable, match="cannot answer just now"):
            storage.read_bytes(s3.root / "x")
    assert 40 <= clock.monotonic() <= 60


def test_a_listing_that_breaks_off_goes_on_behind_what_has_come(s3: Place) -> None:
    folder = s3.root / uuid.uuid4().hex
    names = [f"{number:04}" for number in range(1200)]
    filesystem, path = s3.storage.locate(folder)
    filesystem.pipe({f"{path}/{name}": b"x" for name in names})
    with behind_outage(s3) as (credential, state):
        storage = Storage([credential], limits=ONCE, patience=Patience(60), clock=SimulatedClock())
        listing = storage.walk(folder)
        found = [next(listing).path]
        state.refusals = 3
        found += [one.path for one in listing]
    assert found == names
    assert state.refused == 3


def test_a_reader_that_is_in_the_middle_of_an_object_goes_on_there(place: Place) -> None:
    url, content = place.root / uuid.uuid4().hex, bytes(range(256)) * 16_000
    place.storage.write_bytes(url, content)
    with behind_outage(place) as (credential, state):
        storage = Storage([credential], limits=ONCE, patience=Patience(60), clock=SimulatedClock())
        with storage.reading(url) as file:
            beginning = file.read(1000)
            state.refusals = 4
            assert beginning + file.read() == content
            file.seek(-10, 2)
            assert (file.tell(), file.read()) == (len(content) - 10, content[-10:])
    assert state.refused == 4


@pytest.mark.parametrize("scheme", ["s3", "azure", "gs"])
def test_an_endpoint_that_is_down_is_worth_waiting_for(scheme: str) -> None:
    storage, url = at(f"http://127.0.0.1:{free_port()}", scheme)
    with pytest.raises(TemporarilyUnavailable):
        storage.read_bytes(url)


def test_a_missing_bucket_and_a_refusal_are_not_waited_for(s3: Place, azure: Place) -> None:
    clock = SimulatedClock()
    assert s3.credential is not None
    missing = StorageUrl.parse("s3://no-such-bucket/x")
    storage = Storage([replace(s3.credential, profile=missing.profile)], patience=Patience(1800), clock=clock)
    with pytest.raises(StorageUnavailable, match="there is no 'no-such-bucket'") as raised:
        storage.read_bytes(missing)
    assert not isinstance(raised.value, TemporarilyUnavailable)
    assert azure.credential is not None
    wrong = replace(azure.credential, access_key=str(azure.credential.access_key).replace("Eby8", "AAAA"))
    with pytest.raises(AccessRefused):
        Storage([wrong], patience=Patience(1800), clock=clock).read_bytes(azure.root / "x")
    assert clock.monotonic() == 0


def test_a_missing_object_is_missing_at_once(place: Place) -> None:
    clock = SimulatedClock()
    storage = Storage([place.credential] if place.credential else [], patience=Patience(1800), clock=clock)
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(place.root / uuid.uuid4().hex)
    assert clock.monotonic() == 0


def test_storage_is_as_patient_in_another_process() -> None:
    storage = pickle.loads(pickle.dumps(Storage(patience=Patience(1800))))
    assert pickle.loads(pickle.dumps(storage))._waiter.patience == Patience(1800)


ASKED: dict[str, Callable[[Storage, StorageUrl], object]] = {
    "info": lambda storage, url: storage.info(url),
    "list": lambda storage, url: next(storage.walk(url)),
    "read": lambda storage, url: storage.read_bytes(url),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheme", ["s3", "azure", "gs"])
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_answer_that_comes_a_byte_at_a_time_ends_in_bounded_time(
    scheme: str, ask: Callable[[Storage, StorageUrl], object]
) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "10000")
            self.send_header("last-modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.send_header("etag", '"e"')
            if self.command == "HEAD":
                self.flush_headers()
                self.wfile.write(b"x-more: ")
            else:
                self.end_headers()
            for _ in range(10_000):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)

        do_HEAD = do_GET  # noqa: N815 - the base class says so

    with serving_http(Handler) as endpoint:
        limits = Limits(connect_seconds=1, read_seconds=1, attempts=1, answer_seconds=2)
        storage, url = at(endpoint, scheme, limits=limits)
        with pytest.raises(TemporarilyUnavailable):
            ask(storage, url)

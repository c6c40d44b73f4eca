"""Services that never end, crawl, unpack to gigabytes or say nonsense: one message, in bounded time and memory."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from vda_assets.osmo.auth import AccessTokenAuth, DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import (
    OsmoBusy,
    OsmoForbidden,
    OsmoStrangeAnswer,
    OsmoUnauthorized,
    OsmoUnavailable,
)
from vda_assets_tests.osmo.service import Asked, Reply, one_after_another, serving
from vda_assets_tests.osmo.test_client import task, workflow

ANSWER_SECONDS = 0.4
DENIED = Reply("access denied", 403, "text/plain")


def hasty(url: str, **more: object) -> OsmoClient:
    return OsmoClient(url, retry_budget_seconds=0.0, answer_seconds=ANSWER_SECONDS, **more)


@contextmanager
def answering_bytes(pieces: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """A server below HTTP: sends the pieces to whoever calls, and hangs up when they end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        for piece in pieces():
                            connection.sendall(piece)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def crawling(start: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(200):
        time.sleep(0.05)
        yield b"x"


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-name: ",
    ],
    ids=["body", "header"],
)
def test_an_answer_that_comes_byte_by_byte_is_given_up_after_its_time(start: bytes) -> None:
    with answering_bytes(lambda: crawling(start)) as url, hasty(url) as client:
        began = time.monotonic()
        with pytest.raises(OsmoUnavailable, match=r"no whole answer within 0.4 s"):
            client.version()
        assert time.monotonic() - began < 5 * ANSWER_SECONDS


def test_a_submission_that_is_answered_byte_by_byte_may_have_been_delivered() -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"
    with (
        answering_bytes(lambda: crawling(start)) as url,
        hasty(url) as client,
        pytest.raises(OsmoUnavailable) as caught,
    ):
        client.submit("workflow: {}", pool="default")
    assert caught.value.maybe_delivered


def test_a_login_that_is_renewed_byte_by_byte_is_given_up_after_its_time() -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"
    with answering_bytes(lambda: crawling(start)) as url:
        auth = AccessTokenAuth(url, access_token="a token", source="the test")
        began = time.monotonic()
        with hasty(url, auth=auth) as client, pytest.raises(OsmoUnavailable) as caught:
            client.cancel("traffic-1")
    assert not caught.value.maybe_delivered
    assert time.monotonic() - began < 5 * ANSWER_SECONDS


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * 2**20


@pytest.mark.parametrize("status", [200, 400])
def test_a_body_without_end_is_given_up(status: int) -> None:
    with serving(lambda asked: Reply(status=status, chunks=endless())) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoStrangeAnswer, match=r"GET /api/version is longer than 64 MiB"):
            client.version()
        assert len(service.asked) == 1


def test_a_body_that_unpacks_to_much_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(2**26))
    reply = Reply(headers=(("content-encoding", "gzip"),), chunks=[bomb])
    with (
        serving(lambda asked: reply) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoStrangeAnswer, match="compressed"),
    ):
        client.version()
    assert service.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "version", [{"major": "six", "minor": "4"}, {"major": "6", "minor": "x"}, {"major": "9" * 5000}]
)
def test_a_version_that_is_no_number_is_no_osmo(version: dict[str, str]) -> None:
    with (
        serving(lambda asked: Reply(version)) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoStrangeAnswer, match="is this the URL of an OSMO service"),
    ):
        client.version()


@pytest.mark.parametrize("body", ["[" * 100_000, '{"detail": ["odd", {"loc": 7}]}', '{"message": {"a": 1}}', "<html>"])
def test_a_refusal_in_any_shape_is_a_refusal(body: str) -> None:
    with (
        serving(lambda asked: Reply(body, 401, "text/plain")) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoUnauthorized),
    ):
        client.version()


def test_a_list_that_ignores_the_offset_ends_with_an_error() -> None:
    page = [workflow(number) for number in range(10)]
    with serving(lambda asked: Reply({"workflows": page, "more_entries": True})) as service:
        with OsmoClient(service.url) as client, pytest.raises(OsmoStrangeAnswer, match="same page for every offset"):
            list(client.workflows())
        assert len(service.asked) == 2
    page = [task(number) for number in range(1000)]
    with serving(lambda asked: Reply({"tasks": page})) as service:
        with OsmoClient(service.url) as client, pytest.raises(OsmoStrangeAnswer, match="same page for every offset"):
            list(client.tasks(workflow_id="traffic"))
        assert len(service.asked) == 2


def test_a_list_without_end_ends_with_an_error() -> None:
    numbers = itertools.count()
    answer = lambda asked: Reply({"workflows": [workflow(next(numbers))], "more_entries": True})  # noqa: E731
    with (
        serving(answer) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoStrangeAnswer, match="does not end after 1000 pages"),
    ):
        list(client.workflows())


def test_a_submission_with_a_strange_answer_may_have_been_taken() -> None:
    with (
        serving(lambda asked: Reply("<html>", content_type="text/html")) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoUnavailable, match="may have been taken") as caught,
    ):
        client.submit("workflow: {}", pool="default")
    assert caught.value.maybe_delivered


def test_a_missing_permission_is_no_bad_login() -> None:
    with (
        serving(lambda asked: DENIED) as service,
        OsmoClient(service.url, DevUserAuth("me")) as client,
        pytest.raises(OsmoForbidden) as caught,
    ):
        client.pod_templates()
    assert (caught.value.status, caught.value.service_message) == (403, "access denied")
    assert "GET /api/configs/pod_template: access denied (HTTP 403); the login is fine" in str(caught.value)
    assert client_remedy() not in str(caught.value)


def test_a_missing_permission_is_named_when_the_service_names_it() -> None:
    denied = Reply({"detail": "config:Read is missing"}, 403)
    with (
        serving(lambda asked: denied) as service,
        OsmoClient(service.url, DevUserAuth("me")) as client,
        pytest.raises(OsmoForbidden, match="config:Read is missing"),
    ):
        client.pod_templates()


def test_a_refused_login_says_what_helps() -> None:
    with (
        serving(lambda asked: Reply({"detail": "no"}, 401)) as service,
        OsmoClient(service.url, DevUserAuth("me")) as client,
        pytest.raises(OsmoUnauthorized) as caught,
    ):
        client.version()
    assert client_remedy() in str(caught.value)


def client_remedy() -> str:
    return DevUserAuth("me").remedy


@pytest.mark.parametrize(
    "refusal",
    [
        Reply("rate limited", 429, "text/plain"),
        Reply({"message": "User me cannot submit more than 5 ongoing workflows.", "error_code": "USER"}, 400),
        Reply({"message": "User me cannot submit more than 50 ongoing tasks.", "error_code": "USER"}, 400),
        Reply(
            {"message": "Pool default is undergoing maintenance. Users will have to wait", "error_code": "USAGE"}, 400
        ),
    ],
    ids=["rate", "workflows", "tasks", "maintenance"],
)
def test_a_refusal_of_the_moment_is_told_from_one_for_good(refusal: Reply) -> None:
    with serving(lambda asked: refusal) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoBusy, match="takes no more for now") as caught:
            client.submit("workflow: {}", pool="default")
        assert len(service.asked) == 1
    assert not caught.value.maybe_delivered


def test_a_read_that_is_refused_for_the_moment_is_asked_again() -> None:
    answers = one_after_another(Reply("slow down", 429, "text/plain"), Reply({"workflows": [], "more_entries": False}))
    with serving(answers) as service, OsmoClient(service.url) as client:
        assert list(client.workflows()) == []
        assert len(service.asked) == 2


def test_priority_and_labels_go_with_a_submission_and_its_warnings_come_back() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply({"name": "traffic-1", "warnings": ["Workflow is missing label 'team'"]})

    with serving(answer) as service, OsmoClient(service.url) as client:
        result = client.submit("workflow: {}", pool="default", labels={"project": "x"}, priority="LOW")
        assert client.validate("workflow: {}", pool="default").warnings == result.warnings
    assert result.warnings == ("Workflow is missing label 'team'",)
    assert service.asked[0].query == [("priority", "LOW"), ("label", "project=x")]

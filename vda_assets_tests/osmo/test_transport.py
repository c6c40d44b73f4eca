"""What the client does when the way to the service, or the service itself, is in trouble."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import GenericCredential, RegistryCredential
from vda_assets.osmo.errors import (
    OsmoNotFound,
    OsmoRefused,
    OsmoServerError,
    OsmoSubmissionRefused,
    OsmoUnauthorized,
    OsmoUnavailable,
)
from vda_assets.osmo.transport import Transport
from vda_assets_tests.osmo.service import VERSION, Reply, one_after_another, serving

SUBMITTED = Reply({"name": "traffic-1", "warnings": []})


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else takes it, but not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def impatient(url: str) -> OsmoClient:
    return OsmoClient(url, retry_budget_seconds=0.0)


def test_a_post_whose_connection_drops_may_have_been_delivered_and_is_not_sent_again() -> None:
    with serving(lambda asked: Reply(hang_up=True)) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoUnavailable, match=r"POST .*/api/pool/default/workflow") as caught:
            client.submit("workflow: {}", pool="default")
        assert caught.value.maybe_delivered
        assert len(service.asked) == 1


def test_a_post_to_a_closed_port_was_not_delivered(closed_port: int) -> None:
    with OsmoClient(f"http://127.0.0.1:{closed_port}") as client:
        with pytest.raises(OsmoUnavailable, match="refused") as caught:
            client.submit("workflow: {}", pool="default")
        assert not caught.value.maybe_delivered


@pytest.mark.parametrize(("status", "maybe_delivered"), [(429, False), (502, True), (503, True), (504, True)])
def test_a_post_that_a_gateway_answers_is_not_sent_again(status: int, maybe_delivered: bool) -> None:
    reply = Reply("upstream connect error", status, "text/plain")
    with serving(lambda asked: reply) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoUnavailable, match=f"upstream connect error .HTTP {status}") as caught:
            client.cancel("traffic-1")
        assert caught.value.maybe_delivered is maybe_delivered
        assert len(service.asked) == 1


@pytest.mark.parametrize(
    "trouble", [Reply("busy", 503, "text/plain"), Reply("slow down", 429, "text/plain"), Reply(hang_up=True)]
)
def test_a_get_is_tried_again_until_it_works(trouble: Reply) -> None:
    with serving(one_after_another(trouble, trouble, VERSION)) as service, OsmoClient(service.url) as client:
        assert str(client.version()) == "6.4.0"
        assert len(service.asked) == 3


def test_a_get_gives_up_when_its_budget_is_spent(closed_port: int) -> None:
    with impatient(f"http://127.0.0.1:{closed_port}") as client, pytest.raises(OsmoUnavailable) as caught:
        client.version()
    assert not caught.value.maybe_delivered


def test_a_service_that_starts_late_is_waited_for() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        answers: list[str] = []

        def ask() -> None:
            with OsmoClient(f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
                answers.append(str(client.version()))

        asking = threading.Thread(target=ask)
        asking.start()
        listening.listen()
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            body = b'{"major": "6", "minor": "4", "revision": "0"}'
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            asking.join(timeout=60)
    assert answers == ["6.4.0"]


def test_a_bug_of_the_service_is_not_tried_again() -> None:
    reply = Reply({"message": "Internal server error: nobody knows"}, 500)
    with serving(lambda asked: reply) as service, OsmoClient(service.url) as client:
        with pytest.raises(
            OsmoServerError, match=r"GET /api/version: Internal server error: nobody knows \(HTTP 500\)"
        ):
            client.version()
        assert len(service.asked) == 1


@pytest.mark.parametrize(
    "reply", [Reply("<html>a login page</html>", 200, "text/html"), Reply({"minor": "4"}), Reply(["6"])]
)
def test_an_answer_that_osmo_does_not_give_asks_whether_the_url_is_right(reply: Reply) -> None:
    with (
        serving(lambda asked: reply) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoServerError, match="is this the URL of an OSMO service"),
    ):
        client.version()


def test_a_redirect_is_not_followed_but_named_without_its_query() -> None:
    reply = Reply("", 302, "text/plain", headers=(("location", "https://login.example.com/auth?state=secret"),))
    with (
        serving(lambda asked: reply) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoRefused, match=r"https://login\.example\.com/auth;") as caught,
    ):
        client.version()
    assert "secret" not in str(caught.value)


def test_an_unknown_path_is_not_mistaken_for_an_unknown_workflow() -> None:
    with (
        serving(lambda asked: Reply({"detail": "Not Found"}, 404)) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoRefused) as caught,
    ):
        client.workflow("traffic-1")
    assert not isinstance(caught.value, OsmoNotFound)


@pytest.mark.parametrize("status", [401, 403])
def test_without_a_login_the_refusal_says_how_to_get_one(status: int) -> None:
    with (
        serving(lambda asked: Reply("Jwt is missing", status, "text/plain")) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoUnauthorized, match=r"Jwt is missing.*osmo login") as caught,
    ):
        client.submit("workflow: {}", pool="default")
    assert caught.value.status == status


def test_a_refused_credential_is_not_repeated_in_the_error() -> None:
    echo = Reply({"detail": [{"loc": ["body"], "msg": "bad s3cr3t", "input": {"auth": "s3cr3t"}}]}, 422)
    with serving(lambda asked: echo) as service, OsmoClient(service.url) as client:
        for value in (
            RegistryCredential(registry="nvcr.io", auth="s3cr3t"),
            GenericCredential(credential={"token": "s3cr3t"}),
        ):
            with pytest.raises(OsmoRefused, match=r"body: bad \[secret\]") as caught:
                client.set_credential("nvcr_io", value)
            assert "s3cr3t" not in repr(caught.value) + caught.value.service_message + repr(value)


def test_a_bearer_that_a_proxy_echoes_is_not_repeated_in_the_error() -> None:
    echo = Reply("cannot pass on Authorization: Bearer eyJh.eyJi.c2ln", 400, "text/plain")
    with (
        serving(lambda asked: echo) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoRefused, match=r"Authorization: \[token\]") as caught,
    ):
        client.version()
    assert "eyJ" not in str(caught.value)


@pytest.mark.parametrize("url", ["osmo.example.com", "ftp://osmo", "http://", "https://me:pw@osmo.example.com"])
def test_a_url_that_cannot_work_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the URL of the OSMO service") as caught:
        OsmoClient(url)
    assert "pw" not in str(caught.value)


def test_a_path_in_front_of_the_service_is_kept() -> None:
    with serving(lambda asked: VERSION) as service, OsmoClient(f"{service.url}/osmo/", user_agent="ours/1") as client:
        client.version()
        assert repr(client) == f"OsmoClient('{service.url}/osmo')"
    assert service.asked[0].path == "/osmo/api/version"
    assert service.asked[0].headers["user-agent"] == "ours/1"


def tail(url: str, *, seconds: float = 60.0, quiet_seconds: float = 5.0) -> list[str]:
    transport = Transport(url, None, user_agent="ours/1", retry_budget_seconds=0.0)
    return transport.tail("/api/workflow/w-1/logs", (), lines=3, seconds=seconds, quiet_seconds=quiet_seconds)


def test_a_log_that_stays_open_ends_after_a_quiet_time() -> None:
    tested = threading.Event()

    def open_log() -> Iterator[bytes]:
        yield b"one\ntwo\n"
        tested.wait(timeout=60)

    with serving(lambda asked: Reply(chunks=open_log(), content_type="text/plain")) as service:
        assert tail(service.url, quiet_seconds=0.2) == ["one", "two"]
        tested.set()


def test_a_log_that_never_stops_ends_after_its_time() -> None:
    def endless() -> Iterator[bytes]:
        for number in itertools.count():
            yield b"line %d\n" % number
            time.sleep(0.001)

    with serving(lambda asked: Reply(chunks=endless(), content_type="text/plain")) as service:
        lines = tail(service.url, seconds=0.3)
    assert len(lines) == 3
    assert all(line.startswith("line ") for line in lines)


def test_a_line_of_a_log_that_never_ends_is_cut() -> None:
    def endless() -> Iterator[bytes]:
        yield b"one\n"
        while True:
            yield b"x" * 2**20

    with serving(lambda asked: Reply(chunks=endless(), content_type="text/plain")) as service:
        with pytest.raises(OsmoServerError, match="longer than 64 MiB"):
            tail(service.url)
        cut = (tail(service.url, seconds=0.05) or [""])[-1]
    assert len(cut) <= 2**16


def test_a_log_that_breaks_off_says_so() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one\n"
        raise ConnectionAbortedError

    with (
        serving(lambda asked: Reply(chunks=broken(), content_type="text/plain")) as service,
        pytest.raises(OsmoUnavailable, match=r"GET .*/api/workflow/w-1/logs"),
    ):
        tail(service.url)


def test_a_log_is_asked_for_once() -> None:
    with serving(lambda asked: Reply("busy", 503, "text/plain")) as service, OsmoClient(service.url) as client:
        with pytest.raises(OsmoUnavailable):
            client.log_tail("traffic-1", task="setup", lines=5)
        assert len(service.asked) == 1


def test_a_log_keeps_letters_beyond_the_ascii_that_the_service_claims() -> None:
    log = Reply("Größe: 3 µm\n", content_type="text/plain; charset=us-ascii")
    with serving(lambda asked: log) as service, OsmoClient(service.url) as client:
        assert client.log_tail("traffic-1", task="setup", lines=5) == ["Größe: 3 µm"]


def test_the_tail_holds_the_newest_lines_even_if_more_come() -> None:
    log = Reply("one\ntwo\nthree\n", content_type="text/plain")
    with serving(lambda asked: log) as service, OsmoClient(service.url) as client:
        assert client.log_tail("traffic-1", task="setup", lines=2) == ["two", "three"]
    assert service.asked[0].query == [("task_name", "setup"), ("last_n_lines", "2")]


def test_a_log_of_an_unknown_workflow_is_refused() -> None:
    unknown = Reply({"message": "Workflow nope-1 is not found.", "error_code": "DATABASE", "workflow_id": None}, 400)
    with (
        serving(lambda asked: unknown) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoNotFound),
    ):
        client.log_tail("nope-1", task="setup", lines=5)


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    with serving(lambda asked: SUBMITTED) as service, OsmoClient(service.url) as client:
        client.submit("workflow: {}", pool="a/../b?c")
    assert service.asked[0].path == "/api/pool/a%2F..%2Fb%3Fc/workflow"
    assert service.asked[0].query == [("priority", "NORMAL")]


def test_a_refused_submission_keeps_code_and_message_of_the_service() -> None:
    refusal = Reply({"message": "Could not find the credential: x.", "error_code": "CREDENTIAL"}, 400)
    with (
        serving(lambda asked: refusal) as service,
        OsmoClient(service.url) as client,
        pytest.raises(OsmoSubmissionRefused) as caught,
    ):
        client.submit("workflow: {}", pool="default")
    assert (caught.value.status, caught.value.error_code) == (400, "CREDENTIAL")
    assert caught.value.service_message == "Could not find the credential: x."

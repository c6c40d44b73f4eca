"""Dev users and access tokens, against a server that checks what it gets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from vda_assets.osmo.auth import AccessTokenAuth, DevUserAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoServerError, OsmoUnauthorized, OsmoUnavailable
from vda_assets_tests.osmo.service import VERSION, Asked, Reply, jwt, serving

TOKEN = "an-access-token-that-nobody-may-see-43-long"
EXCHANGE = "/api/auth/jwt/access_token"
UNAUTHORIZED = Reply("Jwt is expired", 401, "text/plain")


class Gateway:
    """Gives out JWTs for the access token and lets in whoever carries one that it has not withdrawn."""

    def __init__(self, *, lives_seconds: float = 300.0) -> None:
        self.lives_seconds = lives_seconds
        self.given_out: list[str] = []
        self.withdrawn: set[str] = set()

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == EXCHANGE:
            if asked.json != {"token": TOKEN}:
                return Reply({"message": f"Access Token {asked.json['token']} is invalid", "error_code": "USER"}, 400)
            self.given_out.append(jwt(lives_seconds=self.lives_seconds, name=f"number {len(self.given_out)}"))
            return Reply({"token": self.given_out[-1], "expires_at": 0})
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        return VERSION if bearer in self.given_out and bearer not in self.withdrawn else UNAUTHORIZED


def logged_in(url: str, access_token: str = TOKEN) -> OsmoClient:
    auth = AccessTokenAuth(url, access_token=access_token, source="the variable OSMO_ACCESS_TOKEN")
    return OsmoClient(url, auth, retry_budget_seconds=0.0)


def test_a_dev_user_is_named_in_a_header() -> None:
    with serving(lambda asked: VERSION) as service, OsmoClient(service.url, DevUserAuth("testuser")) as client:
        client.version()
    assert service.asked[0].headers["x-osmo-user"] == "testuser"
    assert "authorization" not in service.asked[0].headers


def test_a_dev_user_that_is_not_taken_is_told_what_else_there_is() -> None:
    with (
        serving(lambda asked: UNAUTHORIZED) as service,
        OsmoClient(service.url, DevUserAuth("testuser")) as client,
        pytest.raises(OsmoUnauthorized, match=r"'testuser'.*osmo login"),
    ):
        client.version()
    assert len(service.asked) == 1


def test_an_access_token_is_exchanged_once_for_many_calls() -> None:
    gateway = Gateway()
    with serving(gateway) as service, logged_in(service.url) as client:
        for _ in range(3):
            client.version()
    assert [asked.path for asked in service.asked] == [EXCHANGE, *["/api/version"] * 3]


def test_an_access_token_from_a_file_may_end_in_a_new_line() -> None:
    with serving(Gateway()) as service, logged_in(service.url, f"{TOKEN}\n") as client:
        client.version()


def test_a_jwt_is_renewed_before_it_ends() -> None:
    gateway = Gateway(lives_seconds=2.0)
    with serving(gateway) as service, logged_in(service.url) as client:
        client.version()
        client.version()
    assert len(gateway.given_out) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.version(),
        lambda client: client.log_tail("traffic-1", task="setup", lines=5),
        lambda client: client.cancel("traffic-1"),
    ],
)
def test_a_jwt_that_is_refused_in_the_middle_is_renewed_and_the_call_goes_through(
    call: Callable[[OsmoClient], object],
) -> None:
    gateway = Gateway()
    with serving(gateway) as service, logged_in(service.url) as client:
        client.version()
        gateway.withdrawn.add(gateway.given_out[0])
        call(client)
    assert len(gateway.given_out) == 2


def test_a_jwt_that_is_refused_again_and_again_is_renewed_once() -> None:
    gateway = Gateway()

    def nobody_gets_in(asked: Asked) -> Reply:
        return gateway(asked) if asked.path == EXCHANGE else UNAUTHORIZED

    with (
        serving(nobody_gets_in) as service,
        logged_in(service.url) as client,
        pytest.raises(OsmoUnauthorized, match="OSMO_ACCESS_TOKEN") as caught,
    ):
        client.version()
    assert [asked.path for asked in service.asked] == [EXCHANGE, "/api/version"] * 2
    assert not any(token in str(caught.value) for token in gateway.given_out)


def test_a_refused_access_token_names_the_variable_and_not_the_token() -> None:
    with serving(Gateway()) as service, logged_in(service.url, "wrong-token") as client:
        with pytest.raises(OsmoUnauthorized, match="the variable OSMO_ACCESS_TOKEN must hold a valid") as caught:
            client.submit("workflow: {}", pool="default")
        assert "wrong-token" not in str(caught.value) + caught.value.service_message + repr(client)
    assert [asked.path for asked in service.asked] == [EXCHANGE]


def test_an_empty_access_token_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(OsmoUnauthorized, match="the variable OSMO_ACCESS_TOKEN is empty"):
        logged_in("http://127.0.0.1:1", " \n")


@pytest.mark.parametrize("reply", [Reply("busy", 503, "text/plain"), Reply(hang_up=True)])
def test_a_post_that_waits_for_a_login_in_vain_was_not_delivered(reply: Reply) -> None:
    with serving(lambda asked: reply) as service, logged_in(service.url) as client:
        with pytest.raises(OsmoUnavailable) as caught:
            client.submit("workflow: {}", pool="default")
        assert not caught.value.maybe_delivered
    assert [asked.path for asked in service.asked] == [EXCHANGE]


@pytest.mark.parametrize("body", [{"expires_at": 0}, {"token": None, "error": "PENDING"}])
def test_an_exchange_without_a_token_is_a_bug_of_the_service(body: dict[str, object]) -> None:
    with (
        serving(lambda asked: Reply(body)) as service,
        logged_in(service.url) as client,
        pytest.raises(OsmoServerError, match="has no JWT as its token"),
    ):
        client.version()


@pytest.mark.parametrize("token", ["not a jwt", "a.b", "eyJh.bm8.c2ln\r\nx-osmo-user: admin"])
def test_what_is_no_jwt_is_not_sent_on(token: str) -> None:
    with serving(lambda asked: Reply({"token": token})) as service, logged_in(service.url) as client:
        with pytest.raises(OsmoServerError, match="has no JWT") as caught:
            client.version()
        assert token not in str(caught.value)
    assert [asked.path for asked in service.asked] == [EXCHANGE]


def test_threads_share_one_login() -> None:
    gateway = Gateway()
    with (
        serving(gateway) as service,
        logged_in(service.url) as client,
        ThreadPoolExecutor(max_workers=4) as threads,
    ):
        versions = list(threads.map(lambda _: client.version(), range(12)))
    assert len(versions) == 12
    assert len(gateway.given_out) == 1

"""An image is asked for at its registry, which decides who may pull it, and a login goes nowhere else."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from vda_assets.base.patience import NO_PATIENCE, Patience
from vda_assets.readiness.asking import Manners
from vda_assets.readiness.registry import Access, Answer, ImageReference, Login, ask_registry
from vda_assets_tests.registry_serving import BASIC, DIGEST, PASSWORD, USER, Registry, serving_registry

IMAGE = "nvidia/worker:1.0.0"
BRISK = Manners(20.0, Patience(5.0, first_pause_seconds=0.01))


def ask(registry: Registry, image: str = IMAGE, *, password: str | None = PASSWORD, manners: Manners = BRISK) -> Answer:
    logins = {registry.host: Login(USER, SecretStr(password))} if password else {}
    return ask_registry(registry.image(image), logins=logins, manners=manners)


@pytest.mark.parametrize(
    ("registry", "password", "access"),
    [
        (Registry(login="none"), None, Access.GRANTED),
        (Registry(open_to_all=True), None, Access.GRANTED),
        (Registry(open_to_all=True), "of-nobody", Access.GRANTED),
        (Registry(), PASSWORD, Access.GRANTED),
        (Registry(), None, Access.REFUSED),
        (Registry(), "of-nobody", Access.REFUSED),
        (Registry(forbids=True), PASSWORD, Access.REFUSED),
        (Registry(forbids=True, open_to_all=True), PASSWORD, Access.REFUSED),
        (Registry(login="basic"), PASSWORD, Access.GRANTED),
        (Registry(login="basic"), None, Access.REFUSED),
        (Registry(login="unreadable"), PASSWORD, Access.REFUSED),
        (Registry(takes_head=False), PASSWORD, Access.GRANTED),
        (Registry(tells_digest=False), PASSWORD, Access.GRANTED),
    ],
)
def test_the_registry_decides_who_may_pull_an_image(registry: Registry, password: str | None, access: Access) -> None:
    registry.images = {IMAGE}
    with serving_registry(registry):
        answer = ask(registry, password=password)
    assert (answer.access, answer.digest) == (access, DIGEST if access is Access.GRANTED else None)


@pytest.mark.parametrize("registry", [Registry(), Registry(open_to_all=True), Registry(login="none")])
def test_a_tag_that_is_not_there_is_missing(registry: Registry) -> None:
    with serving_registry(registry):
        assert ask(registry).access is Access.MISSING


def test_who_may_pull_without_a_login_shows_none() -> None:
    with serving_registry(Registry({IMAGE}, open_to_all=True)) as registry:
        ask(registry)
    assert BASIC not in registry.shown


@pytest.mark.parametrize("statuses", [[429], [500, 503], [429, 502, 503]])
def test_a_registry_that_is_busy_is_asked_again(statuses: list[int]) -> None:
    with serving_registry(Registry({IMAGE}, first=list(statuses))) as registry:
        assert ask(registry).access is Access.GRANTED


@pytest.mark.parametrize(
    ("registry", "cause"),
    [
        (Registry(first=[429] * 9), "it answers 429"),
        (Registry(first=[503] * 9), "it answers 503"),
        (Registry(first=[418] * 9), "it answers 418"),
        (Registry(trickles=True), "no whole answer within 0.5 s"),
    ],
)
def test_a_registry_that_stays_without_a_usable_answer_leaves_it_unknown(registry: Registry, cause: str) -> None:
    with serving_registry(registry):
        answer = ask(registry, manners=Manners(0.5, NO_PATIENCE))
    assert answer == Answer(Access.UNKNOWN, cause=cause)


@pytest.mark.parametrize("image", ["127.0.0.1:9/nvidia/worker:1", "127.0.0.1:99999999/worker:1"])
def test_a_registry_that_cannot_be_reached_leaves_it_unknown(image: str) -> None:
    assert ask_registry(image, logins={}, manners=BRISK).access is Access.UNKNOWN


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_neither_a_login_nor_a_token_follows_a_redirect_to_another_host(login: str) -> None:
    with (
        serving_registry(Registry({IMAGE}, login="none")) as elsewhere,
        serving_registry(Registry(login=login, redirect_to=elsewhere.url)) as registry,
    ):
        assert ask(registry).access is Access.GRANTED
    assert BASIC in registry.shown
    assert elsewhere.asked
    assert elsewhere.shown == set()


def test_whoever_it_redirects_to_cannot_ask_for_the_login() -> None:
    with (
        serving_registry(Registry({IMAGE})) as thief,
        serving_registry(Registry(login="none", redirect_to=thief.url)) as registry,
    ):
        assert ask(registry).access is Access.REFUSED
    assert thief.asked
    assert thief.shown | registry.shown == set()


@pytest.mark.parametrize(
    "realm", ["http://tokens.example.com/token", "ftp://127.0.0.1/token", "/token", "", "http://["]
)
def test_a_login_is_sent_to_no_token_service_without_tls(realm: str) -> None:
    with serving_registry(Registry({IMAGE}, realm=realm or " ")) as registry:
        assert ask(registry).access is not Access.GRANTED
    assert registry.shown == set()


@pytest.mark.parametrize(
    ("image", "host", "path", "reference"),
    [
        ("nvcr.io/nvidia/a:1.0.0", "nvcr.io", "nvidia/a", "1.0.0"),
        ("nvcr.io/nvidia/a", "nvcr.io", "nvidia/a", "latest"),
        ("host:5000/a", "host:5000", "a", "latest"),
        ("host:5000/a/b:2@sha256:0a", "host:5000", "a/b", "sha256:0a"),
        ("localhost/a@sha256:0a", "localhost", "a", "sha256:0a"),
        ("ubuntu:22.04", "registry-1.docker.io", "library/ubuntu", "22.04"),
        ("me/mine", "registry-1.docker.io", "me/mine", "latest"),
        ("docker.io/ubuntu", "registry-1.docker.io", "library/ubuntu", "latest"),
        ("[::1]:5000/a:b", "[::1]:5000", "a", "b"),
    ],
)
def test_an_image_is_named_as_docker_does(image: str, host: str, path: str, reference: str) -> None:
    assert ImageReference.parse(image) == ImageReference(host, path, reference)


@pytest.mark.parametrize(
    ("image", "scheme"),
    [
        ("127.0.0.1:5000/a", "http"),
        ("localhost:5000/a", "http"),
        ("[::1]:5000/a", "http"),
        ("nvcr.io/a", "https"),
        ("10.0.0.1:5000/a", "https"),
        ("127.0.0.1.example.com/a", "https"),
    ],
)
def test_only_this_machine_is_asked_without_tls(image: str, scheme: str) -> None:
    assert ImageReference.parse(image).manifest_url.startswith(f"{scheme}://")


def test_a_login_shows_in_no_repr() -> None:
    assert PASSWORD not in repr(Login(USER, SecretStr(PASSWORD)))

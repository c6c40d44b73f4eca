"""The login of the `osmo` command, used and renewed in place."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoUnauthorized, OsmoUnavailable
from vda_assets.osmo.login_file import LoginFileAuth, login_file_path
from vda_assets_tests.osmo.service import VERSION, Answers, Asked, Reply, jwt, serving

REFRESH_TOKEN = "a-refresh-token-that-nobody-may-see"


def keep(path: Path, url: str, *, mode: int = 0o600, **login: Any) -> Path:
    kept = {"url": url, "token_login": None, "dev_login": None, "osmo_token": False, "name": "Some Body", **login}
    path.write_text(yaml.safe_dump(kept))
    path.chmod(mode)
    return path


def token_login(url: str, *, id_token: str, **fields: Any) -> dict[str, Any]:
    kept = {"id_token": id_token, "refresh_token": REFRESH_TOKEN, "refresh_url": f"{url}/refresh"}
    return {**kept, "username": "somebody", "client_id": "osmo-device", **fields}


def kept_in(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def renewing_with(answer: dict[str, Any]) -> Answers:
    return lambda asked: Reply(answer) if asked.path == "/refresh" else VERSION


def patience_free(url: str, path: Path) -> OsmoClient:
    return OsmoClient(url, LoginFileAuth(path), retry_budget_seconds=0.0)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OSMO_CONFIG_FILE_DIR": "/a", "XDG_CONFIG_HOME": "/b"}, Path("/a/login.yaml")),
        ({"XDG_CONFIG_HOME": "/b"}, Path("/b/osmo/login.yaml")),
        ({}, Path.home() / ".config/osmo/login.yaml"),
    ],
)
def test_the_login_file_is_where_the_osmo_command_keeps_it(environ: dict[str, str], expected: Path) -> None:
    assert login_file_path(environ) == expected


def test_the_file_knows_its_service(tmp_path: Path) -> None:
    path = keep(tmp_path / "login.yaml", "https://osmo.example.com/", dev_login={"username": "testuser"})
    assert LoginFileAuth(path).service_url() == "https://osmo.example.com"


def test_a_dev_login_is_a_name_in_a_header(tmp_path: Path) -> None:
    with serving(lambda asked: VERSION) as service:
        path = keep(tmp_path / "login.yaml", service.url, dev_login={"username": "testuser"})
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
    assert service.asked[0].headers["x-osmo-user"] == "testuser"


def test_a_living_token_is_sent_as_it_is(tmp_path: Path) -> None:
    token = jwt(lives_seconds=300)
    with serving(lambda asked: VERSION) as service:
        path = keep(tmp_path / "login.yaml", service.url, token_login=token_login(service.url, id_token=token))
        before = path.read_text()
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
    assert [asked.headers["authorization"] for asked in service.asked] == [f"Bearer {token}"]
    assert path.read_text() == before


@pytest.mark.parametrize("lives_seconds", [2.0, -100.0])
def test_an_access_token_login_is_renewed_and_written_back(tmp_path: Path, lives_seconds: float) -> None:
    renewed = jwt(lives_seconds=300, name="renewed")
    with serving(renewing_with({"token": renewed, "expires_at": 0})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=lives_seconds))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login, osmo_token=True)
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
            client.version()
    assert [asked.path for asked in service.asked] == ["/refresh", "/api/version", "/api/version"]
    assert service.asked[0].json == {"token": REFRESH_TOKEN}
    assert service.asked[1].headers["authorization"] == f"Bearer {renewed}"
    assert kept_in(path) == {
        "url": service.url,
        "token_login": {**login, "id_token": renewed},
        "dev_login": None,
        "osmo_token": True,
        "name": "Some Body",
    }


def test_an_oauth_login_is_renewed_with_its_refresh_token_which_changes_too(tmp_path: Path) -> None:
    renewed = jwt(lives_seconds=300, name="renewed")
    with serving(renewing_with({"id_token": renewed, "refresh_token": "the next one"})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login)
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
    assert service.asked[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": REFRESH_TOKEN,
        "client_id": "osmo-device",
    }
    assert kept_in(path)["token_login"] == {**login, "id_token": renewed, "refresh_token": "the next one"}


def test_a_token_that_the_service_refuses_is_renewed_once(tmp_path: Path) -> None:
    renewed = jwt(lives_seconds=300, name="renewed")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/refresh":
            return Reply({"token": renewed})
        return VERSION if asked.headers["authorization"] == f"Bearer {renewed}" else Reply("no", 401, "text/plain")

    with serving(answer) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=300))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login, osmo_token=True)
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
    assert [asked.path for asked in service.asked] == ["/api/version", "/refresh", "/api/version"]


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o400, 0o400), (0o644, 0o600)])
def test_a_renewed_login_is_never_open_to_others(tmp_path: Path, before: int, after: int) -> None:
    with serving(renewing_with({"token": jwt(lives_seconds=300)})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, mode=before, token_login=login, osmo_token=True)
        with OsmoClient(service.url, LoginFileAuth(path)) as client:
            client.version()
    assert stat.S_IMODE(path.stat().st_mode) == after
    assert [entry.name for entry in tmp_path.iterdir()] == ["login.yaml"]


def test_a_link_to_the_login_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    with serving(renewing_with({"token": jwt(lives_seconds=300)})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login, osmo_token=True)
        link.symlink_to(path)
        with OsmoClient(service.url, LoginFileAuth(link)) as client:
            client.version()
    assert link.is_symlink()
    assert kept_in(path)["token_login"]["id_token"] != login["id_token"]


def ask_for_the_version(url: str, path: Path) -> None:
    with OsmoClient(url, LoginFileAuth(path)) as client:
        client.version()


def test_processes_that_share_a_login_renew_it_once(tmp_path: Path) -> None:
    with serving(renewing_with({"token": jwt(lives_seconds=300)})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login, osmo_token=True)
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=ask_for_the_version, args=(service.url, path)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0, 0]
    assert [asked.path for asked in service.asked].count("/refresh") == 1


def test_a_refused_renewal_names_the_file_and_osmo_login_and_no_token(tmp_path: Path) -> None:
    refusal = Reply({"error": "invalid_grant", "error_description": f"{REFRESH_TOKEN} is not active"}, 400)
    with serving(lambda asked: refusal) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login)
        before = path.read_text()
        with (
            patience_free(service.url, path) as client,
            pytest.raises(OsmoUnauthorized, match=rf"is not active.*{path}: run `osmo login`") as caught,
        ):
            client.version()
    assert REFRESH_TOKEN not in str(caught.value) + caught.value.service_message
    assert path.read_text() == before


def test_a_renewal_that_finds_nobody_may_be_tried_again(tmp_path: Path) -> None:
    with serving(lambda asked: Reply(hang_up=True)) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login)
        with patience_free(service.url, path) as client, pytest.raises(OsmoUnavailable) as caught:
            client.cancel("traffic-1")
    assert not caught.value.maybe_delivered
    assert kept_in(path)["token_login"] == login


@pytest.mark.parametrize("missing", ["refresh_url", "refresh_token"])
def test_a_login_that_ended_and_cannot_be_renewed_asks_for_a_new_one(tmp_path: Path, missing: str) -> None:
    with serving(lambda asked: VERSION) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1), **{missing: None})
        path = keep(tmp_path / "login.yaml", service.url, token_login=login)
        with patience_free(service.url, path) as client, pytest.raises(OsmoUnauthorized, match="cannot be renewed"):
            client.version()
    assert service.asked == []


def test_a_token_does_not_travel_to_another_service(tmp_path: Path) -> None:
    with serving(lambda asked: VERSION) as service:
        login = token_login("https://osmo.example.com", id_token=jwt(lives_seconds=300))
        path = keep(tmp_path / "login.yaml", "https://osmo.example.com", token_login=login)
        with (
            patience_free(service.url, path) as client,
            pytest.raises(OsmoUnauthorized, match=rf"a login to https://osmo.example.com, not to {service.url}"),
        ):
            client.version()
    assert service.asked == []


def test_a_refresh_token_does_not_travel_in_the_clear(tmp_path: Path) -> None:
    with serving(lambda asked: VERSION) as service:
        login = token_login("http://osmo.example.com", id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login)
        with patience_free(service.url, path) as client, pytest.raises(OsmoUnauthorized, match="is not https"):
            client.version()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; run `osmo login`"),
        ("url: [secret", "is not valid YAML"),
        ("just words", "url: Field required"),
        ("url: http://127.0.0.1:1", "neither token_login nor dev_login"),
        ("url: http://127.0.0.1:1\ntoken_login: {id_token: [secret]}", "token_login.id_token: Input should be a valid"),
        ("url: http://127.0.0.1:1\ntoken_login: {id_token: secret}", "not a JWT"),
    ],
)
def test_a_login_file_that_is_no_use_is_named_and_not_quoted(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "login.yaml"
    if content is not None:
        path.write_text(content)
    with patience_free("http://127.0.0.1:1", path) as client, pytest.raises(OsmoUnauthorized) as caught:
        client.version()
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_login_that_could_not_be_kept_is_not_renewed(tmp_path: Path) -> None:
    with serving(renewing_with({"token": jwt(lives_seconds=300)})) as service:
        login = token_login(service.url, id_token=jwt(lives_seconds=-1))
        path = keep(tmp_path / "login.yaml", service.url, token_login=login, osmo_token=True)
        tmp_path.chmod(0o500)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with patience_free(service.url, path) as client, pytest.raises(OsmoUnauthorized, match="read-only"):
            client.version()
        tmp_path.chmod(0o700)
    assert service.asked == []

"""Which login a deployment's settings lead to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vda_assets.osmo.connect import connect
from vda_assets.osmo.errors import OsmoUnauthorized
from vda_assets_tests.osmo.service import VERSION, Asked, Reply, jwt, serving

JWT = jwt(lives_seconds=300)


def answer(asked: Asked) -> Reply:
    return Reply({"token": JWT}) if asked.method == "POST" else VERSION


def test_a_named_variable_holds_the_access_token() -> None:
    with serving(answer) as service:
        with connect(service.url, token_env="MY_TOKEN", user="ignored", environment={"MY_TOKEN": "t0k3n"}) as client:
            client.version()
        assert [asked.json for asked in service.asked] == [{"token": "t0k3n"}, None]
        assert service.asked[1].headers["authorization"] == f"Bearer {JWT}"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(OsmoUnauthorized, match="the variable MY_TOKEN is empty"):
        connect("http://127.0.0.1:1", token_env="MY_TOKEN", user=None, environment={})


def test_without_a_variable_the_dev_user_is_named() -> None:
    with serving(answer) as service:
        with connect(service.url, token_env=None, user="testuser", environment={}) as client:
            client.version()
        assert service.asked[0].headers["x-osmo-user"] == "testuser"


def test_without_both_the_login_of_the_osmo_command_is_used(tmp_path: Path) -> None:
    environment = {"OSMO_CONFIG_FILE_DIR": str(tmp_path)}
    with serving(answer) as service:
        with (
            connect(service.url, token_env=None, user=None, environment=environment) as client,
            pytest.raises(OsmoUnauthorized, match=str(tmp_path / "login.yaml")),
        ):
            client.version()
        (tmp_path / "login.yaml").write_text(f"url: {service.url}\ndev_login: {{username: somebody}}\n")
        with connect(service.url, token_env=None, user=None, environment=environment) as client:
            client.version()
        assert service.asked[0].headers["x-osmo-user"] == "somebody"


class OneToken:
    """Takes one access token, and remembers with which one each call came."""

    def __init__(self) -> None:
        self.valid = ""
        self.calls: list[str] = []
        self._jwts: dict[str, str] = {}

    def __call__(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            token = asked.json["token"]
            if token != self.valid:
                return Reply({"message": "Access Token is invalid", "error_code": "USER"}, 400)
            self._jwts[jwt(lives_seconds=300, name=token)] = token
            return Reply({"token": next(reversed(self._jwts))})
        token = self._jwts[asked.headers["authorization"].removeprefix("Bearer ")]
        self.calls.append(token)
        return VERSION if token == self.valid else Reply("revoked", 401, "text/plain")


def as_kubernetes_does(folder: Path, number: int, token: str) -> None:
    """Swaps the link that the file of a mounted secret lies behind."""
    (folder / f"..{number}").mkdir()
    (folder / f"..{number}" / "token").write_text(token)
    (folder / "..next").symlink_to(f"..{number}")
    (folder / "..next").replace(folder / "..data")
    if not (folder / "token").is_symlink():
        (folder / "token").symlink_to("..data/token")


def test_a_token_whose_file_is_replaced_counts_from_the_next_call_on(tmp_path: Path) -> None:
    service_side = OneToken()
    with serving(service_side) as service:
        as_kubernetes_does(tmp_path, 1, "first")
        service_side.valid = "first"
        with connect(service.url, token_file=tmp_path / "token", environment={}) as client:
            client.version()
            client.version()
            as_kubernetes_does(tmp_path, 2, "second\n")
            service_side.valid = "second"
            client.version()
        assert service_side.calls == ["first", "first", "second"]


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_text(" \n"), lambda path: path.write_bytes(b"\xff")]
)
def test_a_file_that_is_spoiled_for_a_moment_costs_nothing(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    file = tmp_path / "token"
    with serving(answer) as service:
        file.write_text("t0k3n")
        with connect(service.url, token_file=file, environment={}) as client:
            spoil(file)
            client.version()
        assert service.asked[0].json == {"token": "t0k3n"}
        if file.exists():
            with pytest.raises(
                OsmoUnauthorized, match=r"the access token in .*token (is empty|cannot be read: it is no)"
            ):
                connect(service.url, token_file=file, environment={})

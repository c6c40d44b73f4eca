"""Which login a deployment's settings lead to."""

from __future__ import annotations

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

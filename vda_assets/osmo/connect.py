"""A client with the login that a deployment asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vda_assets.osmo.auth import AccessTokenAuth, DevUserAuth, OsmoAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.login_file import LoginFileAuth, login_file_path


def connect(
    url: str,
    *,
    token_env: str | None = None,
    token_file: Path | None = None,
    user: str | None = None,
    environment: Mapping[str, str],
    answer_seconds: float = 60.0,
    retry_budget_seconds: float = 60.0,
) -> OsmoClient:
    """Logs in with the access token in the variable `token_env` or in `token_file`, else as dev user `user`, else as
    `osmo login` did.

    `answer_seconds` is how long one answer is waited for, `retry_budget_seconds` for how long reads are tried again.
    Raises OsmoUnauthorized when there is no token; a missing login file is noticed by the first call.
    """
    auth: OsmoAuth
    if token_env:
        token = environment.get(token_env, "")
        auth = AccessTokenAuth(url, access_token=token, source=f"the variable {token_env}")
    elif token_file:
        auth = AccessTokenAuth(url, access_token=token_file, source=f"the access token in {token_file}")
    elif user:
        auth = DevUserAuth(user)
    else:
        auth = LoginFileAuth(login_file_path(environment))
    return OsmoClient(url, auth, answer_seconds=answer_seconds, retry_budget_seconds=retry_budget_seconds)

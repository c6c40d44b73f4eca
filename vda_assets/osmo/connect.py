"""A client with the login that a deployment asks for."""

from __future__ import annotations

from collections.abc import Mapping

from vda_assets.osmo.auth import AccessTokenAuth, DevUserAuth, OsmoAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.login_file import LoginFileAuth, login_file_path


def connect(
    url: str, *, token_env: str | None, user: str | None, environment: Mapping[str, str], answer_seconds: float = 60.0
) -> OsmoClient:
    """Logs in with the access token in the variable `token_env`, else as dev user `user`, else as `osmo login` did.

    `answer_seconds` is how long one answer is waited for. Raises OsmoUnauthorized when the variable is empty; a missing
    login file is noticed by the first call.
    """
    auth: OsmoAuth
    if token_env:
        token = environment.get(token_env, "")
        auth = AccessTokenAuth(url, access_token=token, source=f"the variable {token_env}")
    elif user:
        auth = DevUserAuth(user)
    else:
        auth = LoginFileAuth(login_file_path(environment))
    return OsmoClient(url, auth, answer_seconds=answer_seconds)

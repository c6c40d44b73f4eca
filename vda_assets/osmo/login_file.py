"""The login that the `osmo` command (6.4) keeps in `login.yaml`: read, used, and renewed in place."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vda_assets.base.bounded import Unreadable, load_yaml, read_regular_file
from vda_assets.osmo.auth import (
    USER_HEADER,
    Header,
    HeaderFlow,
    OsmoAuth,
    access_token_request,
    bearer,
    ends_soon,
    jwt_of,
    renewal_request,
    renewed_login,
)
from vda_assets.osmo.errors import OsmoUnauthorized

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def login_file_path(environ: Mapping[str, str]) -> Path:
    """The `osmo` command's login file, in OSMO_CONFIG_FILE_DIR, else XDG_CONFIG_HOME/osmo, else ~/.config/osmo."""
    if directory := environ.get("OSMO_CONFIG_FILE_DIR"):
        return Path(directory).expanduser() / "login.yaml"
    config_home = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config_home).expanduser() / "osmo" / "login.yaml"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _TokenLogin(_Kept):
    id_token: str
    refresh_token: str | None = None
    refresh_url: str | None = None
    client_id: str | None = None


class _DevLogin(_Kept):
    username: str


class _Login(_Kept):
    url: str
    token_login: _TokenLogin | None = None
    dev_login: _DevLogin | None = None
    osmo_token: bool = False


class LoginFileAuth(OsmoAuth):
    """Logs in as whoever ran `osmo login` last; the file is read anew for each request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.remedy = f"the login is kept in {path}: run `osmo login`"

    def service_url(self) -> str:
        """The service that this login is for. Raises OsmoUnauthorized when there is no login."""
        return self._read().url.rstrip("/")

    def header(self, request: httpx.Request, *, refused: Header | None) -> HeaderFlow:
        login = self._read()
        if login.dev_login is not None:
            return (USER_HEADER, login.dev_login.username)
        token = self._token_login(login, request)
        if not self._is_due(token, refused):
            return bearer(token.id_token)
        with self._alone():
            # Another process may have renewed it while this one waited.
            login = self._read()
            token = self._token_login(login, request)
            if self._is_due(token, refused):
                self._refuse_unless_renewable(token)
                answer = renewed_login(
                    (yield self._renewal(login, token, request)), remedy=self.remedy, secret=token.refresh_token or ""
                )
                token = token.model_copy(update=_renewed_fields(answer, osmo_token=login.osmo_token))
                self._write(token)
            return bearer(token.id_token)

    def _is_due(self, token: _TokenLogin, refused: Header | None) -> bool:
        return bearer(token.id_token) == refused or ends_soon(token.id_token, remedy=self.remedy)

    def _token_login(self, login: _Login, request: httpx.Request) -> _TokenLogin:
        if login.token_login is None:
            raise OsmoUnauthorized(f"{self._path} holds neither token_login nor dev_login; {self.remedy}")
        if _origin(httpx.URL(login.url)) != _origin(request.url):
            # A token must not travel to a service that it was not made for.
            raise OsmoUnauthorized(
                f"{self._path} is a login to {login.url}, not to {request.url.scheme}://{request.url.netloc.decode()}; "
                "run `osmo login` with the URL that is configured"
            )
        return login.token_login

    def _refuse_unless_renewable(self, token: _TokenLogin) -> None:
        if token.refresh_url is None or token.refresh_token is None:
            raise OsmoUnauthorized(f"the login ended and cannot be renewed; {self.remedy}")
        # A provider may take each refresh token once: what cannot be kept must not be renewed.
        if not os.access(self._path.resolve().parent, os.W_OK):
            raise OsmoUnauthorized(
                f"the login in {self._path} ended and its folder is read-only, so it cannot be renewed; "
                "use an access token instead"
            )

    def _renewal(self, login: _Login, token: _TokenLogin, request: httpx.Request) -> httpx.Request:
        assert token.refresh_url is not None
        assert token.refresh_token is not None
        if login.osmo_token:
            return access_token_request(token.refresh_url, token.refresh_token, on_behalf_of=request)
        url = httpx.URL(token.refresh_url)
        if url.scheme != "https" and url.host not in _LOOPBACK:
            raise OsmoUnauthorized(f"refresh_url in {self._path} is not https; {self.remedy}")
        form = {"grant_type": "refresh_token", "refresh_token": token.refresh_token}
        if token.client_id is not None:
            form["client_id"] = token.client_id
        return renewal_request(token.refresh_url, on_behalf_of=request, data=form)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One renewal at a time among all threads and processes; the folder itself is the lock."""
        folder = os.open(self._path.resolve().parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _load(self) -> dict[str, Any]:
        try:
            content = load_yaml(read_regular_file(self._path))
        except Unreadable as error:
            raise OsmoUnauthorized(f"no OSMO login: {self._path} {error}; run `osmo login`") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            # The parser's own message quotes the file.
            raise OsmoUnauthorized(f"{self._path} is not valid YAML; {self.remedy}") from None
        return content if isinstance(content, dict) else {}

    def _read(self) -> _Login:
        try:
            return _Login.model_validate(self._load())
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise OsmoUnauthorized(f"{self._path}: {field}: {first['msg']}; {self.remedy}") from None

    def _write(self, token: _TokenLogin) -> None:
        """Replaces the two tokens, keeps all else, and never lets anybody but the owner read the file."""
        content = self._load()
        content["token_login"] |= {"id_token": token.id_token, "refresh_token": token.refresh_token}
        path = self._path.resolve()
        mode = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRUSR | stat.S_IWUSR)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".login.yaml.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                yaml.safe_dump(content, file)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise


def _renewed_fields(answer: dict[str, object], *, osmo_token: bool) -> dict[str, str]:
    if osmo_token:
        return {"id_token": jwt_of(answer, "token")}
    # A provider that does not change the refresh token may leave it out.
    next_refresh_token = answer.get("refresh_token")
    kept = {"refresh_token": str(next_refresh_token)} if next_refresh_token else {}
    return {"id_token": jwt_of(answer, "id_token"), **kept}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port)

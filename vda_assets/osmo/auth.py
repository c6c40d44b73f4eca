"""How we log in to an OSMO service (6.4): a dev user's name, an access token, or the `osmo` command's login file."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from abc import abstractmethod
from collections.abc import Generator
from pathlib import Path

import httpx

from vda_assets.osmo.answers import raise_for_answer, read_answer
from vda_assets.osmo.errors import OsmoServerError, OsmoUnauthorized

ACCESS_TOKEN_PATH = "/api/auth/jwt/access_token"  # noqa: S105 - a path
USER_HEADER = "x-osmo-user"
# The `osmo` command renews this much before the end, too.
_RENEW_BEFORE_END_SECONDS = 3.0
_JWT = re.compile(r"[\w-]+\.(?P<payload>[\w-]+)\.[\w-]*", re.ASCII)

Header = tuple[str, str]
HeaderFlow = Generator[httpx.Request, httpx.Response, Header]


class OsmoAuth(httpx.Auth):
    """`remedy` says in half a sentence what helps when the service does not accept this login."""

    remedy: str

    @abstractmethod
    def header(self, request: httpx.Request, *, refused: Header | None) -> HeaderFlow:
        """Yields the requests that a renewal needs, returns the header that logs `request` in.

        `refused` is a header that the service has just answered with 401.
        """

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        header = yield from self.header(request, refused=None)
        request.headers.update([header])
        response = yield request
        if response.status_code == 401:
            renewed = yield from self.header(request, refused=header)
            if renewed != header:
                request.headers.update([renewed])
                yield request


class DevUserAuth(OsmoAuth):
    """For a service that runs without authentication: it believes the name."""

    def __init__(self, user_name: str) -> None:
        self._user_name = user_name
        self.remedy = f"the service does not take dev user {user_name!r}: log in with an access token or `osmo login`"

    def header(self, request: httpx.Request, *, refused: Header | None) -> HeaderFlow:  # noqa: ARG002 - nothing to renew
        yield from ()
        return (USER_HEADER, self._user_name)


class AccessTokenAuth(OsmoAuth):
    """An access token, exchanged at the service for a JWT (300 s) that stays in memory and is renewed in time.

    `source` names where the token is, for error messages, e.g. `the variable OSMO_ACCESS_TOKEN`. A file is read anew
    for each request: one that holds another token counts from then on, one that holds none does not count.
    """

    def __init__(self, service_url: str, *, access_token: str | Path, source: str) -> None:
        self._kept, self._source = access_token, source
        self._access_token = ""
        self._access_token = self._newest_token()
        self._exchange_url = service_url.rstrip("/") + ACCESS_TOKEN_PATH
        self._jwt: str | None = None
        self._lock = threading.Lock()
        self.remedy = f"{source} must hold a valid OSMO access token (`osmo token list`, `osmo token set`)"

    def header(self, request: httpx.Request, *, refused: Header | None) -> HeaderFlow:
        with self._lock:
            token = self._newest_token()
            jwt = self._jwt if token == self._access_token else None
            self._access_token = token
            if jwt is None or ends_soon(jwt, remedy=self.remedy) or bearer(jwt) == refused:
                self._jwt = None
                exchange = access_token_request(self._exchange_url, token, on_behalf_of=request)
                answer = renewed_login((yield exchange), remedy=self.remedy, secret=token)
                jwt = self._jwt = jwt_of(answer, "token")
            return bearer(jwt)

    def _newest_token(self) -> str:
        """Raises OsmoUnauthorized when there never was one."""
        why = "is empty"
        try:
            kept = self._kept.read_text(encoding="utf-8") if isinstance(self._kept, Path) else self._kept
            if token := kept.strip() or self._access_token:
                return token
        except (OSError, UnicodeDecodeError) as error:
            if self._access_token:
                return self._access_token
            why = f"cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        raise OsmoUnauthorized(f"{self._source} {why}: put an OSMO access token there (`osmo token set`)") from None


def bearer(jwt: str) -> Header:
    return ("Authorization", f"Bearer {jwt}")


def ends_soon(jwt: str, *, remedy: str) -> bool:
    """Whether the JWT's `exp` is less than 3 s away. Raises OsmoUnauthorized for what is no JWT with an `exp`."""
    parts = _JWT.fullmatch(jwt)
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts["payload"] + "==")) if parts else {}
        return float(claims["exp"]) - _RENEW_BEFORE_END_SECONDS < time.time()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise OsmoUnauthorized(f"the login token is not a JWT with an expiry; {remedy}") from None


def access_token_request(url: str, access_token: str, *, on_behalf_of: httpx.Request) -> httpx.Request:
    return renewal_request(url, on_behalf_of=on_behalf_of, json={"token": access_token})


def renewal_request(
    url: str, *, on_behalf_of: httpx.Request, json: dict[str, str] | None = None, data: dict[str, str] | None = None
) -> httpx.Request:
    """A POST with the timeouts of the request that waits for it; without them httpx would wait for ever."""
    headers = {"user-agent": on_behalf_of.headers.get("user-agent", "")}
    return httpx.Request("POST", url, headers=headers, json=json, data=data, extensions=on_behalf_of.extensions)


def renewed_login(response: httpx.Response, *, remedy: str, secret: str) -> dict[str, object]:
    """The JSON answer to a renewal. Raises OsmoUnauthorized when it was refused, OsmoUnavailable, OsmoServerError."""
    raise_for_answer(response, remedy=remedy, writes=False, refused=OsmoUnauthorized, secrets=(secret,))
    response.read()
    return read_answer(response, dict[str, object])


def jwt_of(answer: dict[str, object], key: str) -> str:
    jwt = answer.get(key)
    if not isinstance(jwt, str) or not _JWT.fullmatch(jwt):
        raise OsmoServerError(f"the answer to the renewal of the login has no JWT as its {key}")
    return jwt

"""What stands in front of the calls, as OSMO's gateway does: who may call, how often, and how much may be sent."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vda_assets.embedded.service.service import Service
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.tokens import is_valid

TOKEN_PATH = "/api/auth/jwt/access_token"  # noqa: S105 - a path
_OPEN_PATHS = frozenset({"/health", "/api/version", "/client/version", "/api/auth/login", TOKEN_PATH})
_CONFIGURATION = "/api/configs/"
# A spec of 32 MiB as the text in a JSON body; nobody needs a login to send an access token.
_MAX_BODY_BYTES = 64 * 1024**2
_MAX_TOKEN_BODY_BYTES = 64 * 1024


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app = app
        self._service = service
        self._second = 0
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The osmo command's pool calls come with a doubled slash when its `requests` is newer than 2.33.
        scope = {**scope, "path": "/" + scope["path"].lstrip("/")}
        limit_bytes = _MAX_TOKEN_BODY_BYTES if scope["path"] == TOKEN_PATH else _MAX_BODY_BYTES
        refusal = self._refusal(Request(scope), limit_bytes)
        if refusal is None:
            await self._app(scope, _bounded(receive, limit_bytes), send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, request: Request, limit_bytes: int) -> Response | None:
        settings, path = self._service.settings, request.scope["path"]
        if _is_from_a_web_page(request, settings):
            return JSONResponse({"detail": "Web pages may not call the embedded OSMO."}, status_code=403)
        if self._calls_too_often():
            return PlainTextResponse("local_rate_limited", status_code=429)
        token = settings.token
        if token is not None and path not in _OPEN_PATHS:
            scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not is_valid(bearer, token):
                return JSONResponse({"detail": "Authorization: Bearer <token> is missing or wrong."}, status_code=401)
        if settings.role != "osmo-admin" and path.startswith(_CONFIGURATION):
            return PlainTextResponse("access denied", status_code=403)
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > limit_bytes:
            return JSONResponse({"detail": _too_long(limit_bytes)}, status_code=413)
        return None

    def _calls_too_often(self) -> bool:
        second, limit = int(time.monotonic()), self._service.settings.policy.calls_per_second
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        return limit is not None and self._calls > limit


def _is_from_a_web_page(request: Request, settings: EmbeddedSettings) -> bool:
    """A foreign page in this machine's browser must not start commands, neither directly nor by a name of its own."""
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    return "origin" in request.headers or (
        settings.is_loopback and host not in {settings.host, "localhost", "127.0.0.1"}
    )


def _bounded(receive: Receive, limit_bytes: int) -> Receive:
    """The body's parts, until they are too many: one that comes in chunks does not say its length before."""
    size_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal size_bytes
        message = await receive()
        size_bytes += len(message.get("body", b""))
        if size_bytes > limit_bytes:
            raise HTTPException(413, _too_long(limit_bytes))
        return message

    return receive_bounded


def _too_long(limit_bytes: int) -> str:
    return f"The body is longer than {limit_bytes} bytes."

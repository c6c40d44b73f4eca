"""The HTTP application: routes, OSMO 6.4's error bodies, who may call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from vda_assets.embedded.service import api_credentials, api_pools, api_tasks, api_workflows
from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.service import Service
from vda_assets.embedded.service.tokens import is_valid

VERSION = {"major": "6", "minor": "4", "revision": "0", "hash": ""}
_OPEN_PATHS = frozenset({"/health", "/api/version", "/client/version", "/api/auth/jwt/access_token"})


def create_app(service: Service) -> FastAPI:
    """The service's engine starts and ends with the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.engine.start()
        yield
        service.is_closing = True
        service.engine.close()

    app = FastAPI(title="Embedded OSMO", lifespan=lifespan, openapi_url=None)
    app.state.service = service
    for module in (api_workflows, api_tasks, api_pools, api_credentials):
        app.include_router(module.router)
    for path in ("/api/version", "/client/version"):
        app.add_api_route(path, lambda: VERSION)
    app.add_api_route("/health", lambda: {"status": "OK"})
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unforeseen)
    app.middleware("http")(_gate)
    return app


async def _gate(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    service: Service = request.app.state.service
    # The osmo command's pool calls come with a doubled slash when its `requests` is newer than 2.33.
    request.scope["path"] = "/" + request.scope["path"].lstrip("/")
    if _from_a_web_page(request):
        return JSONResponse({"detail": "Web pages may not call the embedded OSMO."}, status_code=403)
    token = service.settings.token
    if token is not None and request.scope["path"] not in _OPEN_PATHS:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_valid(bearer, token):
            return JSONResponse({"detail": "Authorization: Bearer <token> is missing or wrong."}, status_code=401)
    return await go_on(request)


def _from_a_web_page(request: Request) -> bool:
    """A foreign page in this machine's browser must not start commands, neither directly nor by a name of its own."""
    settings = request.app.state.service.settings
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        host = None
    return "origin" in request.headers or (
        settings.is_loopback and host not in {settings.host, "localhost", "127.0.0.1"}
    )


async def _api_error(_: Request, error: Any) -> Response:
    return _plain_json(error.body(), error.status)


async def _unforeseen(_: Request, error: Exception) -> Response:
    return _plain_json(server_error(str(error)).body(), 500)


async def _invalid(_: Request, error: Any) -> Response:
    try:
        return _plain_json({"detail": jsonable_encoder(error.errors())}, 422)
    except (ValueError, RecursionError):
        # What was sent is nothing that JSON can say: bytes that are no UTF-8, NaN, a thousand nested lists.
        said = [{key: each[key] for key in ("type", "loc", "msg")} for each in error.errors()]
        return _plain_json({"detail": said}, 422)


def _plain_json(body: Any, status: int) -> Response:
    """In ASCII: a caller's text that comes back in a message may hold half a surrogate pair."""
    return Response(json.dumps(body, allow_nan=False), status_code=status, media_type="application/json")

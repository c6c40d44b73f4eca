"""The HTTP application: routes, and OSMO 6.4's error bodies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from vda_assets.embedded.service import api_credentials, api_pools, api_tasks, api_workflows
from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.gate import Gate
from vda_assets.embedded.service.service import Service

VERSION = {"major": "6", "minor": "4", "revision": "0", "hash": ""}


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
    app.add_middleware(Gate, service=service)
    return app


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

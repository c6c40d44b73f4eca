"""A stand-in for an OpenAI-compatible endpoint over real HTTP, with and without a key: it lists models, no more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from vda_assets_tests.http_serving import serving_http


@dataclass
class ModelEndpoint:
    """`base` is the path behind which it serves; `key` what it wants; `body` is sent as it is, instead of a list.

    `keys` are the Authorization headers that came, in order.
    """

    models: tuple[str, ...] = ("some/model",)
    base: str = "/v1"
    key: str | None = None
    status: int = 200
    body: bytes | None = None
    redirect: str | None = None
    trickle_seconds: float = 0
    url: str = ""
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        self.asked.append(request.path)
        self.keys.append(request.headers["Authorization"])
        if request.path != f"{self.base}/models":
            return 404, b'{"detail": "Not Found"}'
        if self.key and request.headers["Authorization"] != f"Bearer {self.key}":
            return 401, b'{"error": {"message": "Unauthorized"}}'
        listed = {"object": "list", "data": [{"id": model, "object": "model"} for model in self.models]}
        return self.status, self.body if self.body is not None else json.dumps(listed).encode()


@contextmanager
def serving_models(endpoint: ModelEndpoint) -> Iterator[ModelEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = endpoint.answer(self)
            self.send_response(307 if endpoint.redirect else status)
            if endpoint.redirect:
                self.send_header("Location", endpoint.redirect)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Who asks may have gone by then.
            with suppress(OSError):
                for start in range(0, len(body), 1 if endpoint.trickle_seconds else 2**16):
                    self.wfile.write(body[start : start + (1 if endpoint.trickle_seconds else 2**16)])
                    time.sleep(endpoint.trickle_seconds)

        def log_message(self, *_: Any) -> None:
            return

    with serving_http(Handler) as endpoint.url:
        yield endpoint

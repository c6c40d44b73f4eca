"""A real HTTP server on loopback whose answers a test decides, and that remembers what it was asked."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.content.decode()).items()}


@dataclass(frozen=True)
class Reply:
    """`chunks` are sent as they come, chunked, and end in a hang-up when they raise ConnectionAbortedError;
    `hang_up` closes the connection without a word."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    chunks: Iterable[bytes] | None = None
    hang_up: bool = False


Answers = Callable[[Asked], Reply]


class Service:
    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def serving(answers: Answers) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            url = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(self.command, url.path, parse_qsl(url.query, keep_blank_values=True), headers, content)
            service.asked.append(asked)
            self.send(answers(asked))

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def send(self, reply: Reply) -> None:
            if reply.hang_up:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.chunks is None:
                body = json.dumps(reply.body) if reply.content_type == "application/json" else reply.body
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            try:
                for chunk in reply.chunks:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionAbortedError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *ignored: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def one_after_another(*replies: Reply) -> Answers:
    """The replies in order; the last one again and again."""
    waiting = list(replies)
    return lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def jwt(*, lives_seconds: float, name: str = "somebody") -> str:
    """Three parts and an `exp`, as OSMO's tokens have; the signature is nobody's."""
    claims = {"exp": time.time() + lives_seconds, "unique_name": name}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims, name)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


VERSION = Reply({"major": "6", "minor": "4", "revision": "0", "hash": ""})

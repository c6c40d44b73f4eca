"""A real HTTP proxy in front of an OSMO service or a bucket that counts calls and, when told to, breaks them."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import httpx

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "server", "date"}


@dataclass
class Trouble:
    """Chances, 0 to 1, of each way to break a call. `seed` makes a run repeatable as far as its timing is."""

    seed: int = 0
    unavailable: float = 0.0  # 503 instead of passing it on
    dropped: float = 0.0  # the connection is closed without passing it on
    lost_answer: float = 0.0  # passed on, but the answer never comes back
    late_error: float = 0.0  # passed on, but answered 504
    doubled: float = 0.0  # passed on twice
    slow_seconds: float = 0.0  # at most, before passing it on

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def choose(self) -> str:
        with self._lock:
            point = self._random.random()
            for kind in ("unavailable", "dropped", "lost_answer", "late_error", "doubled"):
                point -= getattr(self, kind)
                if point < 0:
                    return kind
            return "none"

    def delay(self) -> float:
        with self._lock:
            return self._random.uniform(0, self.slow_seconds)


@dataclass
class Proxy:
    """`calls` counts by method and kind of path, `broken` by (kind of call, kind of trouble), `answered_bytes` the
    bodies of the answers."""

    upstream: str
    trouble: Trouble
    port: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    broken: Counter[tuple[str, str]] = field(default_factory=Counter)
    answered_bytes: int = 0
    # No server may hold a connection for longer than a test waits for it.
    hold_seconds: float = 30.0
    # Answers as a service from before labels: refuses them in a spec, ignores them in a list.
    without_labels: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxying(proxy: Proxy) -> Iterator[Proxy]:
    client = httpx.Client(timeout=60)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            kind = kind_of(self.command, self.path)
            proxy.calls[kind] += 1
            if proxy.without_labels and self.answer_as_before_labels(kind, body):
                return
            trouble = proxy.trouble.choose()
            if trouble == "doubled" and self.command != "POST":
                trouble = "none"
            if trouble != "none":
                proxy.broken[kind, trouble] += 1
            time.sleep(proxy.trouble.delay())
            if trouble == "dropped":
                self.hang_up()
            elif trouble == "unavailable":
                self.give(503, b"{}", {})
            else:
                self.pass_on(body, trouble)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def answer_as_before_labels(self, kind: str, body: bytes) -> bool:
            if kind == "GET version":
                self.give(200, b'{"major": "6", "minor": "3", "revision": "1", "hash": ""}', {})
            elif kind == "POST submit" and b"labels:" in body:
                refusal = {"message": "workflow.labels Extra inputs are not permitted", "error_code": "USAGE"}
                self.give(400, json.dumps(refusal).encode(), {})
            else:
                path, _, query = self.path.partition("?")
                kept = [(name, value) for name, value in parse_qsl(query) if name != "label"]
                self.path = f"{path}?{urlencode(kept)}"
                return False
            return True

        def pass_on(self, body: bytes, trouble: str) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            try:
                for _ in range(2 if trouble == "doubled" else 1):
                    response = client.request(self.command, proxy.upstream + self.path, content=body, headers=headers)
            except httpx.HTTPError:
                self.hang_up()
                return
            if trouble == "lost_answer":
                time.sleep(proxy.hold_seconds)
                self.hang_up()
            elif trouble == "late_error":
                self.give(504, b"{}", {})
            else:
                kept = {name: value for name, value in response.headers.items() if name not in HOP_BY_HOP}
                if self.command == "HEAD":  # how long an object is that is not sent
                    kept["content-length"] = response.headers.get("content-length", "0")
                self.give(response.status_code, response.content, kept)

        def give(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "content-length" not in headers:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                proxy.answered_bytes += len(content)
            except OSError:
                self.close_connection = True

        def hang_up(self) -> None:
            self.close_connection = True
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", proxy.port), Handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        client.close()


def kind_of(method: str, path: str) -> str:
    """`POST submit`, `GET tasks`, `GET list`, `GET workflow`, `GET logs`, `POST cancel`, `GET other`."""
    path = path.partition("?")[0].rstrip("/")
    names = {"/api/task": "tasks", "/api/workflow": "list", "/api/version": "version"}
    if path in names:
        return f"{method} {names[path]}"
    if path.startswith("/api/pool/") and path.endswith("/workflow"):
        return f"{method} submit"
    if path.startswith("/api/workflow/"):
        last = path.split("/")[4] if path.count("/") > 3 else "workflow"
        return f"{method} {last}"
    return f"{method} other"

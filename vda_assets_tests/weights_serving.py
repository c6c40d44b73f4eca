"""A stand-in for the hosts of the model weights: the Hugging Face hub, and those of single files behind a mirror.

Like the hub it answers a HEAD with size and revision, takes ranges, and refuses gated repositories to whoever
brings no token that may read them.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from vda_assets.model_caches.contents import Source, WebFile
from vda_assets_tests.http_serving import serving_http

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Weights:
    """`files` maps (repository, path) to content, `web` maps host and path of a URL. `fetched` are the GETs of files.

    `gated` maps a repository to the token that may read it. `broken` answers 500 to what is in it, `held` keeps an
    answer back until it is set.
    """

    url: str = ""
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    web: dict[str, bytes] = field(default_factory=dict)
    gated: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    pages: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    held: threading.Event | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What makes a task ask here instead of the real hosts."""
        return {"HF_ENDPOINT": self.url, "VDA_WEIGHTS_MIRROR": f"{self.url}/web", "HF_HUB_DISABLE_XET": "1"}

    def put(self, source: Source) -> None:
        """Small files that stand for a source's."""
        if isinstance(source, WebFile):
            parts = urlsplit(source.url)
            self.web[f"{parts.netloc}{parts.path}"] = f"weights of {source.path}".encode()
            return
        for pattern in source.patterns or (source.sample, "model.safetensors"):
            path = pattern.replace("*", "list.txt")
            self.files[source.repository, path] = f"{path} of {source.repository} at {source.revision}".encode()


@contextmanager
def serving_weights() -> Iterator[Weights]:
    weights = Weights()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._serve(with_body=False)

        def do_GET(self) -> None:
            self._serve(with_body=True)

        def log_message(self, *args: object) -> None:
            pass

        def _serve(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith("/web/"):
                name = path.removeprefix("/web/")
                self._file(name, weights.web.get(name), with_body=with_body)
            elif match := re.fullmatch(r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/(?P<revision>.+)", path):
                self._info(match["repository"], match["revision"])
            elif match := re.fullmatch(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", path):
                if self._is_let_in(match["repository"]):
                    content = weights.files.get((match["repository"], match["file"]))
                    name = f"{match['repository']}/{match['file']}"
                    self._file(name, content, with_body=with_body, revision=match["revision"])
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"")

        def _is_let_in(self, repository: str) -> bool:
            wanted = weights.gated.get(repository)
            if wanted is None or self.headers.get("Authorization") == f"Bearer {wanted}":
                return True
            self._answer(HTTPStatus.FORBIDDEN, b"", {"X-Error-Code": "GatedRepo"})
            return False

        def _info(self, repository: str, revision: str) -> None:
            # The list of a gated repository is public.
            files = {path: content for (owner, path), content in weights.files.items() if owner == repository}
            if not files:
                self._answer(HTTPStatus.NOT_FOUND, b"", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
            document = {"id": repository, "sha": _commit(revision), "siblings": siblings}
            self._answer(HTTPStatus.OK, json.dumps(document).encode(), {"Content-Type": "application/json"})

        def _file(self, name: str, content: bytes | None, *, with_body: bool, revision: str = "main") -> None:
            if content is None or name in weights.broken:
                status = HTTPStatus.NOT_FOUND if content is None else HTTPStatus.INTERNAL_SERVER_ERROR
                self._answer(status, b"", {"X-Error-Code": "EntryNotFound"} if content is None else {})
                return
            if with_body:
                weights.fetched.append(name)
                if weights.held:
                    weights.held.wait(60)
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": _commit(revision),
                "Accept-Ranges": "bytes",
                "Content-Type": "text/html" if name in weights.pages else "application/octet-stream",
            }
            status, body = HTTPStatus.OK, content
            if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                start = int(match[1])
                status, body = HTTPStatus.PARTIAL_CONTENT, content[start:]
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(status, body, headers, with_body=with_body)

        def _answer(
            self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None, *, with_body: bool = True
        ) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body and self.command != "HEAD":
                self.wfile.write(body)

    with serving_http(Handler) as url:
        weights.url = url
        yield weights


def _commit(revision: str) -> str:
    return revision if re.fullmatch(r"[0-9a-f]{40}", revision) else _COMMIT

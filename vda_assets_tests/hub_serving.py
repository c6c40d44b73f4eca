"""A real model hub on loopback: repositories of files at commits, gated ones, ranges, redirects to a CDN path."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from vda_assets_tests.http_serving import serving_http

_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_MODEL = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class HubRepository:
    """`files` by path; `commit` is its only one, `main` names it. `readers` are the tokens of accounts that have
    accepted the licence; None for an open repository. `renamed_to` is what it is called now."""

    files: dict[str, bytes]
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    readers: set[str] | None = None
    renamed_to: str | None = None


@dataclass
class Hub:
    """`tokens` are those of any account. `asked` has method, path and authorization of every request."""

    repositories: dict[str, HubRepository]
    tokens: set[str] = field(default_factory=set)
    # The first answers, instead of what would be right.
    first: list[int] = field(default_factory=list)
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path = unquote(self.path.partition("?")[0])
            hub.asked.append((self.command, path, self.headers.get("Authorization", "")))
            if hub.first:
                self.give(hub.first.pop(0))
            elif path.startswith("/cdn/"):
                self.give_content(path.removeprefix("/cdn/"))
            elif asked := _RESOLVE.fullmatch(path):
                self.give_file(**asked.groupdict())
            elif asked := _MODEL.fullmatch(path):
                self.give_description(asked["repository"])
            else:
                self.give(404)

        do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server looks for

        @property
        def token(self) -> str:
            return self.headers.get("Authorization", "").removeprefix("Bearer ")

        def give_file(self, repository: str, revision: str, path: str) -> None:
            one = hub.repositories.get(repository)
            if self.token and self.token not in hub.tokens:
                self.give(401)
            elif one is None:
                self.give(404 if self.token else 401, **{"X-Error-Code": "RepoNotFound"})
            elif one.renamed_to:
                self.give(307, Location=f"/{one.renamed_to}/resolve/{revision}/{path}")
            elif one.readers is not None and self.token not in one.readers:
                self.give(403 if self.token else 401, **{"X-Error-Code": "GatedRepo"})
            elif revision not in (one.commit, "main"):
                self.give(404, **{"X-Error-Code": "RevisionNotFound"})
            elif path not in one.files:
                self.give(404, **{"X-Error-Code": "EntryNotFound"})
            else:
                content = one.files[path]
                about = {
                    "X-Repo-Commit": one.commit,
                    "X-Linked-Size": str(len(content)),
                    "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                }
                # Another host, as on the real one: who follows must leave the token behind.
                cdn = hub.url.replace("127.0.0.1", "localhost")
                self.give(302, Location=f"{cdn}/cdn/{repository}/{path}", **about)

        def give_description(self, repository: str) -> None:
            """A gated repository's own page is open to everybody."""
            one = hub.repositories.get(repository)
            if one is None:
                self.give(404, **{"X-Error-Code": "RepoNotFound"})
                return
            files = [{"rfilename": path} for path in one.files]
            self.give(200, json.dumps({"id": repository, "sha": one.commit, "siblings": files}).encode())

        def give_content(self, path: str) -> None:
            owner, name, file = path.split("/", 2)
            content = hub.repositories[f"{owner}/{name}"].files[file]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            if asked is None:
                self.give(200, content, ETag=etag, **{"Accept-Ranges": "bytes"})
                return
            start, end = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            if start >= len(content):
                self.give(416, **{"Content-Range": f"bytes */{len(content)}"})
                return
            place = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            self.give(206, content[start : end + 1], ETag=etag, **place)

        def give(self, status: int, content: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        hub.url = url
        yield hub

"""A stand-in of the Hugging Face hub on loopback: repositories of files at commits, gated ones, ranges, redirects to a
CDN path; and, in `hub_taking`, what takes uploads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from vda_assets_tests.http_serving import serving_http

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/(?:datasets/)?(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_ABOUT = re.compile(r"/api/(?:models|datasets)/(?P<repository>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class HubRepository:
    """`files` by path; `commit` is its newest, `main` names it. `readers` are the tokens of accounts that have
    accepted the licence; None for an open repository. `renamed_to` is what it is called now. `former` has the files of
    older commits, `tags` their names."""

    files: dict[str, bytes]
    commit: str = COMMIT
    readers: set[str] | None = None
    renamed_to: str | None = None
    private: bool = False
    former: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit_of(self, revision: str) -> str:
        """What `main`, a tag or a commit names."""
        return self.commit if revision == "main" else self.tags.get(revision, revision)

    def at(self, revision: str) -> dict[str, bytes] | None:
        commit = self.commit_of(revision)
        return self.files if commit == self.commit else self.former.get(commit)


@dataclass
class Hub:
    """`tokens` are those of any account, `writers` those that may write to everything of an owner, by the owner's name.
    `asked` has method, path and authorization of every request."""

    repositories: dict[str, HubRepository] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    writers: dict[str, str] = field(default_factory=dict)
    # The first answers, instead of what would be right.
    first: list[int] = field(default_factory=list)
    # What is answered instead, by the file that is asked for.
    faults: dict[str, Answer] = field(default_factory=dict)
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    # What was uploaded, by its sha256, whether any commit has it or not; and how often each was sent.
    large: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)


class HubHandler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append((self.command, path, self.headers.get("Authorization", "")))
        if self.hub.first and (status := self.hub.first.pop(0)):
            self.refuse(status)
        elif path.startswith("/cdn/"):
            self.give_content(path.removeprefix("/cdn/"))
        elif asked := _RESOLVE.fullmatch(path):
            self.give_file(**asked.groupdict())
        elif asked := _ABOUT.fullmatch(path):
            self.give_description(asked["repository"], asked["revision"] or "main")
        else:
            self.refuse(404)

    do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server looks for

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def give_file(self, repository: str, revision: str, path: str) -> None:
        one = self.hub.repositories.get(repository)
        files = one.at(revision) if one else None
        if path in self.hub.faults:
            self.hub.faults[path](self)
        elif self.token and self.token not in self.hub.tokens:
            self.refuse(401)
        elif one is None or (one.private and self.token not in self.hub.writers):
            self.refuse(404 if self.token else 401, "RepoNotFound")
        elif one.renamed_to:
            self.give(307, Location=f"/{one.renamed_to}/resolve/{revision}/{path}")
        elif one.readers is not None and self.token not in one.readers:
            self.refuse(403 if self.token else 401, "GatedRepo")
        elif files is None:
            self.refuse(404, "RevisionNotFound")
        elif path not in files:
            self.refuse(404, "EntryNotFound")
        else:
            content = files[path]
            about = {
                "X-Repo-Commit": one.commit_of(revision),
                "X-Linked-Size": str(len(content)),
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            }
            # Another host, as on the real one: who follows must leave the token behind.
            cdn = self.hub.url.replace("127.0.0.1", "localhost")
            self.give(302, Location=f"{cdn}/cdn/{repository}/{revision}/{path}", **about)

    def give_description(self, repository: str, revision: str) -> None:
        """A gated repository's own page is open to everybody."""
        one = self.hub.repositories.get(repository)
        files = one.at(revision) if one else None
        if self.token and self.hub.tokens and self.token not in self.hub.tokens:
            self.refuse(401)
        elif one is None or (one.private and self.token not in self.hub.writers):
            self.refuse(404 if self.token else 401, "RepoNotFound")
        elif files is None:
            self.refuse(404, "RevisionNotFound")
        else:
            siblings = [{"rfilename": path} for path in files]
            about = {"id": repository, "sha": one.commit_of(revision), "private": one.private, "siblings": siblings}
            self.give(200, json.dumps(about).encode())

    def give_content(self, path: str) -> None:
        owner, name, revision, file = path.split("/", 3)
        content = (self.hub.repositories[f"{owner}/{name}"].at(revision) or {})[file]
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

    def refuse(self, status: int, code: str = "") -> None:
        said = json.dumps({"error": "no", "url": f"{self.hub.url}/datasets/a/b"}).encode()
        self.give(status, said, **({"X-Error-Code": code} if code else {}))

    def give(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving_hub(hub: Hub, handler: type[HubHandler] = HubHandler) -> Iterator[Hub]:
    with serving_http(type("Handler", (handler,), {"hub": hub})) as url:
        hub.url = url
        yield hub

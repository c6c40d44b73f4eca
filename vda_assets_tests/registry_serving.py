"""A real OCI registry on loopback, as unkind as those of the world, that remembers who asked it what and how."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from vda_assets_tests.http_serving import serving_http

USER, PASSWORD = "$oauthtoken", "nvapi-of-the-registry"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
MANIFEST = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@dataclass
class Registry:
    """`images` are `path:tag` or `path@digest`. `login` is none, bearer, basic or unreadable; with `open_to_all` the
    token service gives a token to everybody; with `forbids` no login opens an image. Whoever may pull is sent to
    `redirect_to`."""

    images: set[str] = field(default_factory=set)
    login: str = "bearer"
    open_to_all: bool = False
    forbids: bool = False
    realm: str | None = None
    # The first answers, instead of what would be right.
    first: list[int] = field(default_factory=list)
    redirect_to: str | None = None
    tells_digest: bool = True
    takes_head: bool = True
    trickles: bool = False
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def image(self, name: str) -> str:
        return f"{self.host}/{name}"

    @property
    def shown(self) -> set[str]:
        """Every login and token that anybody has sent."""
        return {authorization for _, _, authorization in self.asked if authorization}


@contextmanager
def serving_registry(registry: Registry) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            url = urlsplit(self.path)
            authorization = self.headers.get("Authorization", "")
            registry.asked.append((self.command, self.path, authorization))
            if registry.first:
                self.give(registry.first.pop(0))
            elif url.path == "/token":
                self.give_token(parse_qs(url.query), authorization)
            elif self.command == "HEAD" and not registry.takes_head:
                self.give(405)
            else:
                self.give_manifest(url.path, authorization)

        do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server looks for

        def give_token(self, query: dict[str, list[str]], authorization: str) -> None:
            if authorization not in ("", BASIC) or not (registry.open_to_all or authorization):
                self.give(401)
                return
            whose = "member" if authorization else "anybody"
            self.give(200, json.dumps({"token": f"{whose} {query['scope'][0]}".replace(" ", "-")}).encode())

        def give_manifest(self, path: str, authorization: str) -> None:
            repository, _, reference = path.removeprefix("/v2/").partition("/manifests/")
            if not self.may(repository, authorization):
                return
            if registry.redirect_to:
                self.give(307, location=registry.redirect_to + path)
                return
            name = f"{repository}{'@' if ':' in reference else ':'}{reference}"
            if name not in registry.images:
                self.give(404)
            else:
                told = {"docker-content-digest": DIGEST} if registry.tells_digest else {}
                self.give(200, MANIFEST, **told)

        def may(self, repository: str, authorization: str) -> bool:
            if registry.login == "none":
                return True
            scope = f"repository:{repository}:pull"
            if authorization in (f"Bearer member-{scope}", BASIC if registry.login == "basic" else "-"):
                if registry.forbids:
                    self.give(403)
                return not registry.forbids
            if authorization == f"Bearer anybody-{scope}" and registry.open_to_all and not registry.forbids:
                return True
            realm = registry.realm or f"{registry.url}/token"
            challenge = {
                # In lower case, as HTTP/2 writes every header's name.
                "bearer": f'Bearer realm="{realm}",service="registry, of tests",scope="{scope}"',
                "basic": 'Basic realm="registry"',
                "unreadable": "Whatever",
            }
            self.give(401, **{"www-authenticate": challenge[registry.login]})
            return False

        def give(self, status: int, content: bytes = b"{}", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            if registry.trickles:
                self.trickle()
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def trickle(self) -> None:
            """A header without end, a byte now and then: no pause is long enough for a timeout."""
            self.flush_headers()
            try:
                for _ in range(600):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        registry.url = url
        yield registry

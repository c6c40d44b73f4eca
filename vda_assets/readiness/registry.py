"""Asks an image's registry, by the OCI distribution protocol, whether the image is there and may be pulled."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from vda_assets.readiness.asking import MANNERS, Asker, Manners, NotNow, Reply, converse

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DOCKER_HUB = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_DIGEST = re.compile(r"[a-z0-9]{2,20}:[0-9a-f]{32,128}")
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_NO_HEAD = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
# A parameter of a challenge, or the word that begins another one.
_CHALLENGE_PART = re.compile(r'(?P<key>[\w-]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s,"]+))|(?P<scheme>[A-Za-z]+)')
_LONGEST_CHALLENGE = 4096


class Access(Enum):
    GRANTED = "the image is there"
    MISSING = "the registry has no such image or tag"
    REFUSED = "the registry does not give it to whom it was asked for"
    UNKNOWN = "the registry did not say"


@dataclass(frozen=True)
class Answer:
    """`digest` is the registry's own of what the tag names now; `cause` says why nothing is known."""

    access: Access
    digest: str | None = None
    cause: str = ""


@dataclass(frozen=True)
class Login:
    user: str
    password: SecretStr

    @property
    def header(self) -> str:
        pair = f"{self.user}:{self.password.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


@dataclass(frozen=True)
class ImageReference:
    """`host` carries the port; `reference` is the digest when there is one, else the tag."""

    host: str
    path: str
    reference: str

    @classmethod
    def parse(cls, image: str) -> Self:
        """By Docker's rules: without a host it is Docker Hub's, without a tag the latest."""
        name, _, digest = image.partition("@")
        host, slash, rest = name.partition("/")
        if not slash or not (host == "localhost" or set(".:") & set(host)):
            host, rest = "docker.io", name
        path, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            path, tag = rest, "latest"
        if host in _DOCKER_HUB:
            host, path = "registry-1.docker.io", path if "/" in path else f"library/{path}"
        return cls(host, path, digest or tag)

    @property
    def manifest_url(self) -> str:
        scheme = "http" if _is_here(self.host) else "https"
        return f"{scheme}://{self.host}/v2/{quote(self.path)}/manifests/{quote(self.reference, safe=':')}"


def ask_registry(image: str, *, logins: Mapping[str, Login], manners: Manners = MANNERS) -> Answer:
    """Without a login first, then with that of the image's host, if there is one. It goes to that host and to the
    token service that the host names over TLS, and nowhere else."""
    wanted = ImageReference.parse(image)
    try:
        return converse(
            lambda asker: _Conversation(asker, wanted, logins.get(wanted.host)).answer(),
            whom=wanted.host,
            manners=manners,
        )
    except NotNow as error:
        return Answer(Access.UNKNOWN, cause=str(error))


class _Conversation:
    def __init__(self, asker: Asker, wanted: ImageReference, login: Login | None) -> None:
        self._asker, self._wanted, self._login = asker, wanted, login

    def answer(self) -> Answer:
        reply = self._manifest(None)
        # Whoever it redirects to must not say where the login goes.
        is_its_own = reply.url.netloc == httpx.URL(self._wanted.manifest_url).netloc
        if reply.status == HTTPStatus.UNAUTHORIZED and is_its_own:
            for authorization in self._authorizations(_challenges(reply)):
                reply = self._manifest(authorization)
                if reply.status not in _DENIED:
                    break
        if reply.status == HTTPStatus.OK:
            return Answer(Access.GRANTED, digest=_digest(reply))
        if reply.status in _DENIED:
            return Answer(Access.REFUSED)
        if reply.status == HTTPStatus.NOT_FOUND:
            return Answer(Access.MISSING)
        return Answer(Access.UNKNOWN, cause=f"it answers {reply.status}")

    def _manifest(self, authorization: str | None) -> Reply:
        headers = {"accept": _ACCEPT} | ({"authorization": authorization} if authorization else {})
        reply = self._asker.ask("HEAD", self._wanted.manifest_url, headers=headers, follow_redirects=True)
        if reply.status in _NO_HEAD or (reply.status == HTTPStatus.OK and _digest(reply) is None):
            reply = self._asker.ask("GET", self._wanted.manifest_url, headers=headers, follow_redirects=True)
        return reply

    def _authorizations(self, challenges: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
        """What to try, in order; each costs a request only when the one before was refused."""
        if bearer := challenges.get("bearer"):
            for login in (None, self._login) if self._login else (None,):
                if token := self._token(bearer, login):
                    yield f"Bearer {token}"
        elif "basic" in challenges and self._login:
            yield self._login.header

    def _token(self, bearer: Mapping[str, str], login: Login | None) -> str | None:
        realm = httpx.URL(bearer.get("realm", ""))
        is_safe = realm.scheme == "https" or (_is_here(self._wanted.host) and _is_here(realm.netloc.decode()))
        if not is_safe:
            return None
        given = {key: bearer[key] for key in ("service", "scope") if key in bearer}
        if "scope" not in given and "scope" not in realm.params:
            given["scope"] = f"repository:{self._wanted.path}:pull"
        reply = self._asker.ask(
            "GET", realm.copy_merge_params(given), headers={"authorization": login.header} if login else {}
        )
        try:
            body = json.loads(reply.content)
            token = body.get("token") or body.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            return None
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else None


def _challenges(reply: Reply) -> dict[str, dict[str, str]]:
    """Scheme in lower case -> its parameters."""
    found: dict[str, dict[str, str]] = {}
    for header in reply.headers.get_list("www-authenticate"):
        parameters: dict[str, str] = {}
        for part in _CHALLENGE_PART.finditer(header[:_LONGEST_CHALLENGE]):
            if part["scheme"]:
                parameters = found.setdefault(part["scheme"].lower(), {})
            else:
                parameters[part["key"].lower()] = part["quoted"] or part["plain"] or ""
    return found


def _digest(reply: Reply) -> str | None:
    given = reply.headers.get("docker-content-digest", "").strip()
    if _DIGEST.fullmatch(given):
        return str(given)
    return f"sha256:{hashlib.sha256(reply.content).hexdigest()}" if reply.content else None


def _is_here(host: str) -> bool:
    """Whether the host, with or without a port, is this machine: only there is HTTP without TLS spoken."""
    name = host.rpartition("@")[2]
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

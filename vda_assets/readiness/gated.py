"""Whether the Hugging Face token opens repositories whose licence somebody must have accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from vda_assets.base.parallel import in_order
from vda_assets.readiness.asking import MANNERS, Asker, Manners, NotNow, Reply, converse
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.readiness.secrets import Secret

_HUB = "https://huggingface.co"
_AT_ONCE = 4
_MOST_RELATIVE_REDIRECTS = 3


@dataclass(frozen=True)
class HubFile:
    """One file of a repository, `repository` with its owner; `revision` is a commit, branch or tag."""

    repository: str
    revision: str
    path: str


def check_gated(
    files: Iterable[HubFile],
    *,
    token: Secret | None,
    environment: Mapping[str, str],
    manners: Manners = MANNERS,
) -> list[Finding]:
    """One finding per file, one request each. A repository's own page is open to everybody: only a file tells."""
    hub = (environment.get("HF_ENDPOINT", "").strip() or _HUB).rstrip("/")
    return list(in_order(lambda file: _check(file, hub, token, manners), list(files), threads=_AT_ONCE))


def _check(file: HubFile, hub: str, token: Secret | None, manners: Manners) -> Finding:
    subject = f"weights {file.repository}"
    url = f"{hub}/{quote(file.repository)}/resolve/{quote(file.revision, safe='')}/{quote(file.path)}"
    try:
        reply = converse(lambda asker: _head(asker, url, token), whom=hub, manners=manners)
    except NotNow as error:
        return note(subject, f"{hub} could not be asked for it ({error})")
    if reply.status < HTTPStatus.BAD_REQUEST:
        return ready(subject, f"{token.source} opens it" if token else "it is open to everybody")
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        page = f"{hub}/{file.repository}"
        if token is None:
            return blocking(subject, f"set HF_TOKEN to a token of an account that has accepted the licence at {page}")
        message = (
            f"accept the licence at {page} with the account whose token is in {token.source}, or put one there that "
            f"may read it: the hub refuses it ({reply.status})"
        )
        return blocking(subject, message)
    if reply.status == HTTPStatus.NOT_FOUND:
        message = (
            f"{hub} has no {file.path} at {file.revision} of {file.repository}, or hides it: where HF_ENDPOINT names a "
            "mirror, put it there"
        )
        return blocking(subject, message)
    return note(subject, f"{hub} answers {reply.status} when asked for it")


def _head(asker: Asker, url: str, token: Secret | None) -> Reply:
    """The hub's own answer. A redirect to where the file lies is a yes; one that stays on the hub is followed: a
    repository that was renamed answers so whether it is gated or not."""
    headers = {"authorization": f"Bearer {token.reveal()}"} if token else {}
    reply = asker.ask("HEAD", url, headers=headers)
    for _ in range(_MOST_RELATIVE_REDIRECTS):
        target = reply.url.join(reply.headers.get("location", ""))
        stays = (target.scheme, target.netloc) == (reply.url.scheme, reply.url.netloc) and target != reply.url
        if not (300 <= reply.status < 400 and stays):
            break
        reply = asker.ask("HEAD", target, headers=headers)
    return reply

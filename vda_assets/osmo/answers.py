"""What an HTTP answer of the OSMO service (6.4) means: a model, or which error."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from vda_assets.base.cut import cut
from vda_assets.osmo.errors import (
    OsmoAlreadyFinished,
    OsmoBusy,
    OsmoForbidden,
    OsmoNotFound,
    OsmoRefused,
    OsmoServerError,
    OsmoStrangeAnswer,
    OsmoUnauthorized,
    OsmoUnavailable,
)

# A page of 1,000 workflows has about 3 MB.
MAX_ANSWER_BYTES = 64 * 1024**2
_WORTH_TRYING_AGAIN = {502, 503, 504}
# OSMO 6.4 has no error code of its own for these; "does not exits" is its spelling.
_NOT_FOUND = re.compile(r"(Workflow|Pool|Task|Credential) \S+ (is )?(not found|does not exits?)")
# What OSMO 6.4 says, with status 400, to a submission that it would take at another time.
_NOT_NOW = re.compile(r"Pool \S+ is undergoing maintenance|User \S+ cannot submit more than \d+ ongoing")
_ALREADY_FINISHED = re.compile(r"Workflow \S+ is already finished")
_PERMISSION = "the login is fine, but its roles do not allow this: ask an administrator of OSMO for the permission"
_TOKENS = re.compile(r"(?i)\bbearer\s+\S+|\beyJ[\w-]*\.[\w-]+\.[\w-]*")
_MAX_MESSAGE_LENGTH = 2000
# Of a longer one not even the beginning is searched for tokens: the search may take the square of its length.
_MOST_SEARCHED = 20_000
_MAX_CODE_LENGTH = 100
_MOST_PROBLEMS = 50

Read = TypeVar("Read")


def bound(response: httpx.Response) -> None:
    """Limits the body of an answer that is about to be read: reading a longer one raises OsmoStrangeAnswer.

    Raises OsmoStrangeAnswer for a compressed one, which nobody asked for: one packet can unpack to gigabytes.
    """
    asked = f"{response.request.method} {response.request.url.path}"
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise OsmoStrangeAnswer(
            f"the answer to {asked} is compressed ({encoding[:40]!r}) though that was not asked for"
        )
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _BoundedStream(response.stream, asked)


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, asked: str) -> None:
        self._stream, self._asked = stream, asked

    def __iter__(self) -> Iterator[bytes]:
        size_bytes = 0
        for part in self._stream:
            size_bytes += len(part)
            if size_bytes > MAX_ANSWER_BYTES:
                raise OsmoStrangeAnswer(
                    f"the answer to {self._asked} is longer than {MAX_ANSWER_BYTES // 1024**2} MiB; "
                    "is this the URL of an OSMO service?"
                )
            yield part

    def close(self) -> None:
        self._stream.close()


def raise_for_answer(
    response: httpx.Response,
    *,
    remedy: str,
    writes: bool,
    refused: type[OsmoRefused] = OsmoRefused,
    secrets: Collection[str] = (),
    has_login: bool = True,
) -> None:
    """Returns when the service did what was asked, otherwise raises the error that says who has to act.

    `remedy` is what helps against a refused login; `writes` says that the request changes something;
    `refused` is the error for any other refusal; `secrets` are texts that the message must not hold; `has_login` says
    that the request was sent with a login, which is then none of the reasons for a 403.
    """
    if response.is_success:
        return
    response.read()
    status = response.status_code
    asked = f"{response.request.method} {response.request.url.path}"
    said, error_code = _what_it_said(response)
    said = without_secrets(said, secrets)
    explained = (
        f"{asked}: {said or cut(response.reason_phrase)} (HTTP {status}{', ' + error_code if error_code else ''})"
    )
    if status == HTTPStatus.TOO_MANY_REQUESTS or _NOT_NOW.match(said):
        raise OsmoBusy(f"OSMO takes no more for now: {explained}")
    if status in _WORTH_TRYING_AGAIN:
        raise OsmoUnavailable(f"OSMO could not answer {explained}", maybe_delivered=writes)
    if status >= 500:
        raise OsmoServerError(f"OSMO failed at {explained}")
    if response.has_redirect_location:
        elsewhere = _redirected_to(response)
        said, explained = "", f"{asked}: it redirects to {elsewhere}; correct the URL of the service, or {remedy}"
    kind = _kind_of_refusal(status, said, error_code, refused, has_login=has_login)
    if kind is OsmoUnauthorized:
        explained = f"{explained}; {remedy}"
    if kind is OsmoForbidden:
        explained = f"{explained}; {_PERMISSION}"
    raise kind(f"OSMO refused {explained}", status=status, error_code=error_code, service_message=said)


def _redirected_to(response: httpx.Response) -> str:
    location = response.headers["location"]
    try:
        return cut(response.request.url.join(location).copy_with(query=None, fragment=None))
    except httpx.InvalidURL:
        return "what is no URL"


def _kind_of_refusal(
    status: int, said: str, error_code: str, refused: type[OsmoRefused], *, has_login: bool
) -> type[OsmoRefused]:
    # OSMO_ERROR: the access token expired (or the client named an old version of itself; this one names none).
    if status == HTTPStatus.UNAUTHORIZED or error_code == "OSMO_ERROR" or refused is OsmoUnauthorized:
        return OsmoUnauthorized
    if status == HTTPStatus.FORBIDDEN:
        return OsmoForbidden if has_login else OsmoUnauthorized
    if refused is not OsmoRefused:
        return refused
    if _ALREADY_FINISHED.match(said):
        return OsmoAlreadyFinished
    return OsmoNotFound if _NOT_FOUND.match(said) else OsmoRefused


def _what_it_said(response: httpx.Response) -> tuple[str, str]:
    """Message and error code of the body; '' for what it lacks."""
    try:
        body: Any = response.json()
    except (ValueError, RecursionError):
        # Not `response.text`: the service would choose the codec, and Python has some that unpack.
        return response.content[:_MOST_SEARCHED].decode("utf-8", errors="replace").strip(), ""
    if not isinstance(body, dict):
        return "", ""
    message = body.get("message") or body.get("error_description") or body.get("detail") or body.get("error") or ""
    if isinstance(message, list):
        # A refused body comes back whole in FastAPI's `input`, with whatever secret it held: leave it out.
        message = "; ".join(map(_one_of_several, message[:_MOST_PROBLEMS]))
    code = cut(_whole(body.get("error_code") or ""), characters=_MAX_CODE_LENGTH)
    return _whole(message)[:_MOST_SEARCHED].strip(), code


def _whole(said: object) -> str:
    """Half of a surrogate pair, `"\\ud800"`, is valid JSON that no log can hold."""
    return str(said).encode("utf-8", errors="replace").decode()


def _one_of_several(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    return f"{'.'.join(map(str, place)) if isinstance(place, list) else place}: {item.get('msg')}"


def without_secrets(text: str, secrets: Collection[str] = ()) -> str:
    """The text, not too long, without the secrets and without whatever looks like a bearer token."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "[secret]")
    return _TOKENS.sub("[token]", text[:_MOST_SEARCHED])[:_MAX_MESSAGE_LENGTH]


def read_answer(response: httpx.Response, kind: type[Read]) -> Read:
    """The JSON body as `kind`. Raises OsmoStrangeAnswer naming the field that OSMO 6.4 would have sent otherwise."""
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise OsmoStrangeAnswer(
            f"{response.request.url} answered what OSMO 6.4 does not ({field}: {first['msg']}); "
            "is this the URL of an OSMO service?"
        ) from None

"""What an HTTP answer of the OSMO service (6.4) means: a model, or which error."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from vda_assets.osmo.errors import (
    OsmoAlreadyFinished,
    OsmoNotFound,
    OsmoRefused,
    OsmoServerError,
    OsmoUnauthorized,
    OsmoUnavailable,
)

_WORTH_TRYING_AGAIN = {429, 502, 503, 504}
# OSMO 6.4 has no error code of its own for these; "does not exits" is its spelling.
_NOT_FOUND = re.compile(r"(Workflow|Pool|Task|Credential) \S+ (is )?(not found|does not exits?)")
_ALREADY_FINISHED = re.compile(r"Workflow \S+ is already finished")
_TOKENS = re.compile(r"(?i)\bbearer\s+\S+|\beyJ[\w-]*\.[\w-]+\.[\w-]*")
_MAX_MESSAGE_LENGTH = 2000

Read = TypeVar("Read")


def raise_for_answer(
    response: httpx.Response,
    *,
    remedy: str,
    writes: bool,
    refused: type[OsmoRefused] = OsmoRefused,
    secrets: Collection[str] = (),
) -> None:
    """Returns when the service did what was asked, otherwise raises the error that says who has to act.

    `remedy` is what helps against a refused login; `writes` says that the request changes something;
    `refused` is the error for any other refusal; `secrets` are texts that the message must not hold.
    """
    if response.is_success:
        return
    response.read()
    status = response.status_code
    asked = f"{response.request.method} {response.request.url.path}"
    said, error_code = _what_it_said(response)
    said = without_secrets(said, secrets)
    explained = f"{asked}: {said or response.reason_phrase} (HTTP {status}{', ' + error_code if error_code else ''})"
    if status in _WORTH_TRYING_AGAIN:
        raise OsmoUnavailable(f"OSMO could not answer {explained}", maybe_delivered=writes and status != 429)
    if status >= 500:
        raise OsmoServerError(f"OSMO failed at {explained}")
    if response.has_redirect_location:
        elsewhere = response.request.url.join(response.headers["location"]).copy_with(query=None, fragment=None)
        said, explained = "", f"{asked}: it redirects to {elsewhere}; correct the URL of the service, or {remedy}"
    kind = _kind_of_refusal(status, said, error_code, refused)
    if kind is OsmoUnauthorized:
        explained = f"{explained}; {remedy}"
    raise kind(f"OSMO refused {explained}", status=status, error_code=error_code, service_message=said)


def _kind_of_refusal(status: int, said: str, error_code: str, refused: type[OsmoRefused]) -> type[OsmoRefused]:
    # OSMO_ERROR: the access token expired (or the client named an old version of itself; this one names none).
    if status in {401, 403} or error_code == "OSMO_ERROR":
        return OsmoUnauthorized
    if refused is not OsmoRefused:
        return refused
    if _ALREADY_FINISHED.match(said):
        return OsmoAlreadyFinished
    return OsmoNotFound if _NOT_FOUND.match(said) else OsmoRefused


def _what_it_said(response: httpx.Response) -> tuple[str, str]:
    """Message and error code of the body; '' for what it lacks."""
    try:
        body: Any = response.json()
    except ValueError:
        return response.text.strip(), ""
    if not isinstance(body, dict):
        return "", ""
    message = body.get("message") or body.get("error_description") or body.get("detail") or body.get("error") or ""
    if isinstance(message, list):
        # A refused body comes back whole in FastAPI's `input`, with whatever secret it held: leave it out.
        message = "; ".join(f"{'.'.join(map(str, item.get('loc', ())))}: {item.get('msg')}" for item in message)
    return str(message).strip(), str(body.get("error_code") or "")


def without_secrets(text: str, secrets: Collection[str] = ()) -> str:
    """The text, not too long, without the secrets and without whatever looks like a bearer token."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "[secret]")
    return _TOKENS.sub("[token]", text)[:_MAX_MESSAGE_LENGTH]


def read_answer(response: httpx.Response, kind: type[Read]) -> Read:
    """The JSON body as `kind`. Raises OsmoServerError naming the field that OSMO 6.4 would have sent otherwise."""
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise OsmoServerError(
            f"{response.request.url} answered what OSMO 6.4 does not ({field}: {first['msg']}); "
            "is this the URL of an OSMO service?"
        ) from None

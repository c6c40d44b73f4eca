"""HTTP to services that are no OSMO (registries, the model hub, NGC): answers bounded in time and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx

from vda_assets.base.cut import cut
from vda_assets.base.patience import Patience, Waiter
from vda_assets.osmo.deadline import make_punctual, within

Result = TypeVar("Result")

_CONNECT_SECONDS = 5.0
_MOST_BYTES = 4 * 1024**2
_MOST_REDIRECTS = 3
_NOT_NOW = {429, *range(500, 600)}


@dataclass(frozen=True)
class Manners:
    """How long a whole conversation with a service may take, and for how long of it one is asked again that answers
    429 or 5xx."""

    seconds: float
    patience: Patience


MANNERS = Manners(20.0, Patience(6.0, first_pause_seconds=1.0))


class NotNow(Exception):
    """The service did not answer, or not yet: nothing is known."""


@dataclass(frozen=True)
class Reply:
    """`url` is where it came from in the end, after redirects."""

    url: httpx.URL
    status: int
    headers: httpx.Headers
    content: bytes


class Asker:
    """One conversation; `ask` raises NotNow where time may help."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(
        self, method: str, url: str | httpx.URL, *, headers: Mapping[str, str], follow_redirects: bool = False
    ) -> Reply:
        """Where a redirect leads to another host, `Authorization` is left behind. Of a longer body nothing is read."""
        request = self._client.build_request(method, url, headers=headers)
        response = self._client.send(request, stream=True, follow_redirects=follow_redirects)
        try:
            if response.status_code in _NOT_NOW:
                raise NotNow(f"it answers {response.status_code}")
            return Reply(response.url, response.status_code, response.headers, _content(response))
        finally:
            response.close()


def converse(call: Callable[[Asker], Result], *, whom: str, manners: Manners) -> Result:
    """What the call returns. Raises NotNow, with the cause, when the service does not answer in time."""
    waiter = Waiter(manners.patience, whom=whom, worth_waiting=NotNow)
    timeout = httpx.Timeout(manners.seconds, connect=_CONNECT_SECONDS)
    headers = {"user-agent": "vda-assets", "accept-encoding": "identity"}
    try:
        with (
            httpx.Client(timeout=timeout, headers=headers, max_redirects=_MOST_REDIRECTS) as client,
            within(manners.seconds),
        ):
            make_punctual(client)
            return waiter.ask(lambda: call(Asker(client)))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotNow(cut(error) or type(error).__name__) from None


def _content(response: httpx.Response) -> bytes:
    """As it came over the line: what is compressed though nobody asked for it is not unpacked."""
    content = b""
    for part in response.iter_raw():
        content += part
        if len(content) > _MOST_BYTES:
            raise NotNow(f"it answers with more than {_MOST_BYTES:,} bytes")
    return content

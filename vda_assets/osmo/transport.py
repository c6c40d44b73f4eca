"""HTTP to an OSMO service: timeouts, retries of reads, bounded streams of lines, and every failure as an OsmoError."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any

import httpx

from vda_assets.base.patience import Patience, Waiter
from vda_assets.osmo.answers import raise_for_answer, without_secrets
from vda_assets.osmo.auth import OsmoAuth
from vda_assets.osmo.errors import OsmoRefused, OsmoUnavailable

Params = Collection[tuple[str, str]]

_READ_TIMEOUT_SECONDS = 60.0
_CONNECT_TIMEOUT_SECONDS = 10.0
# With these the request cannot have left us.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Transport:
    """One `httpx.Client`; may be used by several threads."""

    def __init__(
        self,
        url: str,
        auth: OsmoAuth | None,
        *,
        user_agent: str,
        retry_budget_seconds: float,
        answer_seconds: float = _READ_TIMEOUT_SECONDS,
    ) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
            raise ValueError(
                "the URL of the OSMO service must be http(s)://host[:port][/path], without user or password"
            )
        self.url = str(parsed).rstrip("/")
        self._remedy = auth.remedy if auth else "no login is configured: give an access token or run `osmo login`"
        self._waiter = Waiter(Patience(retry_budget_seconds), whom="OSMO", worth_waiting=OsmoUnavailable)
        self._http = httpx.Client(
            base_url=self.url,
            auth=auth,
            headers={"user-agent": user_agent},
            timeout=httpx.Timeout(answer_seconds, connect=min(answer_seconds, _CONNECT_TIMEOUT_SECONDS)),
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, params: Params = ()) -> httpx.Response:
        """The answer; trouble on the way is tried again with growing pauses until the budget is spent."""
        return self._waiter.ask(lambda: self.send("GET", path, params=params))

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        body: Any = None,
        refused: type[OsmoRefused] = OsmoRefused,
        secrets: Collection[str] = (),
    ) -> httpx.Response:
        """The answer to one request that is sent once. Raises OsmoUnavailable, OsmoRefused, OsmoServerError."""
        request = self._http.build_request(method, path, params=list(params), json=body)
        return self._deliver(request, refused=refused, secrets=secrets)

    def lines(self, path: str, params: Params, *, seconds: float, quiet_seconds: float) -> Iterator[str]:
        """The lines of a text that the service may keep open: ends with the text, after `seconds`, or when
        nothing came for `quiet_seconds`. Once it began it takes no longer than the sum of both."""
        give_up = time.monotonic() + seconds
        timeout = httpx.Timeout(quiet_seconds, connect=_CONNECT_TIMEOUT_SECONDS)
        request = self._http.build_request("GET", path, params=list(params), timeout=timeout)
        response = self._waiter.ask(lambda: self._deliver(request, stream=True))
        try:
            # The service says us-ascii and sends whatever bytes the task wrote.
            response.encoding = "utf-8"
            for line in response.iter_lines():
                yield line
                if time.monotonic() > give_up:
                    return
        except httpx.ReadTimeout:
            return
        except httpx.RequestError as error:
            raise _unavailable(error, request) from error
        finally:
            response.close()

    def _deliver(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        refused: type[OsmoRefused] = OsmoRefused,
        secrets: Collection[str] = (),
    ) -> httpx.Response:
        try:
            response = self._http.send(request, stream=stream)
            raise_for_answer(
                response, remedy=self._remedy, writes=request.method != "GET", refused=refused, secrets=secrets
            )
        except httpx.RequestError as error:
            raise _unavailable(error, request) from error
        return response


def _unavailable(error: httpx.RequestError, request: httpx.Request) -> OsmoUnavailable:
    # A failed renewal of the login is another request: then this one was not sent.
    was_sent = error.request is request and not isinstance(error, _NEVER_SENT)
    what = without_secrets(str(error)) or type(error).__name__
    return OsmoUnavailable(
        f"no answer from OSMO to {request.method} {request.url.copy_with(query=None)}: {what}",
        maybe_delivered=was_sent and request.method != "GET",
    )

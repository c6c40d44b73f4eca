"""HTTP to an OSMO service: answers bounded in time and size, retries of reads, and every failure as an OsmoError."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import httpx

from vda_assets.base.cut import cut
from vda_assets.base.patience import Patience, Waiter
from vda_assets.osmo.answers import bound, raise_for_answer, without_secrets
from vda_assets.osmo.auth import OsmoAuth
from vda_assets.osmo.deadline import make_punctual, within
from vda_assets.osmo.errors import OsmoRefused, OsmoStrangeAnswer, OsmoUnavailable

Params = Collection[tuple[str, str]]

_ANSWER_SECONDS = 60.0
_CONNECT_TIMEOUT_SECONDS = 10.0
_LONGEST_LINE = 64 * 1024
# With these the request cannot have left us.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Transport:
    """One `httpx.Client`; may be used by several threads. A whole answer takes at most `answer_seconds`."""

    def __init__(
        self,
        url: str,
        auth: OsmoAuth | None,
        *,
        user_agent: str,
        retry_budget_seconds: float,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
            raise ValueError(
                "the URL of the OSMO service must be http(s)://host[:port][/path], without user or password"
            )
        self.url = str(parsed).rstrip("/")
        self._has_login = auth is not None
        self._remedy = auth.remedy if auth else "no login is configured: give an access token or run `osmo login`"
        self._waiter = Waiter(Patience(retry_budget_seconds), whom="OSMO", worth_waiting=OsmoUnavailable)
        self._answer_seconds = answer_seconds
        self._http = httpx.Client(
            base_url=self.url,
            auth=auth,
            headers={"user-agent": user_agent, "accept-encoding": "identity"},
            timeout=httpx.Timeout(answer_seconds, connect=min(answer_seconds, _CONNECT_TIMEOUT_SECONDS)),
            event_hooks={"response": [bound]},
        )
        make_punctual(self._http)

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
        with within(self._answer_seconds):
            return self._deliver(request, refused=refused, secrets=secrets)

    def tail(self, path: str, params: Params, *, lines: int, seconds: float, quiet_seconds: float) -> list[str]:
        """The last lines of a text that the service may keep open; asked for once, as nobody needs it to go on.

        They are read until the text ends, for `seconds` at most, or until nothing came for `quiet_seconds`.
        """
        timeout = httpx.Timeout(quiet_seconds, connect=_CONNECT_TIMEOUT_SECONDS)
        request = self._http.build_request("GET", path, params=list(params), timeout=timeout)
        with within(seconds):
            response = self._deliver(request, stream=True)
            # The service says us-ascii and sends whatever bytes the task wrote.
            response.encoding = "utf-8"
            try:
                return _last_lines(response, lines)
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
            try:
                raise_for_answer(
                    response,
                    remedy=self._remedy,
                    writes=request.method != "GET",
                    refused=refused,
                    secrets=secrets,
                    has_login=self._has_login,
                )
            except BaseException:
                response.close()
                raise
        except httpx.RequestError as error:
            raise _unavailable(error, request) from error
        except httpx.InvalidURL as error:  # httpx follows no redirect, but looks where it would lead
            raise OsmoStrangeAnswer(f"{request.url} redirects to what is no URL: {cut(error)}") from None
        return response


def _last_lines(response: httpx.Response, count: int) -> list[str]:
    """What came before the text ended or paused. Of a line without end only the end is kept."""
    newest: deque[str] = deque(maxlen=count)
    rest = ""
    with suppress(httpx.ReadTimeout):
        for text in response.iter_text():
            *lines, rest = (rest + text).split("\n")
            newest += lines
            rest = rest[-_LONGEST_LINE:]
    return [line.rstrip("\r")[-_LONGEST_LINE:] for line in [*newest, *([rest] if rest else [])]][-count:]


def _unavailable(error: httpx.RequestError, request: httpx.Request) -> OsmoUnavailable:
    # A failed renewal of the login is another request: then this one was not sent.
    was_sent = error.request is request and not isinstance(error, _NEVER_SENT)
    what = without_secrets(str(error)) or type(error).__name__
    return OsmoUnavailable(
        f"no answer from OSMO to {request.method} {request.url.copy_with(query=None)}: {what}",
        maybe_delivered=was_sent and request.method != "GET",
    )

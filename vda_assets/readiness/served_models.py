"""What an endpoint answers when asked for its models: bounded in bytes and seconds, its key for its host alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from pydantic import SecretStr

from vda_assets.base.cut import cut
from vda_assets.config.endpoint_url import candidates, is_of_the_cluster
from vda_assets.osmo.deadline import make_punctual, within

_CONNECT_SECONDS = 5.0
_MOST_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class Answer:
    """`base` is where it came from; `status` is None when none did, and `trouble` why there is no model."""

    base: str
    status: int | None
    models: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def wants_a_key(self) -> bool:
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def may_change(self) -> bool:
        """Whether nothing came, or "not now": it may be another one soon, or from elsewhere."""
        return self.status is None or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500


def ask_for_models(url: str, key: SecretStr | None, *, answer_seconds: float = 15.0) -> Answer:
    """Of the bases that a URL may mean, the first that lists a model; else what the likeliest one answered.

    Each is waited for as long as `answer_seconds`, however slowly its answer comes.
    """
    first: Answer | None = None
    # A proxy knows no name of the cluster, and its word that there is no such host would pass for the endpoint's.
    with httpx.Client(trust_env=not is_of_the_cluster(url), follow_redirects=False) as client:
        make_punctual(client)
        for base in candidates(url):
            answer = _ask(client, base, key, answer_seconds)
            if answer.models:
                return answer
            first = first or answer
    assert first is not None
    return first


def _ask(client: httpx.Client, base: str, key: SecretStr | None, answer_seconds: float) -> Answer:
    headers = {"accept-encoding": "identity"}
    if key:
        headers["authorization"] = f"Bearer {key.get_secret_value()}"
    timeout = httpx.Timeout(answer_seconds, connect=_CONNECT_SECONDS)
    try:
        with (
            within(answer_seconds),
            client.stream("GET", f"{base}/models", headers=headers, timeout=timeout) as response,
        ):
            return _understood(base, response)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # Its text is the library's, and may repeat a header that it did not like.
        return Answer(base, None, trouble=type(error).__name__)


def _understood(base: str, response: httpx.Response) -> Answer:
    status = response.status_code
    if response.has_redirect_location:
        there = response.request.url.join(response.headers["location"]).copy_with(
            query=None, fragment=None, userinfo=b""
        )
        return Answer(base, status, trouble=f"it redirects to {cut(there)}, which is not followed")
    if not response.is_success:
        return Answer(base, status, trouble=f"HTTP {status}")
    content = b""
    for part in response.iter_raw():
        content += part
        if len(content) > _MOST_BYTES:
            return Answer(base, status, trouble=f"its list is longer than {_MOST_BYTES // 1024**2} MiB")
    try:
        models = tuple(cut(entry["id"]) for entry in json.loads(content)["data"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(base, status, trouble="its answer is no list of models")
    return Answer(base, status, models, trouble="" if models else "it lists no model")

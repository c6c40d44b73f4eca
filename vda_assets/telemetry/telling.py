"""Tells people: each alert once to each receiver, though processes are killed and receivers are away for a while.

What is to be told is kept in Dagster's database before it is sent, and that it was sent right after: a process that is
killed between the two sends it twice, and none is lost. Receivers are URLs of Apprise and hold secrets, so they come
from the environment, and nothing that Apprise says of them is logged.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.base.counted import counted
from vda_assets.base.parallel import within
from vda_assets.runs.private import keep_text, kept_texts
from vda_assets.telemetry.alerts import Alert, Watched

URLS_VARIABLE, UI_VARIABLE = "VDA_ALERT_URLS", "VDA_UI_URL"
_NAME = "vda/alerts"
_MOST_WAITING, _MOST_REMEMBERED = 50, 500
# Of one tick, which may take a minute in all; and of one sending.
_MOST_SENT, _TICK_SECONDS, _SECONDS = 20, 30.0, 5.0


class _Waiting(BaseModel):
    """`sent` are receivers that have it."""

    alert: Alert
    sent: list[str] = []


class Kept(BaseModel):
    """What is kept from one tick to the next. `told` is what was ever found, the newest last."""

    watched: Watched = Watched()
    waiting: list[_Waiting] = []
    told: list[str] = []

    def add(self, alerts: Sequence[Alert]) -> None:
        """What waits longest is given up when too much does: a receiver may be gone for good."""
        new = [one for one in alerts if one.about not in self.told]
        self.told = [*self.told, *(one.about for one in new)][-_MOST_REMEMBERED:]
        self.waiting = [*self.waiting, *(_Waiting(alert=one) for one in new)][-_MOST_WAITING:]


def read_kept(instance: dg.DagsterInstance) -> Kept:
    """A text that cannot be read starts over: what happens from now on is told."""
    try:
        return Kept.model_validate_json(kept_texts(instance, [_NAME]).get(_NAME) or "{}")
    except ValidationError:
        return Kept()


def keep(instance: dg.DagsterInstance, kept: Kept) -> None:
    keep_text(instance, _NAME, kept.model_dump_json())


@dataclass(frozen=True)
class Receiver:
    """`number` is its place among the URLs, from 1: all that may be said of it."""

    number: int
    key: str
    _url: str

    def __repr__(self) -> str:
        return f"receiver {self.number} of {URLS_VARIABLE}"

    def send(self, alert: Alert) -> bool:
        """Whether the receiver took it, in bounded time. Raises nothing: an error's text may hold the URL."""
        sent, _ = within(_SECONDS, partial(_send, self._url), [alert], threads=1)
        return sent == [True]


def receivers(environment: Mapping[str, str]) -> list[Receiver]:
    """Those that the variable names, separated by blanks or lines."""
    urls = dict.fromkeys(environment.get(URLS_VARIABLE, "").split())
    digests = [hashlib.sha256(url.encode()).hexdigest()[:8] for url in urls]
    return [Receiver(number, digest, url) for number, (digest, url) in enumerate(zip(digests, urls, strict=True), 1)]


def tell(instance: dg.DagsterInstance, kept: Kept, to: Sequence[Receiver], *, warn: Callable[[str], None]) -> int:
    """Sends what waits, and returns how many messages were taken. A receiver that does not take one is tried again at
    the next tick, and holds up no other."""
    sent, until = 0, time.monotonic() + _TICK_SECONDS
    for receiver in to:
        for one in kept.waiting:
            if receiver.key in one.sent:
                continue
            if sent == _MOST_SENT or time.monotonic() > until:
                break
            if not receiver.send(one.alert):
                warn(f"{receiver} did not take {one.alert.title!r}; it is tried again at the next tick")
                break
            one.sent.append(receiver.key)
            sent += 1
            keep(instance, kept)
    here = {receiver.key for receiver in to}
    kept.waiting = [one for one in kept.waiting if not here <= {*one.sent}]
    keep(instance, kept)
    return sent


def summary(kept: Kept, sent: int) -> str:
    waits = f"; {counted(len(kept.waiting), 'alert waits', 'alerts wait')}" if kept.waiting else ""
    return f"{counted(sent, 'message')} sent{waits}"


def _send(url: str, alert: Alert) -> bool:
    import apprise

    # What Apprise logs may hold URLs; urllib3 names paths when it is asked for everything.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(max(logging.INFO, logging.getLogger("urllib3").level))
    try:
        asset = apprise.AppriseAsset(app_id="vda", async_mode=False)
        notifier = apprise.Apprise(asset=asset)
        return bool(notifier.add(url) and notifier.notify(title=alert.title, body=alert.body))
    except Exception:  # noqa: BLE001 - its text may hold the URL
        return False

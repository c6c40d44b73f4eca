"""One page for Prometheus: every source is read when it is asked for, side by side, and none is waited for long.

Run pods are gone before anybody could ask them; what they did stands in Dagster's books, so one process that reads
these tells it for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from threading import Lock, Thread
from typing import Protocol

import dagster as dg

from vda_assets.base.cut import cut
from vda_assets.project import Project
from vda_assets.telemetry.books import Books
from vda_assets.telemetry.clients import quick_client
from vda_assets.telemetry.metrics import Metrics
from vda_assets.telemetry.pool import Pool
from vda_assets.telemetry.store import Store

# Prometheus gives up after 10 s, unless it is told otherwise.
SCRAPE_SECONDS = 8.0


class Source(Protocol):
    @property
    def source(self) -> str: ...

    @property
    def name(self) -> str: ...

    def read(self) -> Callable[[], None]:
        """Asks; what is returned puts the answer into the metrics."""
        ...

    def forget(self) -> None: ...


def sources_of(
    project: Project, instance: dg.DagsterInstance, metrics: Metrics, environment: Mapping[str, str]
) -> list[Source]:
    """Dagster's books, the OSMO of each deployment that has datasets, and each bucket or account of theirs."""
    datasets = project.datasets.values()
    books = Books(instance, {one.slug: one.name for one in datasets}, metrics)
    pools, stores = list[Source](), dict[tuple[str, str], Source]()
    for name, deployment in project.deployments.items():
        own = [one for one in datasets if one.deployment == name]
        if not own:
            continue
        client = partial(quick_client, deployment, environment)
        names = [one.name for one in own]
        pools.append(Pool(name, deployment, names, connect=client, asked=books.asked, metrics=metrics))
        storage = partial(project.storage_of, deployment, environment)
        for one in own:
            stores.setdefault((name, one.dataset_url.profile), Store(one.dataset_url, storage))
    return [books, *pools, *stores.values()]


class Exporter:
    """A source that fails, or is late, is told by `vda_up` alone. `say` is told when one goes away or comes back."""

    def __init__(
        self,
        sources: Sequence[Source],
        metrics: Metrics,
        *,
        say: Callable[[str], object],
        seconds: float = SCRAPE_SECONDS,
    ) -> None:
        self._sources, self._metrics, self._say, self._seconds = sources, metrics, say, seconds
        self._going: dict[Source, _Reading] = {}
        self._down: set[Source] = set()
        self._lock = Lock()

    def page(self) -> bytes:
        """What there is to tell now, in Prometheus' text format; takes as long as a scrape may."""
        with self._lock:
            for source in self._sources:
                # One that is still being read since the scrape before is not asked twice.
                if source not in self._going:
                    self._going[source] = _Reading(source)
            wait([one.answer for one in self._going.values()], timeout=self._seconds)
            for source in self._sources:
                self._put(source, self._going[source])
            return self._metrics.page()

    def _put(self, source: Source, reading: _Reading) -> None:
        labels = (source.source, source.name)
        why = f"no answer within {self._seconds:g} s"
        if reading.answer.done():
            del self._going[source]
            try:
                reading.answer.result()()
            except Exception as error:  # noqa: BLE001 - whatever it is, the other sources are told
                why = f"{type(error).__name__}: {cut(error)}"
            else:
                why = ""
        if why:
            source.forget()
        self._metrics.up.labels(*labels).set(not why)
        self._metrics.source_seconds.labels(*labels).set(reading.seconds)
        if bool(why) != (source in self._down):
            self._down ^= {source}
            self._say(f"{' '.join(labels)}: {why or 'it answers again'}")


class _Reading:
    """One source, read by a thread that nobody has to wait for."""

    def __init__(self, source: Source) -> None:
        self.answer: Future[Callable[[], None]] = Future()
        self._source, self._begin, self._end = source, time.monotonic(), 0.0
        Thread(target=self._read, daemon=True).start()

    @property
    def seconds(self) -> float:
        return (self._end or time.monotonic()) - self._begin

    def _read(self) -> None:
        try:
            answer = self._source.read()
        except BaseException as error:  # noqa: BLE001 - raised by who waits for the answer
            self._end = time.monotonic()
            self.answer.set_exception(error)
        else:
            self._end = time.monotonic()
            self.answer.set_result(answer)

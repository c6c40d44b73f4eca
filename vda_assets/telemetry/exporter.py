"""One page for Prometheus: every source is read when it is asked for, side by side, and none is waited for long.

Run pods are gone before anybody could ask them; what they did stands in Dagster's books, so one process that reads
these tells it for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Protocol

import dagster as dg

from vda_assets.base.cut import cut
from vda_assets.base.parallel import within
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
        self._going: dict[Source, float] = {}
        self._down: set[Source] = set()
        self._lock = Lock()

    def page(self) -> bytes:
        """What there is to tell now, in Prometheus' text format; takes as long as a scrape may."""
        with self._lock:
            # One that is still being read since a scrape before is not asked twice.
            free = [source for source in self._sources if source not in self._going]
            answers, _ = within(self._seconds, self._read, free, threads=len(free))
            told = {source: (put, seconds, why) for source, put, seconds, why in answers}
            late = f"no answer within {self._seconds:g} s"
            now = time.monotonic()
            for source in self._sources:
                since = now - self._going.get(source, now)
                self._put(source, *told.get(source, (source.forget, since, late)))
            return self._metrics.page()

    def _read(self, source: Source) -> tuple[Source, Callable[[], None], float, str]:
        self._going[source] = begin = time.monotonic()
        try:
            put, why = source.read(), ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sources are told
            put, why = source.forget, f"{type(error).__name__}: {cut(error)}"
        finally:
            del self._going[source]
        return source, put, time.monotonic() - begin, why

    def _put(self, source: Source, put: Callable[[], None], seconds: float, why: str) -> None:
        put()
        labels = (source.source, source.name)
        self._metrics.up.labels(*labels).set(not why)
        self._metrics.source_seconds.labels(*labels).set(seconds)
        if bool(why) != (source in self._down):
            self._down ^= {source}
            self._say(f"{' '.join(labels)}: {why or 'it answers again'}")

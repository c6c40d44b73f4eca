"""How many more workflows a run may have on its pool: one bound holds for all runs of ours, which take turns.

The service's own list says what is on the pool, whoever submitted it. What is free goes, one by one, to the most urgent
run that waits, and among these to the dataset, then the run, that has least there, then to the one that was served
longest ago: so a run that comes later gets its share as workflows of the others end. All runs reckon alike, from the
same list and the same wishes. A workflow of a lower priority takes no room from a higher one, since OSMO prefers that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from vda_assets.base.clock import Clock
from vda_assets.config.deployment import OsmoConnection
from vda_assets.dispatch.company import Company, Wish
from vda_assets.dispatch.submissions import OURS, run_id_in
from vda_assets.flows.place import Place
from vda_assets.osmo.models import WorkflowEntry
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import WorkflowStatus
from vda_assets.storage.layout import RunLayout

# How often the other runs are asked, and the service, while work waits; and the service while there is nobody else.
_LOOK_SECONDS, _LOOK_ALONE_SECONDS = 5.0, 30.0
# A run that begins to wait beside others takes nothing before all of these know: they look as often, and a row shows up
# some time after its POST. Runs that come up on an empty pool at the same moment would overfill it otherwise.
_KNOWN_SECONDS = 2 * _LOOK_SECONDS
# A wish is told again so often, and forgotten when it was not: its run may have died without a word.
_TOLD_SECONDS, _FORGOTTEN_SECONDS = 30.0, 120.0
_OPEN = (WorkflowStatus.PENDING, WorkflowStatus.WAITING, WorkflowStatus.RUNNING)
_RANKS: Mapping[str, int] = {"HIGH": 0, "NORMAL": 1, "LOW": 2}


class PoolRoom:
    """Of one run. The bound is the deployment's `max_in_flight`."""

    def __init__(
        self,
        client: OsmoService,
        osmo: OsmoConnection,
        *,
        place: Place,
        layout: RunLayout,
        company: Company,
        clock: Clock,
    ) -> None:
        self._client, self._most, self._pool = client, osmo.max_in_flight, place.pool
        self._company, self._clock = company, clock
        now = clock.now().timestamp()
        self._wish = Wish(
            run_id=layout.run_id,
            dataset=f"{layout.storage_url} {layout.dataset}",
            pool=f"{osmo.url} {place.pool}",
            priority=place.priority,
            waiting=0,
            served=now,
            told=now,
        )
        self._told: Wish | None = None
        self._rivals: list[Wish] = []
        # Open workflows of ours that this run does not wait for -> their runs, at the last look.
        self._others: dict[str, str] = {}
        self._counted = -math.inf
        self._looked = -math.inf
        self._waits_since = 0.0

    def served(self) -> None:
        """To be called for every workflow of the run that is new on the pool."""
        self._wish = replace(self._wish, served=self._now)

    def for_more(self, own: Collection[str], *, posting: int, waiting: int) -> int:
        """How many of the `waiting` may be sent now. `own` are the workflows that the run waits for.

        While something waits, the other runs are asked every few seconds, and the service with one call.
        """
        if self._is_time_to_look and (waiting or self._wish.waiting):
            self._look(own, waiting)
        if not waiting or self._is_news_to_others:
            return 0
        others = {name: run_id for name, run_id in self._others.items() if name not in own}
        there = Counter(others.values())
        there[self._wish.run_id] += len(own) + posting
        free = self._most - len(others) - len(own) - posting
        # As the others know it: whose turn it is, all have to see alike.
        assert self._told is not None
        return turns(free, [replace(self._told, waiting=waiting), *self._rivals], there)[self._told.run_id]

    @property
    def _now(self) -> float:
        return self._clock.now().timestamp()

    @property
    def _is_time_to_look(self) -> bool:
        return self._clock.monotonic() - self._looked >= _LOOK_SECONDS

    @property
    def _is_news_to_others(self) -> bool:
        return any(one.waiting for one in self._rivals) and (
            self._clock.monotonic() - self._waits_since < _KNOWN_SECONDS
        )

    def _look(self, own: Collection[str], waiting: int) -> None:
        """The other runs are asked once they know of this one: of two that begin to wait, one sees the other.

        That nothing waits any more is told no sooner than the rows of the last workflows are there to be counted.
        """
        seconds = self._clock.monotonic()
        if not self._wish.waiting:
            self._waits_since = seconds
        self._rivals = [one for one in self._tell(waiting) if self._is_rival(one)]
        is_alone = not self._others and not self._rivals
        if waiting and not (is_alone and seconds - self._counted < _LOOK_ALONE_SECONDS):
            self._others = {
                entry.name: run_id
                for entry in self._client.workflows(name=OURS, statuses=_OPEN)
                if (run_id := run_id_in(entry.name)) and self._takes_room(entry) and entry.name not in own
            }
            self._counted = seconds
        self._looked = seconds

    def _tell(self, waiting: int) -> Collection[Wish]:
        """Unless there is something new it is told again only now and then: it is written into Dagster's books."""
        served = self._now if waiting and not self._wish.waiting else self._wish.served
        wish = replace(self._wish, waiting=waiting, served=served)
        if wish != self._told or self._now - wish.told >= _TOLD_SECONDS:
            wish = replace(wish, told=self._now)
        self._wish = self._told = wish
        return self._company.share(wish)

    def _is_rival(self, one: Wish) -> bool:
        is_forgotten = one.waiting and self._now - one.told > _FORGOTTEN_SECONDS
        return _rank(one.priority) <= _rank(self._wish.priority) and not is_forgotten

    def _takes_room(self, entry: WorkflowEntry) -> bool:
        return entry.pool in (None, self._pool) and _rank(entry.priority) <= _rank(self._wish.priority)


def turns(free: int, wishes: Collection[Wish], there: Mapping[str, int]) -> Counter[str]:
    """Run id -> how many of the `free` places are that run's. `there` is what each has on the pool."""
    given: Counter[str] = Counter()
    runs = Counter(there)
    datasets: Counter[str] = Counter()
    for wish in wishes:
        datasets[wish.dataset] += runs[wish.run_id]
    for _ in range(free):
        waiting = [one for one in wishes if one.waiting > given[one.run_id]]
        if not waiting:
            break
        first = min(
            waiting,
            key=lambda one: (_rank(one.priority), datasets[one.dataset], runs[one.run_id], one.served, one.run_id),
        )
        given[first.run_id] += 1
        runs[first.run_id] += 1
        datasets[first.dataset] += 1
    return given


def _rank(priority: str) -> int:
    """A service that does not say the priority, or another one, is taken to mean the usual."""
    return _RANKS.get(priority, _RANKS["NORMAL"])

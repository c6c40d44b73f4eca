"""Clips of queued runs, made by a run that has started and was asked for alike, so that the pool is kept full.

Dagster gives scattered partitions a run each, and lets few runs go on at once. A run therefore takes over the clips of
its backfill's queued runs, or, when uploads asked for it, of those that later uploads asked for. It takes each of these
out of the queue once its clips are in Dagster's books. Until then they stay queued: should this run be killed, the next
one starts and takes them over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.runs.names import ARRIVAL, CLIPS
from vda_assets.runs.neighbours import Neighbours
from vda_assets.runs.own_runs import planned_partitions
from vda_assets.runs.private import BACKFILL_TAG, end_as_failed, say_in, take_out_of_queue
from vda_assets.runs.production import Production


class Siblings:
    """The queued runs that ask for the same outputs as `run`; there are none when nothing but a person asked for it.

    `most` is how many clips this run works on at once.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun,
        *,
        company: Neighbours,
        partitions: str,
        most: int,
        log: Callable[[str], None],
    ) -> None:
        self._instance, self._run, self._company = instance, run, company
        self._partitions, self._most, self._log = partitions, most, log
        self._taken: dict[str, frozenset[str]] = {}

    def take_over(self) -> list[str]:
        """The keys of clips that this run has to make as well from now on."""
        with interrupts_delayed():
            taken = self._find()
            clips = sorted({key for keys in taken.values() for key in keys})
            if clips:
                self._company.take_on(clips)
                self._taken |= taken
        if clips:
            self._log(f"made here too: {counted(len(clips), 'clip')} of {counted(len(taken), 'queued run')}")
        return clips

    def settle(self, production: Production) -> None:
        """Ends the queued runs whose clips are all made or have failed."""
        for run_id, keys in list(self._taken.items()):
            if all(map(production.is_done, keys)):
                del self._taken[run_id]
                with interrupts_delayed():
                    self._end(run_id, production.failures.of(keys))

    def _find(self) -> Mapping[str, frozenset[str]]:
        """Queued run -> its clips, for runs that are not taken yet, whose clips no other run works on."""
        found: dict[str, frozenset[str]] = {}
        tags = {name: self._run.tags[name] for name in (BACKFILL_TAG, ARRIVAL) if name in self._run.tags}
        if not tags:
            return found
        queued = dg.RunsFilter(job_name=self._run.job_name, tags=tags, statuses=[dg.DagsterRunStatus.QUEUED])
        room = self._most - len(self._company.keys)
        for run in self._instance.get_runs(queued, limit=self._most, ascending=True):
            if room <= 0:
                break
            if run.run_id in self._taken or not self._asks_alike(run):
                continue
            keys = self._clips_of(run)
            if keys and not self._company.need(keys):
                found[run.run_id] = keys
                room -= len(keys)
                say_in(self._instance, run, f"Its clips are made by run {self._run.run_id}.")
        return found

    def _asks_alike(self, run: dg.DagsterRun) -> bool:
        if run.asset_selection != self._run.asset_selection:
            return False
        return _without_clips(run) == _without_clips(self._run)

    def _clips_of(self, run: dg.DagsterRun) -> frozenset[str]:
        if not run.asset_selection:
            return frozenset(clip for config in _configs(run) for clip in config.get(CLIPS, ()))
        planned = planned_partitions(self._instance, run.run_id, min(run.asset_selection))
        return frozenset(planned) & frozenset(self._instance.get_dynamic_partitions(self._partitions))

    def _end(self, run_id: str, failures: Sequence[str]) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.status is not dg.DagsterRunStatus.QUEUED:
            return  # it has started after all: it finds everything finished
        if failures:
            end_as_failed(self._instance, run, f"{cut('; '.join(failures))} (in run {self._run.run_id})")
        else:
            take_out_of_queue(self._instance, run_id)


def _configs(run: dg.DagsterRun) -> list[dict[str, Any]]:
    """The config of each op of the run."""
    ops: Any = (run.run_config or {}).get("ops", {})
    return [dict(op.get("config") or {}) for op in ops.values()]


def _without_clips(run: dg.DagsterRun) -> list[dict[str, Any]]:
    return [{name: value for name, value in config.items() if name != CLIPS} for config in _configs(run)]

"""Which clips each living run of this Dagster instance works on, and what it wants of its pool: so runs leave each
other's work to each other, and share what is free.

A run records its clips before it looks for workflows. Of two runs that work on a clip the later one therefore sees the
earlier, or each sees the other: then the order of their beginnings decides, which both read alike.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Dataset
from vda_assets.dispatch.company import Wish
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.flows.workflow import clip_hash_at
from vda_assets.runs.dead_runs import fail_dead_runs
from vda_assets.runs.own_runs import is_terminated
from vda_assets.runs.private import keep_text, kept_texts

# K8sRunLauncher gives it to the pods of runs, and to nothing else (dagster-k8s 0.29).
_POD_VARIABLE = "DAGSTER_RUN_JOB_NAME"
_LIVING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class _Record(BaseModel):
    """`began` is in seconds since 1970; `stages` are those that the run makes of the clips whose `keys` it lists; the
    `wish` is that for room on its pool, once it wants some."""

    dataset: str
    began: float
    stages: frozenset[Stage]
    keys: frozenset[str]
    wish: Wish | None = None


class Neighbours:
    """The dispatcher's `Company` for one run: the other living runs of the same dataset, and for their
    shares of a pool those of all datasets."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        run_id: str,
        *,
        dataset: Dataset,
        selection: Selection,
        keys: Sequence[str],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`environment` is that of the process which executes the run."""
        self._instance, self._run_id = instance, run_id
        self._is_in_pod = _POD_VARIABLE in environment
        self._record = _Record(
            dataset=str(dataset.dataset_url), began=time.time(), stages=selection.stages, keys=frozenset(keys)
        )
        _write(instance, run_id, self._record)

    def work_on(self, keys: Collection[str]) -> None:
        """Raises DagsterExecutionInterruptedError when the run was terminated: the UI sends no signal to a process that
        Dagster did not start."""
        if is_terminated(self._instance, self._run_id):
            raise dg.DagsterExecutionInterruptedError
        self._note(self._record.model_copy(update={"keys": frozenset(keys)}))

    @property
    def keys(self) -> frozenset[str]:
        """The clips that this run has not done with."""
        return self._record.keys

    def take_on(self, keys: Collection[str]) -> None:
        """Tells the others of clips that this run works on besides."""
        self.work_on(self._record.keys | frozenset(keys))

    def ahead(self, keys: Collection[str]) -> frozenset[str]:
        me = (self._record.began, self._run_id)
        earlier = [
            record
            for run_id, record in self._others()
            if (record.began, run_id) < me and record.stages & self._record.stages
        ]
        return frozenset(keys) & frozenset(key for record in earlier for key in record.keys)

    def need(self, keys: Collection[str]) -> frozenset[str]:
        return frozenset(keys) & frozenset(key for _, record in self._others() for key in record.keys)

    def goes_on(self) -> bool:
        """A pod is asked to end when its node is drained, too: then the run is retried on another node."""
        return self._is_in_pod and not is_terminated(self._instance, self._run_id)

    def share(self, wish: Wish) -> list[Wish]:
        self._note(self._record.model_copy(update={"wish": wish}))
        wishes = [record.wish for run_id, record in _living(self._instance) if run_id != self._run_id]
        return [one for one in wishes if one is not None and one.pool == wish.pool]

    def _note(self, record: _Record) -> None:
        if record != self._record:
            self._record = record
            _write(self._instance, self._run_id, record)

    def _others(self) -> Iterator[tuple[str, _Record]]:
        """Those of the same dataset."""
        for run_id, record in _living(self._instance):
            if run_id != self._run_id and record.dataset == self._record.dataset:
                yield run_id, record


def needed_clips(instance: dg.DagsterInstance, dataset: Dataset) -> set[str]:
    """The `clip_hash` of every clip of the dataset that a living run works on."""
    return {clip_hash_at(dataset.dataset_url, key) for key in clips_of_living_runs(instance, dataset)}


def clips_of_living_runs(instance: dg.DagsterInstance, dataset: Dataset) -> set[str]:
    """The keys of the dataset's clips that a living run works on."""
    records = [record for _, record in _living(instance) if record.dataset == str(dataset.dataset_url)]
    return {key for record in records for key in record.keys}


def _living(instance: dg.DagsterInstance) -> Iterator[tuple[str, _Record]]:
    with interrupts_delayed():
        fail_dead_runs(instance)
        run_ids = [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=_LIVING))]
        texts = kept_texts(instance, [_name(run_id) for run_id in run_ids])
    for run_id in run_ids:
        try:
            yield run_id, _Record.model_validate_json(texts.get(_name(run_id)) or "")
        except ValidationError:
            continue  # no run of ours, or none that has begun


def _write(instance: dg.DagsterInstance, run_id: str, record: _Record) -> None:
    with interrupts_delayed():
        keep_text(instance, _name(run_id), record.model_dump_json())


def _name(run_id: str) -> str:
    return f"vda/run/{run_id}"

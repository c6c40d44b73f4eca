"""Fills model caches by a workflow on OSMO, once for all that need them: who comes second waits for the first.

OSMO is the only witness: a living workflow with a cache's label fills it, whoever submitted it, be that one alive or
not. Of two that were submitted at the same moment the one with the lower number stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.counted import counted
from vda_assets.config.deployment import OsmoConnection
from vda_assets.model_caches.contents import Source
from vda_assets.model_caches.fill import PROGRESS
from vda_assets.model_caches.state import CacheState, look
from vda_assets.model_caches.workflow import (
    LEG_SECONDS,
    TASK_NAMES,
    WORKFLOW_NAME,
    build_workflow,
    cache_hash,
    cache_label,
)
from vda_assets.osmo.errors import OsmoAlreadyFinished, OsmoError, OsmoNotFound, OsmoUnavailable
from vda_assets.osmo.models import WorkflowEntry
from vda_assets.osmo.service import OsmoService
from vda_assets.osmo.statuses import WorkflowStatus
from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

_LOOK_SECONDS = 5.0
_TELL_SECONDS = 60.0
# The row of a new workflow shows some hundred milliseconds after the answer (OSMO 6.4); a loaded service takes longer.
_ROW_SECONDS = 30.0
_TRIES = 3
_CANCELED = WorkflowStatus.FAILED_CANCELED


class CacheNotFilled(Exception):
    """A model cache could not be filled; the text says which, why and what to do. What came meanwhile is kept."""


@dataclass(frozen=True)
class CacheNeed:
    """What somebody reads of the cache of that name."""

    name: str
    url: StorageUrl
    sources: tuple[Source, ...]


@dataclass
class CacheBuilder:
    """`credentials` and `environment` are the tasks'; `log` is told what happens, at least every two minutes."""

    client: OsmoService
    storage: Storage
    osmo: OsmoConnection
    pool: str
    gpu_platform: str
    log: Callable[[str], None]
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = SYSTEM_CLOCK
    leg_seconds: float = LEG_SECONDS
    look_seconds: float = _LOOK_SECONDS
    tell_seconds: float = _TELL_SECONDS

    def fill(self, needs: Sequence[CacheNeed]) -> dict[str, CacheState]:
        """The caches, whole. Raises CacheNotFilled, and OsmoError or StorageError when one of them does not answer."""
        former: dict[str, CacheState] = {}
        tries = 0
        while True:
            states = {need.name: look(self.storage, need.url, need.sources) for need in needs}
            lacking = {name: state for name, state in states.items() if state.lacking}
            if not lacking:
                return states
            tries = tries + 1 if any(_is_as_before(lacking, former, name) for name in former) else 0
            if tries >= _TRIES:
                raise CacheNotFilled(
                    f"{_named(lacking)}: {counted(tries, 'workflow')} brought nothing; look at the last in OSMO"
                )
            if idle := {name: state for name, state in lacking.items() if not self._living(name, state)}:
                self._submit(idle)
                former = idle
            self._wait(lacking)

    def _submit(self, states: Mapping[str, CacheState]) -> None:
        for name, state in states.items():
            self.log(f"model cache {name} at {state.url}: fetching {', '.join(one.id for one in state.lacking)}")
        labelled = self.client.keeps_labels
        spec = build_workflow(
            states,
            gpu_platform=self.gpu_platform,
            credentials=self.credentials,
            environment=self.environment,
            labels=self.osmo.labels,
            labelled=labelled,
            leg_seconds=self.leg_seconds,
        )
        try:
            workflow_id = self.client.submit(spec, pool=self.pool, priority=self.osmo.priority).name
        except OsmoUnavailable as error:
            if not error.maybe_delivered:
                raise
            self.clock.sleep(_ROW_SECONDS)  # if it was taken, it is found by its label
            return
        self._await_row(workflow_id)
        try:
            self._follow(workflow_id, states)
        except BaseException:
            self.log(f"{workflow_id} goes on without this run; whoever needs the cache next waits for it")
            raise

    def _await_row(self, workflow_id: str) -> None:
        gives_up = self.clock.monotonic() + _ROW_SECONDS
        while self.clock.monotonic() < gives_up:
            try:
                self.client.workflow(workflow_id)
            except OsmoNotFound:
                self.clock.sleep(0.2)
            else:
                return

    def _follow(self, workflow_id: str, states: Mapping[str, CacheState]) -> None:
        """Until the workflow has ended, by itself or because an older one fills the same."""
        told = self.clock.monotonic()
        while True:
            workflow = self.client.workflow(workflow_id)
            if workflow.meaning.ended:
                break
            for name, state in states.items():
                if older := [one for one in self._living(name, state) if _number(one.name) < _number(workflow_id)]:
                    self._cancel(workflow_id, why=f"{older[0].name} fills {name} already")
                    return
            if self.clock.monotonic() - told >= self.tell_seconds:
                told = self.clock.monotonic()
                self._tell(workflow_id, states, workflow.status)
            self.clock.sleep(self.look_seconds)
        if workflow.meaning.succeeded:
            return
        if reasons := self._reasons(workflow_id, states):
            raise CacheNotFilled(f"{_named(states)}: {'; '.join(reasons)}")
        if workflow.status == _CANCELED:
            raise CacheNotFilled(f"{_named(states)}: {workflow_id}, which fetched it, was canceled")
        failures = [task.failure_message for task in workflow.failed_tasks() if task.failure_message]
        self.log(f"{workflow_id} ended as {workflow.status}{': ' if failures else ''}{'; '.join(failures)[:500]}")

    def _wait(self, states: Mapping[str, CacheState]) -> None:
        """Until nothing fills any of the caches any more."""
        told = None
        while True:
            living = {one.name: name for name, state in states.items() for one in self._living(name, state)}
            if not living:
                return
            now = self.clock.monotonic()
            if told is None or now - told >= self.tell_seconds:
                told = now
                for workflow_id, name in living.items():
                    said = self._progress(workflow_id, name)
                    self.log(f"waiting for {workflow_id}, which fills model cache {name}{said}")
            self.clock.sleep(self.look_seconds)

    def _living(self, name: str, state: CacheState) -> list[WorkflowEntry]:
        """Those that fill the cache, oldest first; a service without labels does not say which cache."""
        if self.client.keeps_labels:
            found = self.client.workflows(labels={cache_label(name): cache_hash(state.url)})
        else:
            found = self.client.workflows(name=f"{WORKFLOW_NAME}-")
        return sorted((one for one in found if not one.meaning.ended), key=lambda one: _number(one.name))

    def _tell(self, workflow_id: str, states: Mapping[str, CacheState], status: str) -> None:
        for name in states:
            self.log(f"model cache {name}: {workflow_id} is {status}{self._progress(workflow_id, name)}")

    def _progress(self, workflow_id: str, name: str) -> str:
        """Bytes and time left, in the task's own words; '' when it says nothing yet."""
        said = [line for line in self._tail(workflow_id, name, lines=20) if PROGRESS in line]
        return f", {said[-1].rpartition(PROGRESS)[2].strip()}" if said else ""

    def _reasons(self, workflow_id: str, states: Mapping[str, CacheState]) -> list[str]:
        lines = [line for name in states for line in self._tail(workflow_id, name, lines=50)]
        return [line.rpartition("FAILED: ")[2].strip() for line in lines if "FAILED: " in line]

    def _tail(self, workflow_id: str, name: str, *, lines: int) -> list[str]:
        try:
            return self.client.log_tail(workflow_id, task=TASK_NAMES[name], lines=lines)
        except OsmoError:  # what a task says is good to know, no more
            return []

    def _cancel(self, workflow_id: str, *, why: str) -> None:
        self.log(f"{workflow_id} is canceled: {why}")
        try:
            self.client.cancel(workflow_id, message=why)
        except (OsmoAlreadyFinished, OsmoNotFound):
            return


def _is_as_before(lacking: Mapping[str, CacheState], former: Mapping[str, CacheState], name: str) -> bool:
    return name in lacking and lacking[name].files == former[name].files


def _named(states: Mapping[str, CacheState]) -> str:
    return " and ".join(f"model cache {name} at {state.url}" for name, state in states.items())


def _number(workflow_id: str) -> int:
    """What OSMO counts workflows of one name by."""
    return int(workflow_id.rpartition("-")[2])

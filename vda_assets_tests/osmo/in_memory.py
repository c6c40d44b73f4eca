"""An OSMO in memory on a simulated clock, as unkind as the real one; it answers what `OsmoService` asks.

Rules of OSMO 6.4 that it keeps:
- The row of a workflow appears some time after the answer to its POST; until then no call knows it, not even a cancel.
- A POST that is sent twice makes two workflows. Ids are `<name>-<N>`, and a refused submission uses up a number.
- Workflows are listed newest first, without refused submissions. `name` and `workflow_id` are parts of the id. Tasks
  come with every try, those in the queue first; `started_after` keeps those that never started, and has whole seconds.
- A cancel is taken at once and carried out later; one of a finished workflow is refused.
- Details show the newest try of each task alone. What OSMO does at the end of a task is told in `in_memory_pool`.
- A limit of ongoing workflows and a pool in MAINTENANCE refuse for the moment and store nothing.
- Services before 6.4 have no labels and refuse a spec that has some.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

import yaml

from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.submission import parse_spec
from vda_assets.embedded.service.validation import upstream_groups
from vda_assets.osmo.errors import (
    OsmoAlreadyFinished,
    OsmoBusy,
    OsmoError,
    OsmoNotFound,
    OsmoSubmissionRefused,
    OsmoUnavailable,
)
from vda_assets.osmo.models import PoolQuota, ResourceUsage, SubmitResult, TaskEntry, Version, Workflow, WorkflowEntry
from vda_assets.osmo.service import Priority
from vda_assets.osmo.spec import GroupSpec, WorkflowSpec
from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.osmo.in_memory_pool import USER, Pool
from vda_assets_tests.osmo.in_memory_rows import Fate, GroupRow, Script, TaskRow, WorkflowRow
from vda_assets_tests.osmo.in_memory_views import details, entry, task_entry
from vda_assets_tests.simulated_clock import SimulatedClock

_LABELS_SINCE = (6, 4)
_QUEUE = {TaskStatus.SCHEDULING: 1, TaskStatus.INITIALIZING: 2, TaskStatus.RUNNING: 3}


@dataclass(frozen=True)
class NoAnswer:
    """One POST is not answered: the caller waits `seconds` in vain. If it was `delivered`, the row appears
    `row_seconds` after that."""

    delivered: bool
    seconds: float = 60.0
    row_seconds: float = 0.3


class InMemoryOsmo:
    """`script` says what becomes of each task, `on_end` is told of each that ended, before anybody can see it.

    To be changed by tests at any time: `posts` holds what becomes of the next submissions, one after the other (None:
    taken; an error: raised, nothing stored); `max_num_workflows`, `is_in_maintenance`, `answer_seconds`, `log_error`,
    and `login_error`, which every call is refused with. `calls` counts the calls by name, `workflows_taken` the
    submissions that were stored.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        script: Script = lambda _: Fate(),
        *,
        pool: str = "default",
        gpus: int = 8,
        version: str = "6.4.0",
        row_seconds: float = 0.3,
        step_seconds: float = 1.0,
        cancel_seconds: float = 1.0,
        on_end: Callable[[WorkflowRow, TaskRow], None] = lambda *_: None,
    ) -> None:
        self._clock = clock
        self._lock = clock.lock
        self._pool_name = pool
        self._version = version
        self._row_seconds = row_seconds
        self._cancel_seconds = cancel_seconds
        self._pool = Pool(clock, script, gpus=gpus, step_seconds=step_seconds, on_end=on_end)
        self._numbers: Counter[str] = Counter()
        self._away_until = 0.0
        self.calls: Counter[str] = Counter()
        self.workflows_taken: list[str] = []
        self.posts: deque[NoAnswer | OsmoError | None] = deque()
        self.max_num_workflows: int | None = None
        self.is_in_maintenance = False
        self.answer_seconds = 0.0
        self.log_error: OsmoError | None = None
        self.login_error: OsmoError | None = None

    # What tests do to it

    def go_away(self, seconds: float) -> None:
        """No call is answered for so long."""
        self._away_until = self._clock.monotonic() + seconds

    def lose(self, workflow_id: str) -> None:
        """Forgets a workflow, as a service does that was restored from a backup."""
        with self._lock:
            self._pool.workflows.remove(self._row(workflow_id))

    def alive(self) -> list[str]:
        """The ids of all workflows that have not ended, stored or not yet."""
        with self._lock:
            return [row.id for row in self._pool.workflows if not row.has_ended]

    # What a client asks

    def version(self) -> Version:
        self._ask("version")
        major, minor, revision = self._version.split(".")
        return Version(major=major, minor=minor, revision=revision)

    @cached_property
    def keeps_labels(self) -> bool:
        return self.version().keeps_labels

    def pool_quota(self) -> PoolQuota:
        """It does not say what is free."""
        self._ask("pool_quota")
        return PoolQuota(resource_sum=ResourceUsage.model_validate(dict.fromkeys(ResourceUsage.model_fields, 0)))

    def submit(
        self,
        spec: WorkflowSpec | str,
        *,
        pool: str,
        labels: Mapping[str, str] | None = None,
        priority: Priority = "NORMAL",
    ) -> SubmitResult:
        self._ask("submit")
        with self._lock:
            trouble = self.posts.popleft() if self.posts else None
            if isinstance(trouble, OsmoError):
                raise trouble
            if trouble is None:
                row = self._take(spec, pool, labels or {}, priority, seconds=self._row_seconds)
                return SubmitResult(name=row.id, overview=row.url, logs=f"{row.url}/logs")
            if trouble.delivered:
                self._take(spec, pool, labels or {}, priority, seconds=trouble.seconds + trouble.row_seconds)
        self._clock.sleep(trouble.seconds)
        raise OsmoUnavailable("no answer from OSMO to the POST: timed out", maybe_delivered=True)

    def workflow(self, workflow_id: str) -> Workflow:
        self._ask("workflow")
        with self._lock:
            return details(self._row(workflow_id), now=self._clock.now())

    def workflows(
        self,
        *,
        labels: Mapping[str, str | Collection[str]] | None = None,
        name: str | None = None,
        statuses: Collection[str] = (),
    ) -> Iterator[WorkflowEntry]:
        self._ask("workflows")
        wanted = {key: {value} if isinstance(value, str) else set(value) for key, value in (labels or {}).items()}
        with self._lock:
            found = [
                entry(row, now=self._clock.now())
                for row in reversed(self._stored())
                if (not statuses or row.status in statuses)
                and (not name or name in row.id)
                and all(row.labels.get(key) in values for key, values in wanted.items())
            ]
        yield from found

    def tasks(
        self, *, workflow_id: str, statuses: Collection[str] = (), started_after: datetime | None = None
    ) -> Iterator[TaskEntry]:
        self._ask("tasks")
        since = started_after.replace(microsecond=0) if started_after else None
        with self._lock:
            found = [
                task_entry(row, task, now=self._clock.now())
                for row in reversed(self._stored())
                if workflow_id in row.id
                for group in row.groups
                for task in group.tries
                if (not statuses or task.status in statuses)
                and (since is None or task.start is None or task.start >= since)
            ]
        # What has not started first, then the latest start.
        found.sort(key=lambda task: (_QUEUE.get(task.status, 4), task.start_time is not None, _newest_first(task)))
        yield from found

    def log_tail(self, workflow_id: str, *, task: str, lines: int) -> list[str]:
        self._ask("log_tail")
        if self.log_error is not None:
            raise self.log_error
        with self._lock:
            tries = [one for group in self._row(workflow_id).groups for one in group.tries if one.name == task]
            stamp = f"{self._clock.now():%Y/%m/%d %H:%M:%S} [{task}]"
            return [f"{stamp} {line}" for line in (tries[-1].log if tries else [])[-lines:]]

    def cancel(self, workflow_id: str, *, message: str = "") -> None:
        self._ask("cancel")
        with self._lock:
            row = self._row(workflow_id)
            if row.has_ended:
                raise OsmoAlreadyFinished(f"Workflow {workflow_id} is already finished.", status=400)
            self._clock.after(self._cancel_seconds, partial(self._pool.cancel, row, message))

    def _ask(self, call: str) -> None:
        self.calls[call] += 1
        self._clock.sleep(self.answer_seconds)
        if self.login_error is not None:
            raise self.login_error
        if self._clock.monotonic() < self._away_until:
            raise OsmoUnavailable("OSMO could not answer: Service Unavailable (HTTP 503)", maybe_delivered=False)

    def _stored(self) -> list[WorkflowRow]:
        return [row for row in self._pool.workflows if row.is_stored]

    def _row(self, workflow_id: str) -> WorkflowRow:
        for row in self._stored():
            if workflow_id in (row.id, row.uuid):
                return row
        raise OsmoNotFound(f"Workflow {workflow_id} is not found.", status=400, error_code="DATABASE")

    def _take(
        self, given: WorkflowSpec | str, pool: str, labels: Mapping[str, str], priority: str, *, seconds: float
    ) -> WorkflowRow:
        """The new workflow, which begins after `seconds`. Raises what a submission is refused with."""
        if pool != self._pool_name:
            raise OsmoSubmissionRefused(f"Pool {pool} not found.", status=400, error_code="USER")
        # No text is made of a spec and read again: hundreds of them would take most of a test's time.
        document = (
            yaml.safe_load(given) if isinstance(given, str) else {"workflow": given.model_dump(exclude_defaults=True)}
        )
        labels = {**document["workflow"].get("labels", {}), **labels}
        if labels and tuple(map(int, self._version.split("."))) < _LABELS_SINCE:
            raise OsmoSubmissionRefused("workflow.labels: Extra inputs are not permitted", status=400)
        try:
            spec = parse_spec(document, labels)
            upstream = upstream_groups(spec)
        except ApiError as refusal:
            self._numbers[str(document["workflow"].get("name"))] += 1
            raise OsmoSubmissionRefused(refusal.message, status=400, error_code=refusal.error_code or "") from refusal
        self._refuse_for_now()
        self._numbers[spec.name] += 1
        row = WorkflowRow(
            base=spec.name,
            number=self._numbers[spec.name],
            spec=spec,
            pool=pool,
            priority=priority,
            labels=labels,
            submit=self._clock.now(),
            groups=[self._group(spec, group, upstream[group.name]) for group in spec.groups],
        )
        self._pool.workflows.append(row)
        self.workflows_taken.append(row.id)
        self._clock.after(seconds, partial(self._pool.begin, row))
        return row

    def _refuse_for_now(self) -> None:
        if self.is_in_maintenance:
            raise OsmoBusy(f"Pool {self._pool_name} is undergoing maintenance.")
        if self.max_num_workflows is not None and len(self.alive()) >= self.max_num_workflows:
            raise OsmoBusy(f"User {USER} cannot submit more than {self.max_num_workflows} ongoing workflows.")

    def _group(self, spec: WorkflowSpec, group: GroupSpec, upstream: list[str]) -> GroupRow:
        tasks = [TaskRow(task, spec.resources[task.resource].gpu or 0) for task in group.tasks]
        return GroupRow(group, upstream, tasks)


def _newest_first(task: TaskEntry) -> float:
    return -task.start_time.timestamp() if task.start_time else 0.0

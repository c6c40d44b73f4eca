"""The calls of an OSMO service (6.4) that we need, with values in and values out.

Reads are retried inside; writes never are: after OsmoUnavailable(maybe_delivered=True) look first, then send again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from vda_assets.osmo.answers import read_answer
from vda_assets.osmo.auth import OsmoAuth
from vda_assets.osmo.credentials import CredentialValue, request_body, secret_values
from vda_assets.osmo.errors import OsmoStrangeAnswer, OsmoSubmissionRefused, OsmoUnavailable
from vda_assets.osmo.label_selectors import label_selectors
from vda_assets.osmo.models import (
    Answer,
    CredentialEntry,
    Node,
    Pool,
    PoolQuota,
    Profile,
    SubmitResult,
    TaskEntry,
    Version,
    Workflow,
    WorkflowEntry,
)
from vda_assets.osmo.service import Priority
from vda_assets.osmo.spec import WorkflowSpec, check_finished, to_yaml
from vda_assets.osmo.transport import Params, Transport

# The service's own limit.
PAGE_SIZE = 1000
# A million entries: more than any service keeps.
_MAX_PAGES = 1000
# Without these the service looks only at the caller's own workflows in the default pool of the profile.
_EVERYWHERE = (("all_users", "True"), ("all_pools", "True"))


class _WorkflowPage(Answer):
    workflows: tuple[WorkflowEntry, ...]
    more_entries: bool


class _TaskPage(Answer):
    tasks: tuple[TaskEntry, ...]


class _Pools(Answer):
    pools: dict[str, Pool]


class _Resources(Answer):
    resources: tuple[Node, ...]


class _Credentials(Answer):
    credentials: tuple[CredentialEntry, ...]


class OsmoClient:
    """One service, one login; may be used by several threads. Every method raises the errors of `osmo.errors`."""

    def __init__(
        self,
        url: str,
        auth: OsmoAuth | None = None,
        *,
        user_agent: str = "vda-assets",
        retry_budget_seconds: float = 60.0,
        answer_seconds: float = 60.0,
    ) -> None:
        self._transport = Transport(
            url, auth, user_agent=user_agent, retry_budget_seconds=retry_budget_seconds, answer_seconds=answer_seconds
        )
        self.url = self._transport.url

    def __repr__(self) -> str:
        return f"OsmoClient({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def version(self) -> Version:
        return read_answer(self._transport.get("/api/version"), Version)

    @cached_property
    def keeps_labels(self) -> bool:
        """Whether workflows have labels; the service is asked once."""
        return self.version().keeps_labels

    def submit(
        self,
        spec: WorkflowSpec | str,
        *,
        pool: str,
        labels: Mapping[str, str] | None = None,
        priority: Priority = "NORMAL",
    ) -> SubmitResult:
        """Starts a workflow; `.name` is its id. `labels` win over those of the spec. A text is sent as it is.

        No call knows the workflow until its row is stored, some hundred milliseconds after the answer. Raises OsmoBusy
        for a refusal of the moment, OsmoUnavailable when it is not known whether the service took it.
        """
        params = [("priority", priority), *(("label", f"{key}={value}") for key, value in (labels or {}).items())]
        return self._post_spec(spec, pool=pool, params=params)

    def validate(self, spec: WorkflowSpec | str, *, pool: str, priority: Priority = "NORMAL") -> SubmitResult:
        """Everything that a submission checks, credentials too; `.warnings` may say more.

        A failed one uses up a number of the workflow's name, and is listed as FAILED_SUBMISSION (OSMO 6.4).
        """
        return self._post_spec(spec, pool=pool, params=[("priority", priority), ("validation_only", "True")])

    def workflow(self, workflow_id: str) -> Workflow:
        """The workflow with its groups, and the newest try of each task."""
        return read_answer(self._transport.get(f"/api/workflow/{quote(workflow_id, safe='')}"), Workflow)

    def workflows(
        self,
        *,
        labels: Mapping[str, str | Collection[str]] | None = None,
        name: str | None = None,
        statuses: Collection[str] = (),
    ) -> Iterator[WorkflowEntry]:
        """The workflows of all users that match everything asked for, newest first within one call of the service.

        A key's values are alternatives; `name` is a part of the id. Without `statuses` refused submissions are left
        out (OSMO 6.4). With `statuses` and over 1,000 matches, one that changes its status meanwhile may hide another.
        """
        base = [*_EVERYWHERE, *(("statuses", status) for status in statuses), *([("name", name)] if name else [])]
        for selectors in label_selectors(labels or {}):
            seen: set[str] = set()
            for page_params in _pages("/api/workflow"):
                params = [*base, *(("label", selector) for selector in selectors), *page_params]
                page = read_answer(self._transport.get("/api/workflow", params), _WorkflowPage)
                # What is submitted meanwhile pushes older ones to the next page.
                new = [entry for entry in page.workflows if entry.name not in seen]
                yield from new
                seen.update(entry.name for entry in new)
                if not page.more_entries or not page.workflows:
                    break
                _check_progress("/api/workflow", new)

    def tasks(
        self, *, workflow_id: str, statuses: Collection[str] = (), started_after: datetime | None = None
    ) -> Iterator[TaskEntry]:
        """The tasks of every workflow whose id contains `workflow_id`: one call of the service per 1,000 tasks.

        With `started_after` those that started before are left out; what has not started is there (OSMO 6.4). The
        service sorts by status and start: over 1,000 tasks, one that starts meanwhile may be missing this time.
        """
        base = [("workflow_id", workflow_id), *_EVERYWHERE, *(("statuses", status) for status in statuses)]
        if started_after is not None:
            # The service keeps its times in UTC, without saying so.
            since = started_after.astimezone(UTC).replace(tzinfo=None)
            base.append(("started_after", since.isoformat(timespec="seconds")))
        seen: set[tuple[str, str, int]] = set()
        for page_params in _pages("/api/task"):
            page = read_answer(self._transport.get("/api/task", [*base, *page_params]), _TaskPage)
            new = {(task.workflow_id, task.task_name, task.retry_id): task for task in page.tasks}
            new = {key: task for key, task in new.items() if key not in seen}
            yield from new.values()
            seen.update(new)
            if len(page.tasks) < PAGE_SIZE:
                return
            _check_progress("/api/task", new)

    def log_tail(self, workflow_id: str, *, task: str, lines: int) -> list[str]:
        """The last lines that the task has logged so far; takes a few seconds while the workflow is alive. Tried once.

        The service may lose lines on the way, and follows until the workflow ends (OSMO 6.4).
        """
        params = [("task_name", task), ("last_n_lines", str(lines))]
        path = f"/api/workflow/{quote(workflow_id, safe='')}/logs"
        return self._transport.tail(path, params, lines=lines, seconds=15.0, quiet_seconds=3.0)

    def cancel(self, workflow_id: str, *, message: str = "") -> None:
        """Asks for the end of a workflow; its status changes later. Raises OsmoAlreadyFinished."""
        params = [("message", message)] if message else []
        self._transport.send("POST", f"/api/workflow/{quote(workflow_id, safe='')}/cancel", params=params)

    def pools(self) -> dict[str, Pool]:
        return read_answer(self._transport.get("/api/pool", [("all_pools", "True")]), _Pools).pools

    def pool_quota(self) -> PoolQuota:
        """The pools with how many GPUs are used and free."""
        return read_answer(self._transport.get("/api/pool_quota", [("all_pools", "True")]), PoolQuota)

    def nodes(self) -> tuple[Node, ...]:
        """The nodes of all pools that this login may use: a task fits on one of them, or nowhere."""
        return read_answer(self._transport.get("/api/resources", [("all_pools", "True")]), _Resources).resources

    def pod_templates(self) -> dict[str, dict[str, Any]]:
        """Template name -> fragment of a Kubernetes pod. Tried once; users who are no administrators are forbidden."""
        return read_answer(self._transport.send("GET", "/api/configs/pod_template"), dict[str, dict[str, Any]])

    def credentials(self) -> tuple[CredentialEntry, ...]:
        """Names and kinds of the caller's credentials; the service never gives a value back."""
        return read_answer(self._transport.get("/api/credentials"), _Credentials).credentials

    def set_credential(self, name: str, value: CredentialValue) -> None:
        """Stores a credential. A GENERIC one that exists is refused: delete it first (OSMO 6.4)."""
        path = f"/api/credentials/{quote(name, safe='')}"
        self._transport.send("POST", path, body=request_body(value), secrets=secret_values(value))

    def delete_credential(self, name: str) -> None:
        """Raises OsmoNotFound when there is none."""
        self._transport.send("DELETE", f"/api/credentials/{quote(name, safe='')}")

    def profile(self) -> Profile:
        return read_answer(self._transport.get("/api/profile/settings"), Profile)

    def _post_spec(self, spec: WorkflowSpec | str, *, pool: str, params: Params) -> SubmitResult:
        text = spec if isinstance(spec, str) else _finished_text(spec)
        body: dict[str, Any] = {
            "file": text,
            "set_variables": [],
            "set_string_variables": [],
            "uploaded_templated_spec": None,
        }
        path = f"/api/pool/{quote(pool, safe='')}/workflow"
        try:
            response = self._transport.send("POST", path, params=params, body=body, refused=OsmoSubmissionRefused)
            return read_answer(response, SubmitResult)
        except OsmoStrangeAnswer as error:
            raise OsmoUnavailable(f"the submission may have been taken: {error}", maybe_delivered=True) from error


def _finished_text(spec: WorkflowSpec) -> str:
    try:
        return check_finished(to_yaml(spec))
    except ValueError as error:
        raise OsmoSubmissionRefused(f"workflow {spec.name} was not sent: {error}") from error


def _pages(path: str) -> Iterator[list[tuple[str, str]]]:
    for offset in range(0, _MAX_PAGES * PAGE_SIZE, PAGE_SIZE):
        yield [("order", "DESC"), ("limit", str(PAGE_SIZE)), ("offset", str(offset))]
    raise OsmoStrangeAnswer(f"GET {path} does not end after {_MAX_PAGES} pages; is this the URL of an OSMO service?")


def _check_progress(path: str, new: Collection[object]) -> None:
    if not new:
        raise OsmoStrangeAnswer(f"GET {path} gives the same page for every offset: its list cannot be read to the end")

"""From a submitted text to a stored workflow: OSMO 6.4's steps in their order, with its refusals."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vda_assets.embedded.service.credentials import Credentials
from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.policies import (
    check_guarantee,
    check_maintenance,
    check_user_limits,
    label_warnings,
)
from vda_assets.embedded.service.quantities import parse_duration
from vda_assets.embedded.service.redact import redact
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import NewWorkflow, Row, Store
from vda_assets.embedded.service.templating import render_workflow, split_pair
from vda_assets.embedded.service.validation import (
    check_credentials,
    check_cross_inputs,
    check_files,
    check_images,
    check_resources,
    check_urls,
    plan_groups,
    upstream_groups,
)
from vda_assets.embedded.service.yaml_text import dump_yaml, load_yaml
from vda_assets.osmo.spec import (
    LABEL_KEY_PATTERN,
    LABEL_VALUE_PATTERN,
    MAX_LABELS,
    GroupSpec,
    VersionedWorkflowSpec,
    WorkflowSpec,
)
from vda_assets.osmo.statuses import WorkflowStatus

SPEC_FILE = "workflow_spec.yaml"
TEMPLATE_FILE = "templated_workflow_spec.yaml"
# The service's wording of yes for validation_only.
VALIDATION_SUCCEEDED = "Workflow validation succeeded."


@dataclass(frozen=True)
class Submission:
    """What one submit call asks for; `base_labels` are those of the workflow that is submitted again."""

    user: str
    pool: str
    file: str
    set_variables: Sequence[str] = ()
    set_string_variables: Sequence[str] = ()
    template: str | None = None
    env_vars: Sequence[str] = ()
    labels: Sequence[str] = ()
    base_labels: Mapping[str, str] = field(default_factory=dict)
    priority: str = "NORMAL"
    dry_run: bool = False
    validation_only: bool = False
    parent: tuple[str, int] | None = None


@dataclass(frozen=True)
class Accepted:
    """`stored` is the new workflow's row; without it the call was a dry run (`rendered`) or a validation."""

    name: str
    stored: Row | None = None
    rendered: str | None = None
    warnings: Sequence[str] = ()


class Submitter:
    def __init__(self, store: Store, settings: EmbeddedSettings, credentials: Credentials) -> None:
        self._store = store
        self._settings = settings
        self._credentials = credentials

    def submit(self, request: Submission) -> Accepted:
        """Stores the workflow, unless it is a dry run or a validation. Raises ApiError with OSMO's refusal.

        A refused spec takes a number too and stays as FAILED_SUBMISSION, as in the service.
        """
        check_pool(request.pool, self._settings)
        document = render_workflow(
            request.file,
            set_variables=list(request.set_variables),
            set_string_variables=list(request.set_string_variables),
        )
        name = str(document["workflow"].get("name", f"failed-{uuid.uuid4().hex}"))
        labels = self._labels(document, request, name)
        if request.dry_run:
            return Accepted(name, rendered=dump_yaml(document))
        with self._refusals_stored(name, request):
            spec = _with_environment(parse_spec(document, labels), request.env_vars)
        upstream = upstream_groups(spec)
        if sum(len(group.tasks) for group in spec.groups) > self._settings.max_num_tasks:
            raise ApiError(f"Workflow cannot have more than {self._settings.max_num_tasks} tasks.")
        warnings = label_warnings(spec, self._settings)
        check_maintenance(self._settings)
        with self._refusals_stored(name, request):
            new = self._checked(spec, upstream, request)
        if request.validation_only:
            return Accepted(name, warnings=warnings)
        text = redact(_saved_text(spec))
        with self._store.transaction():
            check_user_limits(self._store, spec, self._settings, user=request.user)
            row = self._store.add_workflow(new)
            self._write(row["id"], SPEC_FILE, text)
            if request.template is not None:
                self._write(row["id"], TEMPLATE_FILE, redact(request.template))
        return Accepted(name, stored=row, warnings=warnings)

    def saved_spec(self, workflow: Row, *, use_template: bool = False) -> str:
        """The spec as it was stored: secrets masked, OSMO's tokens still in it. Empty for a refused submission.

        The template is what was uploaded as such; without one it is the spec (OSMO 6.4).
        """
        folder = self._folder(workflow["id"])
        names = [TEMPLATE_FILE, SPEC_FILE] if use_template else [SPEC_FILE]
        found = next((folder / name for name in names if (folder / name).exists()), None)
        return found.read_text(encoding="utf-8") if found else ""

    def again(self, workflow: Row, request: Submission) -> Submission:
        """The request that submits the stored spec of `workflow` once more."""
        return Submission(
            user=request.user,
            pool=request.pool,
            file=self.saved_spec(workflow),
            env_vars=request.env_vars,
            labels=request.labels,
            base_labels=self._store.labels(workflow["id"]),
            priority=request.priority,
            dry_run=request.dry_run,
            validation_only=request.validation_only,
            parent=(workflow["id"], workflow["number"]),
        )

    def restart(self, workflow: Row, *, user: str, pool: str) -> Submission:
        """The request for a new workflow with the failed groups alone; what others made is read from the old one."""
        if not workflow["status"].startswith("FAILED"):
            raise ApiError(
                f"Restart can only be used on FAILED workflows: Workflow {workflow['id']} has status "
                f"WorkflowStatus.{workflow['status']}",
                error_code="SUBMISSION",
            )
        if workflow["status"] == WorkflowStatus.FAILED_SUBMISSION:
            raise ApiError(f"Workflow {workflow['id']} was refused: nothing of it ran.", error_code="SUBMISSION")
        document = load_yaml(self.saved_spec(workflow))
        groups = document["workflow"]["groups"]
        failed = {group["name"] for group in self._store.groups(workflow["id"]) if group["status"].startswith("FAILED")}
        kept = {task["name"] for group in groups if group["name"] in failed for task in group["tasks"]}
        for group in groups:
            for source in (source for task in group["tasks"] for source in task.get("inputs", ())):
                if "task" in source and ":" not in source["task"] and source["task"] not in kept:
                    source["task"] = f"{workflow['id']}:{source['task']}"
        document["workflow"]["groups"] = [group for group in groups if group["name"] in failed]
        return Submission(
            user=user,
            pool=pool,
            file=dump_yaml(document),
            base_labels=self._store.labels(workflow["id"]),
            priority=workflow["priority"],
            parent=(workflow["id"], workflow["number"]),
        )

    def _labels(self, document: dict[str, Any], request: Submission, name: str) -> dict[str, str]:
        own = document["workflow"].get("labels")
        # What is no mapping is left to the spec's own check, which comes after a dry run.
        own = own if isinstance(own, dict) else {}
        labels = {**own, **request.base_labels, **dict(map(split_pair, request.labels))}
        if len(labels) > MAX_LABELS:
            raise ApiError(f"A workflow has at most {MAX_LABELS} labels.", error_code="USAGE", workflow_id=name)
        for key, value in labels.items():
            if not isinstance(key, str) or not isinstance(value, str):
                message = f"Workflow label {key!r} and its value must be strings."
                raise ApiError(message, error_code="USAGE", workflow_id=name)
            if not LABEL_KEY_PATTERN.fullmatch(key) or len(key.partition("/")[0]) > 253:
                message = f'Workflow label key "{key}" is not a valid Kubernetes label key.'
                raise ApiError(message, error_code="USAGE", workflow_id=name)
            if not LABEL_VALUE_PATTERN.fullmatch(value):
                message = f'Workflow label value "{value}" is not a valid non-empty Kubernetes label value.'
                raise ApiError(message, error_code="USAGE", workflow_id=name)
        return labels

    def _checked(self, spec: WorkflowSpec, upstream: Mapping[str, list[str]], request: Submission) -> NewWorkflow:
        tasks = [task for group in spec.groups for task in group.tasks]
        check_cross_inputs(spec, self._store)
        resources = check_resources(spec, self._settings)
        check_guarantee(spec, resources, self._settings, priority=request.priority)
        check_files(tasks)
        check_urls(tasks)
        check_images(tasks)
        check_credentials(tasks, self._credentials.payloads(request.user))
        try:
            exec_timeout, queue_timeout = (
                parse_duration(text) for text in (spec.timeout.exec_timeout, spec.timeout.queue_timeout)
            )
            groups = plan_groups(spec, upstream, resources)
        except ValueError as error:
            raise ApiError(str(error), error_code="USAGE", workflow_id=spec.name) from error
        return NewWorkflow(
            base=spec.name,
            user=request.user,
            pool=request.pool,
            priority=request.priority,
            status="PENDING",
            exec_timeout_seconds=exec_timeout,
            queue_timeout_seconds=queue_timeout,
            labels=spec.labels,
            groups=groups,
            parent=request.parent,
        )

    @contextmanager
    def _refusals_stored(self, name: str, request: Submission) -> Iterator[None]:
        try:
            yield
        except ApiError as refusal:
            self._store.add_workflow(
                NewWorkflow(
                    base=name,
                    user=request.user,
                    pool=request.pool,
                    priority=request.priority,
                    status="FAILED_SUBMISSION",
                    exec_timeout_seconds=parse_duration(None),
                    queue_timeout_seconds=parse_duration(None),
                    failure_message=refusal.message,
                )
            )
            raise

    def _folder(self, workflow_id: str) -> Path:
        return self._settings.state_folder / "workflows" / workflow_id

    def _write(self, workflow_id: str, name: str, text: str) -> None:
        self._folder(workflow_id).mkdir(parents=True, exist_ok=True)
        (self._folder(workflow_id) / name).write_text(text, encoding="utf-8")


def check_pool(pool: str, settings: EmbeddedSettings) -> None:
    if pool != settings.pool:
        raise ApiError(f"Pool {pool} not found.")


def parse_spec(document: dict[str, Any], labels: Mapping[str, str]) -> WorkflowSpec:
    """The spec with groups alone, and with these labels. Raises ApiError naming what OSMO 6.4 does not take."""
    name = document["workflow"].get("name")
    try:
        spec = VersionedWorkflowSpec.model_validate(document).workflow
        groups = spec.groups or [GroupSpec(name=f"{task.name}-group", tasks=[task]) for task in spec.tasks]
        # The names of groups that nobody wrote must be unique too.
        return WorkflowSpec.model_validate(
            dict(spec) | {"groups": groups, "tasks": [], "labels": labels, "pool": "", "backend": ""}
        )
    except ValidationError as error:
        raise ApiError(str(error), error_code="USAGE", workflow_id=name if isinstance(name, str) else None) from error


def _with_environment(spec: WorkflowSpec, env_vars: Sequence[str]) -> WorkflowSpec:
    # OSMO 6.4 keeps only what stands between the first and the second `=`.
    added = {name: value.partition("=")[0] for name, value in map(split_pair, env_vars)}
    for group in spec.groups:
        for task in group.tasks:
            task.environment |= added
    return spec


def _saved_text(spec: WorkflowSpec) -> str:
    return dump_yaml({"version": 2, "workflow": spec.model_dump(exclude_defaults=True, exclude_none=True)})

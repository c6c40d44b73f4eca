"""What the OSMO service (6.4) answers, as frozen values: unknown fields ignored, times in UTC, durations in seconds.

A newer service may add fields and statuses, so a status is text; `.meaning` reads it by OSMO's own rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AliasPath, BaseModel, BeforeValidator, ConfigDict, Field

from vda_assets.osmo.sizes import parse_bytes
from vda_assets.osmo.statuses import Meaning, meaning_of


def _in_utc(moment: datetime) -> datetime:
    """The wire carries UTC without saying so (`2026-11-22T06:43:45.978267`)."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the first year or after the last") from None


def _nothing_to_empty(value: Any) -> Any:
    return () if value is None else value


def _bytes_of(value: Any) -> Any:
    return parse_bytes(value) if isinstance(value, str) else value


_LABELS_SINCE = (6, 4)
UtcDatetime = Annotated[datetime, AfterValidator(_in_utc)]
Number = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
SizeBytes = Annotated[float, BeforeValidator(_bytes_of)]
Names = Annotated[tuple[str, ...], BeforeValidator(_nothing_to_empty)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class WithStatus(Answer):
    status: str

    @property
    def meaning(self) -> Meaning:
        return meaning_of(self.status)


class Version(Answer):
    major: Number
    minor: Number = "0"
    revision: str = "0"
    hash: str = ""

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor, to be compared."""
        return int(self.major), int(self.minor)

    @property
    def keeps_labels(self) -> bool:
        """Whether workflows have labels; an older service refuses a spec with some."""
        return self.number >= _LABELS_SINCE

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}"


class SubmitResult(Answer):
    """`name` is the workflow's id, `<name>-<N>`; a validation answers with the bare name."""

    name: str
    overview: str | None = None
    logs: str | None = None
    spec: str | None = None
    dashboard_url: str | None = None
    warnings: Names = ()


class Task(WithStatus):
    """One try of a task; `exit_code` stays None after a cancel or a timeout."""

    name: str
    retry_id: int = 0
    lead: bool = False
    exit_code: int | None = None
    failure_message: str | None = None
    logs: str = ""
    error_logs: str | None = None
    events: str = ""
    processing_start_time: UtcDatetime | None = None
    scheduling_start_time: UtcDatetime | None = None
    initializing_start_time: UtcDatetime | None = None
    input_download_start_time: UtcDatetime | None = None
    input_download_end_time: UtcDatetime | None = None
    start_time: UtcDatetime | None = None
    output_upload_start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    dashboard_url: str | None = None
    task_uuid: str = ""
    pod_name: str = ""
    pod_ip: str | None = None
    node_name: str | None = None


class Group(WithStatus):
    name: str
    failure_message: str | None = None
    processing_start_time: UtcDatetime | None = None
    scheduling_start_time: UtcDatetime | None = None
    initializing_start_time: UtcDatetime | None = None
    start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    remaining_upstream_groups: Names = ()
    downstream_groups: Names = ()
    tasks: tuple[Task, ...] = ()


class WorkflowEntry(WithStatus):
    """A workflow in a list; `name` is its id, `<name>-<N>`."""

    name: str
    workflow_uuid: str = ""
    user: str = ""
    pool: str | None = None
    priority: str = ""
    labels: Mapping[str, str] = {}
    submit_time: UtcDatetime
    start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    queued_seconds: float = Field(default=0.0, validation_alias="queued_time")
    duration_seconds: float | None = Field(default=None, validation_alias="duration")
    overview: str = ""
    logs: str = ""
    error_logs: str | None = None
    dashboard_url: str | None = None


class Workflow(WithStatus):
    """A workflow with its groups and tasks; `name` is its id, `<name>-<N>`. The groups stand in no order."""

    name: str
    uuid: str = ""
    submitted_by: str = ""
    cancelled_by: str | None = None
    parent_name: str | None = None
    parent_job_id: int | None = None
    pool: str | None = None
    backend: str | None = None
    priority: str = ""
    labels: Mapping[str, str] = {}
    tags: Names = ()
    warnings: Names = ()
    submit_time: UtcDatetime
    start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    exec_timeout_seconds: float | None = Field(default=None, validation_alias="exec_timeout")
    queue_timeout_seconds: float | None = Field(default=None, validation_alias="queue_timeout")
    queued_seconds: float = Field(default=0.0, validation_alias="queued_time")
    duration_seconds: float | None = Field(default=None, validation_alias="duration")
    overview: str = ""
    logs: str = ""
    events: str = ""
    dashboard_url: str | None = None
    grafana_url: str | None = None
    groups: tuple[Group, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for group in self.groups for task in group.tasks)

    def failed_tasks(self) -> tuple[Task, ...]:
        """The tasks that ended without success; only here do image pulls, start errors and the like show (6.4)."""
        return tuple(task for task in self.tasks if task.meaning.ended and not task.meaning.succeeded)

    def group_of(self, task_name: str) -> Group:
        """The group that holds the task. Raises KeyError naming both when there is none."""
        for group in self.groups:
            if any(task.name == task_name for task in group.tasks):
                return group
        raise KeyError(f"workflow {self.name} has no task {task_name!r}")


class TaskEntry(WithStatus):
    """A task in the list of many workflows' tasks; it carries neither group nor exit code (6.4)."""

    workflow_id: str
    task_name: str
    workflow_uuid: str = ""
    retry_id: int = 0
    user: str = ""
    pool: str | None = None
    priority: str = ""
    node: str | None = None
    start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    duration_seconds: float | None = Field(default=None, validation_alias="duration")
    overview: str = ""
    logs: str = ""
    error_logs: str | None = None
    dashboard_url: str | None = None
    gpu: int | None = None


class Platform(Answer):
    description: str = ""
    host_network_allowed: bool = False
    privileged_allowed: bool = False
    allowed_mounts: Names = ()
    default_mounts: Names = ()


class Pool(Answer):
    """`status` is ONLINE, OFFLINE or MAINTENANCE. OSMO 6.4 takes submissions to an OFFLINE pool: ask first."""

    name: str = ""
    description: str = ""
    status: str | None = None
    backend: str = ""
    enable_maintenance: bool = False
    default_platform: str | None = None
    default_exec_timeout: str = ""
    default_queue_timeout: str = ""
    max_exec_timeout: str = ""
    max_queue_timeout: str = ""
    platforms: Mapping[str, Platform] = {}

    @property
    def online(self) -> bool:
        return self.status == "ONLINE"


class ResourceUsage(Answer):
    """GPUs; -1 as a quota is the whole capacity. The wire carries every number as text."""

    quota_used: int
    quota_free: int
    quota_limit: int
    total_usage: int
    total_capacity: int
    total_free: int


class PoolUsage(Pool):
    resource_usage: ResourceUsage


class NodeSet(Answer):
    """Pools that share the same nodes."""

    pools: tuple[PoolUsage, ...] = ()


class PoolQuota(Answer):
    node_sets: tuple[NodeSet, ...] = ()
    resource_sum: ResourceUsage

    @property
    def pools(self) -> dict[str, PoolUsage]:
        return {pool.name: pool for node_set in self.node_sets for pool in node_set.pools}


class Allocatable(Answer):
    """What one task could have of a node at most; None for what the service does not say."""

    cpu: int | None = None
    gpu: int | None = None
    memory_bytes: SizeBytes | None = Field(default=None, validation_alias="memory")
    storage_bytes: SizeBytes | None = Field(default=None, validation_alias="storage")


class Node(Answer):
    """`allocatable` is by pool and platform."""

    hostname: str
    allocatable: Mapping[str, Mapping[str, Allocatable]] = Field(
        default={}, validation_alias="platform_allocatable_fields"
    )

    def of(self, *, pool: str, platform: str) -> Allocatable | None:
        """None for a node that is not in the platform."""
        return self.allocatable.get(pool, {}).get(platform)


class CredentialEntry(Answer):
    """`type` is GENERIC, REGISTRY or DATA; `profile` the registry's host or the bucket's URL, None for GENERIC."""

    name: str = Field(validation_alias="cred_name")
    type: str = Field(validation_alias="cred_type")
    profile: str | None = None


class Profile(Answer):
    """Who the service takes us for, and the pool that it uses when none is named."""

    username: str | None = Field(default=None, validation_alias=AliasPath("profile", "username"))
    pool: str | None = Field(default=None, validation_alias=AliasPath("profile", "pool"))
    roles: Names = ()
    pools: Names = ()

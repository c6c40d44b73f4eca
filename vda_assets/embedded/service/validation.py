"""What OSMO 6.4 checks in a parsed spec before it takes it, and the rows that come of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vda_assets.embedded.service.errors import ApiError, server_error
from vda_assets.embedded.service.outcomes import EXIT_ACTIONS, EXIT_CODES_PATTERN, is_finished
from vda_assets.embedded.service.patterns import compile_pattern
from vda_assets.embedded.service.quantities import parse_gib
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import NewGroup, NewTask, Store
from vda_assets.osmo.spec import GroupSpec, TaskInput, TaskSpec, WorkflowSpec
from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import StorageUrl

_DEFAULT_CPUS = 1
_MAX_AMOUNT = 1_000_000


@dataclass(frozen=True)
class Resources:
    platform: str
    gpu: int
    cpu: int
    memory_gib: float
    storage_gib: float


def upstream_groups(spec: WorkflowSpec) -> dict[str, list[str]]:
    """Group -> the groups that it reads from. Raises for a task that is not there or not in an earlier group."""
    group_of = {task.name: group.name for group in spec.groups for task in group.tasks}
    upstream: dict[str, list[str]] = {}
    for group in spec.groups:
        needed: dict[str, None] = {}
        for name in _inner_inputs(group):
            if name not in group_of:
                raise ApiError(f"Task input {name} does not exist.", error_code="SUBMISSION")
            if group_of[name] not in upstream:
                raise server_error(
                    f'Group "{group.name}" requires input group "{group_of[name]}" exists before itself.'
                )
            needed[group_of[name]] = None
        upstream[group.name] = list(needed)
    return upstream


def check_cross_inputs(spec: WorkflowSpec, store: Store) -> None:
    """`<workflow id>:<task>` must name a task of a workflow that has ended."""
    sources = (source for group in spec.groups for task in group.tasks for source in task.inputs)
    for source in sources:
        if not isinstance(source, TaskInput) or ":" not in source.task:
            continue
        workflow_id, _, name = source.task.rpartition(":")
        workflow = store.workflow(workflow_id)
        if workflow is None:
            raise ApiError(f"Workflow {workflow_id} is not found.", error_code="DATABASE")
        if not any(task["name"] == name for task in store.tasks(workflow["id"])):
            raise ApiError(f"Task input {source.task} does not exist.", error_code="SUBMISSION")
        if not is_finished(workflow["status"]):
            raise ApiError(f"Workflow {workflow_id} is not finished.", error_code="SUBMISSION")


def check_resources(spec: WorkflowSpec, settings: EmbeddedSettings) -> dict[str, Resources]:
    """Resource name -> what it asks for. Raises for a platform, size or group that this pool cannot have."""
    resources: dict[str, Resources] = {}
    for name, wanted in spec.resources.items():
        platform = wanted.platform or settings.default_platform
        if platform not in settings.platforms:
            raise ApiError(f"Platform {platform} does not exist in pool {settings.pool}!", error_code="RESOURCE")
        if any(not 0 <= (amount or 0) <= _MAX_AMOUNT for amount in (wanted.cpu, wanted.gpu)):
            raise ApiError(f"Resource {name}: cpu and gpu must be 0 to {_MAX_AMOUNT}", error_code="RESOURCE")
        try:
            memory, storage = parse_gib(wanted.memory), parse_gib(wanted.storage)
        except ValueError as error:
            raise ApiError(f"Resource {name}: {error}", error_code="RESOURCE") from error
        resources[name] = Resources(platform, wanted.gpu or 0, wanted.cpu or _DEFAULT_CPUS, memory, storage)
    for group in spec.groups:
        _check_group_fits(group, resources, settings)
    return resources


def check_files(tasks: Iterable[TaskSpec]) -> None:
    for task in tasks:
        seen = set()
        for file in task.files:
            parts = file.path.split("/")
            inside_osmo = parts[1:2] == ["osmo"] and not file.path.startswith("/osmo/data/output/")
            names_a_file = file.path.startswith("/") and not file.path.endswith("/") and file.path.isprintable()
            if not names_a_file or ".." in parts or inside_osmo or file.path in seen:
                raise ApiError(
                    f"Task {task.name}: file path {file.path} must be absolute, unique and outside of /osmo",
                    error_code="USAGE",
                )
            seen.add(file.path)
            if file.base64:
                _check_base64(task.name, file.path, file.contents)


def check_urls(tasks: Iterable[TaskSpec]) -> None:
    """Raises as the service does for URLs outside of its grammar; `file://` is known here too."""
    for task in tasks:
        urls = [source.url for source in task.inputs if not isinstance(source, TaskInput)]
        for url in urls + [output.url for output in task.outputs]:
            try:
                StorageUrl.parse(url)
            except BadStorageUrl as error:
                scheme, separator, _ = url.partition("://")
                known = separator and scheme in ("s3", "gs", "swift", "tos", "azure", "file")
                raise server_error(str(error) if known else f"Unknown URI scheme: {scheme}") from error
        for pattern in [source.regex for source in [*task.inputs, *task.outputs]]:
            try:
                compile_pattern(pattern)
            except ValueError as error:
                raise ApiError(f"Task {task.name}: {error}", error_code="USAGE") from error
        for action, codes in task.exitActions.items():
            if action.upper() not in EXIT_ACTIONS or not EXIT_CODES_PATTERN.fullmatch(codes):
                raise ApiError(f"Task {task.name}: invalid exitActions {action}: {codes}", error_code="USAGE")


def check_credentials(tasks: Iterable[TaskSpec], payloads: Mapping[str, Mapping[str, str]]) -> None:
    for task in tasks:
        for name, mapping in task.credentials.items():
            if name not in payloads:
                raise ApiError(f"Could not find the credential: {name}.", error_code="CREDENTIAL")
            if isinstance(mapping, str):
                if not mapping.startswith("/") or ".." in mapping.split("/"):
                    raise ApiError(f"Credential {name}: {mapping} must be an absolute folder", error_code="USAGE")
                continue
            for key in mapping.values():
                if key not in payloads[name]:
                    keys = f"dict_keys({list(payloads[name])})"
                    message = f"{key} is not a valid credential key please choose from {keys}"
                    raise ApiError(message, error_code="CREDENTIAL")


def plan_groups(
    spec: WorkflowSpec, upstream: Mapping[str, list[str]], resources: Mapping[str, Resources]
) -> list[NewGroup]:
    return [
        NewGroup(
            name=group.name,
            upstream=upstream[group.name],
            downstream=[name for name, needed in upstream.items() if group.name in needed],
            barrier=group.barrier,
            ignore_nonlead=group.ignoreNonleadStatus,
            tasks=[_plan_task(task, resources[task.resource]) for task in group.tasks],
        )
        for group in spec.groups
    ]


def _plan_task(task: TaskSpec, resources: Resources) -> NewTask:
    return NewTask(
        name=task.name,
        lead=task.lead,
        spec=task.model_dump_json(exclude_defaults=True),
        platform=resources.platform,
        gpu=resources.gpu,
        cpu=resources.cpu,
        memory_gib=resources.memory_gib,
        storage_gib=resources.storage_gib,
    )


def _inner_inputs(group: GroupSpec) -> list[str]:
    sources = (source for task in group.tasks for source in task.inputs)
    return [source.task for source in sources if isinstance(source, TaskInput) and ":" not in source.task]


def _check_group_fits(group: GroupSpec, resources: Mapping[str, Resources], settings: EmbeddedSettings) -> None:
    taken: dict[str, tuple[int, int]] = {}
    for task in group.tasks:
        if task.resource not in resources:
            raise ApiError(f"Task {task.name}: resource {task.resource} is not in resources", error_code="RESOURCE")
        wanted = resources[task.resource]
        gpus, cpus = taken.get(wanted.platform, (0, 0))
        taken[wanted.platform] = (gpus + wanted.gpu, cpus + wanted.cpu)
    for platform, (gpus, cpus) in taken.items():
        capacity = settings.platforms[platform]
        if gpus > capacity.gpus or cpus > capacity.cpus:
            raise ApiError(
                f'Group "{group.name}" asks for {gpus} GPUs and {cpus} CPUs; platform {platform} of pool '
                f"{settings.pool} has {capacity.gpus} and {capacity.cpus}.",
                error_code="RESOURCE",
            )


def _check_base64(task: str, path: str, contents: str) -> None:
    try:
        base64.b64decode(contents, validate=True)
    except binascii.Error as error:
        raise ApiError(f"Task {task}: file {path} is no base64: {error}", error_code="USAGE") from error

"""What OSMO 6.4 checks in a parsed spec before it takes it, and the rows that come of it."""

from __future__ import annotations

import re
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
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

_DEFAULT_CPUS = 1
_MAX_AMOUNT = 1_000_000
# How many components of a URL name what a credential opens and its container.
_URL_PARTS = {"s3": 1, "gs": 1, "swift": 3, "tos": 2, "azure": 2, FILE_SCHEME: 0}
_HOST = r"(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+(?::\d+)?|[a-zA-Z0-9-]+:\d+|localhost)"
_IMAGE = re.compile(rf"(?:{_HOST}/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?")


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
        for task in group.tasks:
            _check_fits(task, resources, settings)
    return resources


def check_files(tasks: Iterable[TaskSpec]) -> None:
    for task in tasks:
        seen = set()
        for file in task.files:
            path = _from_the_root(file.path)
            parts = path.split("/")
            inside_osmo = parts[1:2] == ["osmo"] and not path.startswith("/osmo/data/output/")
            names_a_file = not path.endswith("/") and path.isprintable()
            if not names_a_file or ".." in parts or inside_osmo or path in seen:
                raise ApiError(
                    f"Task {task.name}: file path {file.path} must name one file, unique and outside of /osmo",
                    error_code="USAGE",
                )
            seen.add(path)


def check_images(tasks: Iterable[TaskSpec]) -> None:
    """Raises for what no registry could be asked for."""
    for task in tasks:
        if not _IMAGE.fullmatch(task.image):
            raise ApiError(f"Task {task.name}: {task.image!r} is no name of an image", error_code="USAGE")


def check_urls(tasks: Iterable[TaskSpec]) -> None:
    """Raises as the service does for URLs outside of its grammar; `file://` is known here too."""
    for task in tasks:
        urls = [source.url for source in task.inputs if not isinstance(source, TaskInput)]
        for url in urls + [output.url for output in task.outputs]:
            _check_url(url, task.name)
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
                if not mapping.strip("/") or ".." in mapping.split("/"):
                    raise ApiError(f"Credential {name}: {mapping} must be a folder", error_code="USAGE")
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
    # A container's working folder is not known to OSMO: what is mounted at `a` lies at `/a`.
    mounts = {
        name: _from_the_root(mount) if isinstance(mount, str) else mount for name, mount in task.credentials.items()
    }
    files = [file.model_copy(update={"path": _from_the_root(file.path)}) for file in task.files]
    task = task.model_copy(update={"credentials": mounts, "files": files})
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


def _check_fits(task: TaskSpec, resources: Mapping[str, Resources], settings: EmbeddedSettings) -> None:
    """Each platform is one node. A group may want more than it: that one waits until its queue timeout (OSMO 6.4)."""
    if task.resource not in resources:
        raise ApiError(f"Task {task.name}: resource {task.resource} is not in resources", error_code="RESOURCE")
    wanted = resources[task.resource]
    capacity = settings.platforms[wanted.platform]
    if wanted.gpu > capacity.gpus or wanted.cpu > capacity.cpus:
        raise ApiError(
            f'Task "{task.name}" asks for {wanted.gpu} GPUs and {wanted.cpu} CPUs; platform {wanted.platform} of pool '
            f"{settings.pool} has {capacity.gpus} and {capacity.cpus}.",
            error_code="RESOURCE",
        )


def _check_url(url: str, task: str) -> None:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _URL_PARTS:
        raise server_error(f"Unknown URI scheme: {scheme}")
    if scheme == FILE_SCHEME:
        try:
            StorageUrl.parse(url)
        except BadStorageUrl as error:
            raise server_error(str(error)) from error
        return
    parts, count = rest.rstrip("/").split("/"), _URL_PARTS[scheme]
    if len(parts) < count or not all(parts[:count]) or re.search("[,;*]", rest):
        raise server_error(f"Incorrectly formatted {scheme.upper()} URI: {url}")
    if not all(parts):
        raise ApiError(f"Task {task}: {url} has an empty component", error_code="USAGE")


def _from_the_root(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"

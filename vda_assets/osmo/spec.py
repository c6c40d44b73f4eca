"""The OSMO workflow spec (6.4) as pydantic models: what a finished spec may hold, unknown fields refused.

A client posts a *finished* spec: `to_yaml` writes the one YAML text that both the service and the `osmo` command take.
Tokens such as `{{output}}` stay in it for OSMO to replace; nothing else may look like a template.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vda_assets.base.counted import counted

NAME_PATTERN = re.compile(r"^[a-zA-Z]([a-zA-Z0-9_-]*[a-zA-Z0-9])?$")
MAX_NAME_LENGTH = 64
MAX_LABELS = 16
_LABEL_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_PREFIX = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
LABEL_KEY_PATTERN = re.compile(rf"^({_DNS_PREFIX}/)?{_LABEL_NAME}$")
LABEL_VALUE_PATTERN = re.compile(rf"^{_LABEL_NAME}$")
# `{{uuid}}` is protected from Jinja but never replaced; it stays literal (OSMO 6.4).
TOKEN_PATTERN = re.compile(r"{{(uuid|workflow_id|output|input:[^}]+|host:[^}]+)}}")


def check_name(name: str) -> str:
    """Returns the name of a workflow, group or task; raises ValueError with OSMO's rule otherwise."""
    if not NAME_PATTERN.fullmatch(name):
        raise ValueError(f"name {name!r} must match {NAME_PATTERN.pattern}")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"name {name!r} is too long: {len(name)} of at most {MAX_NAME_LENGTH} characters")
    return name


def check_labels(labels: dict[str, str]) -> dict[str, str]:
    """Returns the labels; raises ValueError for more than 16, or a key or value outside OSMO's alphabet."""
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{counted(len(labels), 'label')}; at most {MAX_LABELS} are allowed")
    for key, value in labels.items():
        if not LABEL_KEY_PATTERN.fullmatch(key) or len(key.partition("/")[0]) > 253:
            raise ValueError(f"label key {key!r} must be [dns-prefix/]name, name 1 to 63 of A-Z a-z 0-9 _ . -")
        if not LABEL_VALUE_PATTERN.fullmatch(value):
            raise ValueError(f"label {key!r}: value {value!r} must be 1 to 63 of A-Z a-z 0-9 _ . -")
    return labels


def _scalar_to_str(value: Any) -> Any:
    """OSMO reads `1`, `1.5` and `true` in an environment as text, in Python's spelling (`True`)."""
    return str(value) if isinstance(value, (bool, int, float)) else value


def _number_to_str(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Name = Annotated[str, AfterValidator(check_name)]
NumberOrStr = Annotated[str, BeforeValidator(_number_to_str)]
Scalar = Annotated[str, BeforeValidator(_scalar_to_str)]


class SpecModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UrlInput(SpecModel):
    url: str
    regex: str = ""


class TaskInput(SpecModel):
    """`task` is a task of an earlier group, or `<workflow id>:<task>` of a workflow that ended."""

    task: str
    regex: str = ""


class UrlOutput(SpecModel):
    url: str
    regex: str = ""


class FileSpec(SpecModel):
    """A file that OSMO mounts read-only, mode 0644, into the task; at most about 1 MiB."""

    path: str
    contents: NumberOrStr
    base64: bool = False

    @classmethod
    def of(cls, path: str, content: bytes) -> Self:
        return cls(path=path, contents=base64.b64encode(content).decode(), base64=True)


class ResourceSpec(SpecModel):
    cpu: int | None = None
    gpu: int | None = None
    memory: NumberOrStr | None = None
    storage: NumberOrStr | None = None
    platform: str | None = None
    nodesExcluded: list[str] = []
    topology: list[dict[str, str]] = []


_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


class TimeoutSpec(SpecModel):
    """Seconds, `<int><d|h|m|s|ms|us>` or ISO 8601; both clocks run per group."""

    exec_timeout: NumberOrStr | None = None
    queue_timeout: NumberOrStr | None = None

    @property
    def queue_seconds(self) -> float | None:
        """None where the pool's own limit holds, or for a text that only OSMO could read."""
        text = str(self.queue_timeout or "")
        if match := re.fullmatch(r"(\d+)(d|h|m|s|ms|us)", text):
            return int(match[1]) * _SECONDS[match[2]]
        try:
            return float(text)
        except ValueError:
            return None


class CheckpointSpec(SpecModel):
    path: str
    url: str
    frequency: NumberOrStr
    regex: str = ".*"


class TaskSpec(SpecModel):
    """`resources` and `backend` are accepted and overwritten, as the service does; `resource` is what counts."""

    name: Name
    image: str
    command: Annotated[list[NumberOrStr], Field(min_length=1)]
    args: list[NumberOrStr] = []
    environment: dict[str, Scalar] = {}
    files: list[FileSpec] = []
    inputs: list[TaskInput | UrlInput] = []
    outputs: list[UrlOutput] = []
    kpis: list[dict[str, Any]] = []
    resource: str = "default"
    lead: bool = False
    credentials: dict[str, dict[str, Scalar] | str] = {}
    privileged: bool = False
    hostNetwork: bool = False
    volumeMounts: list[str] = []
    downloadType: Literal["download"] | None = None
    cacheSize: NumberOrStr | None = None
    exitActions: dict[str, Scalar] = {}
    checkpoint: list[CheckpointSpec] = []
    resources: dict[str, Any] = {}
    backend: str = ""


class GroupSpec(SpecModel):
    name: Name
    tasks: Annotated[list[TaskSpec], Field(min_length=1)]
    barrier: bool = True
    ignoreNonleadStatus: bool = True

    @model_validator(mode="after")
    def _one_lead(self) -> Self:
        if len(self.tasks) == 1:
            self.tasks[0].lead = True
        leads = sum(task.lead for task in self.tasks)
        if leads != 1:
            raise ValueError(f'Group "{self.name}" has {leads} leader(s) but must have exactly one.')
        return self


class WorkflowSpec(SpecModel):
    """`pool` and `backend` are accepted and ignored, as the service does."""

    name: Name
    labels: Annotated[dict[str, str], AfterValidator(check_labels)] = {}
    groups: list[GroupSpec] = []
    tasks: list[TaskSpec] = []
    resources: dict[str, ResourceSpec] = Field(default_factory=lambda: {"default": ResourceSpec()})
    timeout: TimeoutSpec = Field(default_factory=TimeoutSpec)
    pool: str = ""
    backend: str = ""

    @model_validator(mode="after")
    def _groups_or_tasks(self) -> Self:
        if bool(self.groups) == bool(self.tasks):
            raise ValueError("exactly one of groups and tasks must be given, and not be empty")
        return self

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        tasks = [*self.tasks, *(task for group in self.groups for task in group.tasks)]
        seen = {"osmo-ctrl"}
        for given in [*(group.name for group in self.groups), *(task.name for task in tasks)]:
            name = given.lower().replace("_", "-")
            if name in seen:
                raise ValueError(
                    f'Multiple tasks/groups have the same name: "{name}". Names are not case sensitive, '
                    'hyphen and underscore are the same, and "osmo-ctrl" is taken by OSMO.'
                )
            seen.add(name)
        return self


class VersionedWorkflowSpec(SpecModel):
    """The whole document."""

    workflow: WorkflowSpec
    version: Literal[2] | None = None


# A spec holds files of tens of kB, on which the pure Python class spends a tenth of a second.
_BASE: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[valid-type, misc]  # which of the two it is depends on the installed PyYAML
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the service takes no anchors well, people less
        return True


def check_finished(text: str) -> str:
    """Returns the spec's text; raises ValueError when the service's template engine would see more than OSMO's tokens.

    OSMO 6.4 renders every spec once, file contents that are not base64 and comments included: bash's `${#name[@]}`
    opens a comment there.
    """
    without_tokens = TOKEN_PATTERN.sub("\0", text)
    if found := re.search(r"{[{%#\0]", without_tokens):
        around = without_tokens[max(0, found.start() - 30) : found.end() + 30]
        raise ValueError(f"the spec is not finished, OSMO would take this for a template: {around!r}")
    return text


def to_yaml(spec: WorkflowSpec) -> str:
    """The finished spec as one YAML document that the service's submit call and `osmo workflow submit` accept."""
    document = {"workflow": spec.model_dump(exclude_defaults=True, exclude_none=True)}
    # Not allow_unicode: PyYAML then writes a line break of Unicode (U+0085) so that it reads back as a space.
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)

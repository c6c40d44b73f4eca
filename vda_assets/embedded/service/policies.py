"""What a real pool may answer to a submission for reasons other than its spec (OSMO 6.4), in the service's words."""

from __future__ import annotations

from collections.abc import Mapping

from vda_assets.embedded.service.errors import ApiError
from vda_assets.embedded.service.settings import EmbeddedSettings
from vda_assets.embedded.service.store import Store
from vda_assets.embedded.service.validation import Resources
from vda_assets.osmo.spec import WorkflowSpec


def label_warnings(spec: WorkflowSpec, settings: EmbeddedSettings) -> list[str]:
    """The warnings of policies that only warn. Raises ApiError when the labels violate one that is enforced."""
    warnings = []
    for key, policy in settings.policy.labels.items():
        value = spec.labels.get(key)
        is_allowed = value in policy.allowed_values or not policy.allowed_values
        if value is not None and is_allowed:
            continue
        if policy.enforcement == "enforce":
            fault = (
                f"Workflow is missing required label '{key}'."
                if value is None
                else f"Workflow label '{key}' has a value that is not allowed."
            )
            raise ApiError(f"{fault} {policy.assert_message}".rstrip(), error_code="USAGE", workflow_id=spec.name)
        fault = (
            f"Workflow is missing label '{key}'; add it now to avoid rejected submissions once it is required."
            if value is None
            else f"Workflow label '{key}' has a value that is not allowed; use an allowed value now to avoid rejected "
            "submissions once the label is required."
        )
        warnings.append(f"{fault} {policy.assert_message}".rstrip())
    return warnings


def check_maintenance(settings: EmbeddedSettings) -> None:
    """Raises ApiError while the pool is in maintenance; administrators may go on."""
    if settings.policy.in_maintenance and settings.role != "osmo-admin":
        raise ApiError(
            f"Pool {settings.pool} is undergoing maintenance. "
            "Users will have to wait until maintenance is completed before submission.",
            error_code="USAGE",
        )


def check_guarantee(
    spec: WorkflowSpec, resources: Mapping[str, Resources], settings: EmbeddedSettings, *, priority: str
) -> None:
    """Raises ApiError for a group that the pool takes with the priority LOW alone."""
    guarantee = settings.policy.gpu_guarantee
    if priority == "LOW" or guarantee == -1:
        return
    for group in spec.groups:
        gpus = sum(resources[task.resource].gpu for task in group.tasks)
        if gpus > guarantee:
            raise ApiError(
                f"Pool {settings.pool} has {guarantee} GPUs guaranteed for NORMAL/HIGH priority workflows and "
                f"group {group.name} requires {gpus} GPUs. Higher gpu counts must be submitted with LOW priority",
                error_code="USAGE",
                workflow_id=spec.name,
            )


def check_user_limits(store: Store, spec: WorkflowSpec, settings: EmbeddedSettings, *, user: str) -> None:
    """Raises ApiError when the user would have more ongoing than is allowed."""
    policy = settings.policy
    alive = "(status NOT LIKE 'FAILED%' AND status != 'COMPLETED')"
    if policy.max_num_workflows is not None:
        ongoing = store.all(f"SELECT 1 FROM workflow WHERE user = ? AND {alive}", user)  # noqa: S608 - constant
        if len(ongoing) >= policy.max_num_workflows:
            raise ApiError(f"User {user} cannot submit more than {policy.max_num_workflows} ongoing workflows.")
    if policy.max_num_tasks is not None:
        ongoing = store.all(
            f"SELECT 1 FROM task WHERE {alive} AND workflow IN (SELECT id FROM workflow WHERE user = ?)",  # noqa: S608
            user,
        )
        if len(ongoing) + sum(len(group.tasks) for group in spec.groups) > policy.max_num_tasks:
            raise ApiError(f"User {user} cannot submit more than {policy.max_num_tasks} ongoing tasks.")

"""OSMO's own word on the workflow of a real clip: it checks what no list of checks knows of."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from vda_assets.base.counted import counted
from vda_assets.base.failed import Failed
from vda_assets.base.patience import Patience, Waiter
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.datasets.clips import Clip
from vda_assets.flows.inputs import foresee_inputs
from vda_assets.flows.place import Place
from vda_assets.flows.planning import item_of, plan
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Output
from vda_assets.flows.work import ClipWork
from vda_assets.flows.workflow import build_workflow
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoNotFound, OsmoRefused, OsmoServerError
from vda_assets.osmo.spec import WorkflowSpec
from vda_assets.readiness.credentials import HF_CREDENTIAL, NGC_CREDENTIAL
from vda_assets.readiness.finding import Finding, Level, blocking, note, ready
from vda_assets.readiness.gate import Gate
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

_SUBJECT = "workflow"
# A run that there never is: its token in the names of refused workflows tells them from those of runs.
_NO_RUN = "run-00000000"
# Clips that the containers cannot take fail alone in a run; so many are looked into for one that they can.
_MOST_CLIPS = 10
_NOT_KNOWN = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
# What blocks because of these, OSMO refuses as well; a refused workflow would stay in its list for nothing.
_REFUSED_ANYWAY = {
    "pool",
    "platform",
    "nodes",
    "images",
    "data credential",
    "task credentials",
    HF_CREDENTIAL,
    NGC_CREDENTIAL,
}
# How long the row of a new workflow is waited for.
_ROW_SECONDS = 10.0


def check_workflow(
    client: OsmoClient,
    storage: Storage,
    clips: Sequence[Clip],
    *,
    dataset: Dataset,
    deployment: Deployment,
    cookbook: Cookbook,
    selection: Selection,
    gate: Gate,
) -> list[Finding]:
    """Whether OSMO would take the workflow of the first of the clips that its containers can take.

    Nothing is submitted and nothing written.
    """
    if not selection.stages:
        return []
    if gate.place is None or any(
        one.level is Level.BLOCKING and one.subject in _REFUSED_ANYWAY for one in gate.findings
    ):
        return [note(_SUBJECT, "not shown to OSMO, which would refuse it for what stops above")]
    layout = RunLayout(dataset.storage_url, dataset.name, _NO_RUN)
    # Stages that are not selected are taken to lie where a run would have put them.
    elsewhere: dict[Output, RunLayout] = dict.fromkeys(selection.taken_from_elsewhere(), layout)
    reason = f"{dataset.dataset_url} has no clip"
    for clip in clips[:_MOST_CLIPS]:
        item = item_of(clip, cookbook=cookbook, images=deployment.images, super_resolution=selection.super_resolution)
        ((work, seen),) = foresee_inputs(storage, [plan(item, selection, elsewhere).work], layout=layout)
        if not isinstance(seen, Failed):
            return _validated(client, work, layout=layout, deployment=deployment, gate=gate)
        reason = (
            f"none of the first {counted(min(len(clips), _MOST_CLIPS), 'clip')} can be used; the last: {seen.reason}"
        )
    return [note(_SUBJECT, f"not shown to OSMO: {reason}")]


def _validated(
    client: OsmoClient, work: ClipWork, *, layout: RunLayout, deployment: Deployment, gate: Gate
) -> list[Finding]:
    assert gate.place is not None
    try:
        labelled = client.keeps_labels
        spec = build_workflow(
            work,
            layout=layout,
            deployment=deployment,
            place=gate.place,
            attempt=1,
            labelled=labelled,
        )
        return _answer(client, spec, gate.place, whose=work.clip.path)
    except (OsmoRefused, OsmoServerError) as error:
        if isinstance(error, OsmoRefused) and error.status in _NOT_KNOWN:
            return [note(_SUBJECT, f"not validated, which this service cannot: {error}")]
        words = error.service_message if isinstance(error, OsmoRefused) else ""
        return [blocking(_SUBJECT, f"OSMO refuses the workflow of {work.clip.path}: {words or error}")]
    except OsmoError as error:
        return [note(_SUBJECT, f"not validated: {error}")]


def _answer(client: OsmoClient, spec: WorkflowSpec, place: Place, *, whose: str) -> list[Finding]:
    result = client.validate(spec, pool=place.pool, priority=place.priority)
    if result.name != spec.name:
        # A validation answers with the bare name, a submission with a number behind it.
        return [note(_SUBJECT, f"this service cannot validate: it started {result.name}, {_end(client, result.name)}")]
    warnings = [note(_SUBJECT, f"OSMO warns of that of {whose}: {warning}") for warning in result.warnings]
    return [*warnings, ready(_SUBJECT, f"OSMO would take that of {whose}")]


def _end(client: OsmoClient, workflow_id: str) -> str:
    """What became of the cancel of a workflow that has just been started."""
    row = Waiter(Patience(_ROW_SECONDS), whom="OSMO", worth_waiting=OsmoNotFound)
    try:
        row.ask(lambda: client.cancel(workflow_id, message="it was to be validated alone"))
    except OsmoError as error:
        return f"which could not be canceled; do it: {error}"
    return "which was canceled"

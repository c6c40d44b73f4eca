"""The body of a dataset's step: readiness, then the production of clips, then one failure that names what failed."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import dagster as dg

from vda_assets.base.counted import counted
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.base.log import Entry, Log
from vda_assets.base.patience import Patience
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Container
from vda_assets.config.errors import ConfigError
from vda_assets.datasets.clips import clip_at
from vda_assets.datasets.origin import read_origin
from vda_assets.dispatch.pace import Pace
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Output
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.errors import OsmoError, OsmoForbidden, OsmoUnauthorized
from vda_assets.project import Scope
from vda_assets.readiness.finding import NotReady, require
from vda_assets.readiness.gate import Gate, check_gate, warm_up
from vda_assets.readiness.outlook import look_ahead, sample_of
from vda_assets.readiness.overview import Overview, time_overview
from vda_assets.runs.checks import evaluations
from vda_assets.runs.dead_runs import process_tags
from vda_assets.runs.memory import InstanceMemory
from vda_assets.runs.names import EXPECTED, run_id_of, videos_partitions
from vda_assets.runs.neighbours import Neighbours
from vda_assets.runs.production import Production
from vda_assets.runs.recording.failures import by_cause, lines
from vda_assets.runs.recording.recorder import Provenance
from vda_assets.runs.resources import osmo_resource_key, storage_resource_key
from vda_assets.runs.shared import report_first
from vda_assets.runs.siblings import Siblings
from vda_assets.runs.tables import table
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import RunLayout

# Planned events cost 8 to 35 ms per partition and asset before a run starts (Dagster 1.13).
CLIPS_PER_RUN = 200
_NAMED_IN_MESSAGE = 5
# How long a run waits for storage that does not answer just now; OSMO is waited for as long.
_PATIENCE = Patience(Pace().patience_seconds, first_pause_seconds=0.5, longest_pause_seconds=60.0)


def produce(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, scope: Scope, selection: Selection, keys: Sequence[str]
) -> None:
    """Makes the selection for the clips of these keys, then looks at all clips of the dataset for its checks.

    Raises Failure naming every clip and output that failed, after all others are materialized.
    """
    try:
        _produce(context, scope, selection, keys)
    finally:
        tell_checks(context, scope.dataset, selection.outputs)


def tell_checks(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, dataset: Dataset, outputs: Iterable[Output]
) -> None:
    """Evaluates the checks of these outputs over the whole dataset. An interrupt waits for it."""
    log_event: Callable[[Any], None] = context.log_event  # in an op it takes evaluations as well (Dagster 1.13)
    with interrupts_delayed():
        for evaluation in evaluations(context.instance, dataset, outputs):
            log_event(evaluation)


def _produce(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, scope: Scope, selection: Selection, keys: Sequence[str]
) -> None:
    deployment_name = scope.dataset.deployment
    layout = RunLayout(scope.dataset.storage_url, scope.dataset.name, run_id_of(context.run))

    @interrupts_delayed()
    def write(entry: Entry) -> None:
        context.log.info(entry, extra=entry.extra(run_id=layout.run_id, dataset=layout.dataset))

    log = Log(write)
    storage = getattr(context.resources, storage_resource_key(deployment_name)).storage(
        patience=_PATIENCE, log=log.at_once
    )
    log_event: Callable[[Any], None] = context.log_event
    with interrupts_delayed():
        context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
    company = Neighbours(
        context.instance,
        context.run.run_id,
        dataset=scope.dataset,
        selection=selection,
        keys=keys,
        environment=os.environ,
    )
    production = Production(
        scope,
        selection=selection,
        layout=layout,
        storage=storage,
        instance=context.instance,
        log_event=interrupts_delayed()(log_event),
        log=log,
        company=company,
    )
    if not keys:
        reason = "the clips that this run was asked for are no partitions any more: ask for them anew"
        raise dg.Failure(reason, allow_retries=False)
    context.log.info(f"{layout.run_id}: {selection.flow or 'selected stages'} for {counted(len(keys), 'clip')}")
    try:
        with getattr(context.resources, osmo_resource_key(deployment_name)).client() as client:
            gate = check_gate(
                client,
                storage,
                dataset=scope.dataset,
                deployment=scope.deployment,
                cookbook=scope.cookbook,
                selection=selection,
                environment=os.environ,
                memory=InstanceMemory(context.instance),
            )
            overview = _overview(client, storage, scope, selection, keys, gate)
            context.log.info("\n".join(overview.lines()))
            context.instance.add_run_tags(context.run.run_id, {EXPECTED: overview.total})
            require(gate.findings)
            warmed = warm_up(
                client,
                storage,
                gate,
                deployment=scope.deployment,
                selection=selection,
                environment=os.environ,
                log=log.at_once,
            )
            require(warmed)
            report_first(context.instance, deployment_name, [*gate.findings, *warmed], log_event)
            assert gate.place is not None
            siblings = Siblings(
                context.instance,
                context.run,
                company=company,
                partitions=str(videos_partitions(scope.dataset).name),
                most=max(CLIPS_PER_RUN, scope.deployment.osmo.max_in_flight),
                log=log,
            )
            keys = [*keys, *siblings.take_over()]

            def more() -> list[str]:
                siblings.settle(production)
                return siblings.take_over()

            provenance = _provenance(storage, scope, gate)
            production.run(keys, client=client, place=gate.place, provenance=provenance, more=more)
            siblings.settle(production)
    except (NotReady, ConfigError) as error:
        _keep_what_was(production, keys)
        raise dg.Failure(str(error), allow_retries=False) from None
    except StorageError as error:
        _keep_what_was(production, keys)
        raise dg.Failure(str(error)) from error
    except OsmoError as error:
        _keep_what_was(production, keys)
        raise _osmo_failure(error, scope.deployment.osmo.url, has_begun=bool(production.keys)) from error
    finally:
        log.flush()
    if reasons := production.failures.reasons:
        raise failure_of(reasons, asked=len(production.keys) * len(selection.outputs))


def _keep_what_was(production: Production, keys: Sequence[str]) -> None:
    """A run that could not begin must not show as failed what is there."""
    if not production.keys:
        production.keep_unseen(keys)


def _provenance(storage: Storage, scope: Scope, gate: Gate) -> Provenance:
    origin = read_origin(storage, scope.dataset.dataset_url)
    images = {container: scope.deployment.images.of(container) for container in Container}
    pinned = {
        container: f"{image}@{gate.digests[container]}"
        for container, image in images.items()
        if container in gate.digests
    }
    return Provenance(images | pinned, str(origin) if origin else None)


def _overview(
    client: OsmoClient, storage: Storage, scope: Scope, selection: Selection, keys: Sequence[str], gate: Gate
) -> Overview:
    """Clips that are not there are left out of the sample; the production says so of each."""
    sample = []
    for key in sample_of(keys):
        with suppress(StorageError, OSError):
            sample.append(clip_at(storage, scope.dataset.dataset_url, key))
    outlook = look_ahead(
        client,
        storage,
        sample,
        clips=len(keys),
        dataset=scope.dataset,
        deployment=scope.deployment,
        selection=selection,
        place=gate.place,
    )
    return time_overview(selection, gate.findings, outlook, stand_in=scope.deployment.is_stand_in)


def _osmo_failure(error: OsmoError, url: str, *, has_begun: bool) -> dg.Failure:
    """The failure of a run that OSMO does not serve any more; once it `has_begun`, it may have workflows there."""
    message = f"OSMO at {url}: {error}"
    if has_begun:
        message += ". What the run has on the pool goes on; the next run of these clips adopts it"
    if isinstance(error, (OsmoUnauthorized, OsmoForbidden)):
        return dg.Failure(f"USER_INPUT_REQUIRED: {message}", allow_retries=False)
    return dg.Failure(message)


def failure_of(reasons: Mapping[tuple[str, Output], str], *, asked: int) -> dg.Failure:
    """The failure that ends a run when some of its `asked` outputs failed, with a table of every clip and cause."""
    said = [line for _, line in lines(reasons)]
    more = " …" if len(said) > _NAMED_IN_MESSAGE else ""
    return dg.Failure(
        f"{len(reasons)} of {counted(asked, 'output')} failed: {'; '.join(said[:_NAMED_IN_MESSAGE])}{more}",
        metadata={
            "failed": table(("clip", "outputs", "reason"), by_cause(reasons)),
            "failures": dg.MetadataValue.int(len(reasons)),
        },
    )

"""`<dataset>/release`: what the policy accepts of a dataset, written once under a version, in trainers' formats."""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from vda_assets.config.names import slug_of
from vda_assets.datasets.clips import list_clips
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import Scope
from vda_assets.releases.choosing import RELEASABLE, Wanted
from vda_assets.releases.errors import ReleaseError
from vda_assets.releases.release import Released, draft, release
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key
from vda_assets.runs.releasing import RELEASE, candidates, order_of, release_metadata
from vda_assets.runs.resources import storage_resource_key
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError


class ReleaseConfig(dg.Config):
    """What a release may be told; without anything, all that is accepted is released under the name of its content."""

    version: str | None = Field(None, description="What the release is called; without it, after its content.")
    verdicts: list[str] = Field([], description="degraded, to release that besides what is accepted.")
    where: dict[str, str] = Field({}, description="Values that must have been drawn, by variable.")
    with_stand_ins: bool = Field(False, description="Stand-ins' outputs too, for a trial: not for training.")


def release_assets(deployment: str, scopes: Sequence[Scope]) -> dg.AssetsDefinition:
    """`scopes` are those of the deployment's datasets, at least one. One step for all of them, as for reports."""
    storage_key = storage_resource_key(deployment)

    @dg.multi_asset(
        name=f"{slug_of(deployment)}__releases",
        specs=[_spec(scope) for scope in scopes],
        can_subset=True,
        required_resource_keys={storage_key},
    )
    def releases(context: dg.AssetExecutionContext, config: ReleaseConfig) -> Iterator[dg.MaterializeResult[None]]:
        failed: list[str] = []
        for scope in scopes:
            key = asset_key(scope.dataset, RELEASE)
            if key not in context.selected_asset_keys:
                continue
            try:
                released = _release(context, scope, config, getattr(context.resources, storage_key).storage())
            except (ReleaseError, StorageError) as error:
                failed.append(str(error))
            else:
                yield dg.MaterializeResult(asset_key=key, metadata=release_metadata(released))
        if failed:
            raise dg.Failure("; ".join(failed), allow_retries=False)

    return releases


def _spec(scope: Scope) -> dg.AssetSpec:
    dataset = scope.dataset
    return dg.AssetSpec(
        asset_key(dataset, RELEASE),
        deps=[asset_key(dataset, upstream) for upstream in (SOURCE_VIDEOS, *Stage)],
        description=f"Accepted clips of {dataset.name} with their labels, as a version that never changes.",
        group_name="releases",  # not made by the way with all that the dataset's group holds
        kinds={"video", "labels"},
        owners=dataset.owners,
        tags=scope.tags,
        skippable=True,
    )


def _release(context: dg.AssetExecutionContext, scope: Scope, config: ReleaseConfig, storage: Storage) -> Released:
    """Raises ReleaseError and StorageError."""
    order = order_of(scope, _wanted(config, scope), config.version)
    clips = list_clips(storage, scope.dataset.dataset_url).clips
    return release(storage, draft(storage, candidates(context.instance, scope, clips), order), log=context.log.info)


def _wanted(config: ReleaseConfig, scope: Scope) -> Wanted:
    """Raises ReleaseError for a verdict that is never released."""
    if unknown := set(config.verdicts) - set(RELEASABLE):
        raise ReleaseError(f"verdicts: {', '.join(sorted(unknown))} is never released; say {' or '.join(RELEASABLE)}")
    verdicts = frozenset(map(Verdict, config.verdicts))
    return Wanted(verdicts, config.where, config.with_stand_ins, scope.dataset.verdicts)

"""`<dataset>/release`: what the policy accepts of a dataset, written once under a version, in trainers' formats."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from vda_assets.datasets.clips import list_clips
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Verdict
from vda_assets.project import Scope
from vda_assets.releases.choosing import RELEASABLE, Wanted
from vda_assets.releases.errors import ReleaseError
from vda_assets.releases.release import draft, release
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key
from vda_assets.runs.releasing import RELEASE, candidates, order_of, release_metadata
from vda_assets.runs.resources import storage_resource_key
from vda_assets.storage.errors import StorageError


class ReleaseConfig(dg.Config):
    """What a release may be told; without anything, all that is accepted is released under the name of its content."""

    version: str | None = Field(None, description="What the release is called; without it, after its content.")
    verdicts: list[str] = Field([], description="degraded, to release that besides what is accepted.")
    where: dict[str, str] = Field({}, description="Values that must have been drawn, by variable.")
    with_stand_ins: bool = Field(False, description="Stand-ins' outputs too, for a trial: not for training.")


def release_asset(scope: Scope) -> dg.AssetsDefinition:
    dataset = scope.dataset
    storage_key = storage_resource_key(dataset.deployment)
    spec = dg.AssetSpec(
        asset_key(dataset, RELEASE),
        deps=[asset_key(dataset, upstream) for upstream in (SOURCE_VIDEOS, *Stage)],
        description=f"Accepted clips of {dataset.name} with their labels, as a version that never changes.",
        group_name="releases",  # not made by the way with all that the dataset's group holds
        kinds={"video", "labels"},
        owners=dataset.owners,
        tags=scope.tags,
    )

    @dg.multi_asset(name=f"{dataset.slug}__{RELEASE}", specs=[spec], required_resource_keys={storage_key})
    def make_release(context: dg.AssetExecutionContext, config: ReleaseConfig) -> Iterator[dg.MaterializeResult[None]]:
        try:
            wanted = _wanted(config, scope)
            storage = getattr(context.resources, storage_key).storage()
            clips = list_clips(storage, dataset.dataset_url).clips
            order = order_of(scope, wanted, config.version)
            released = release(
                storage, draft(storage, candidates(context.instance, scope, clips), order), log=context.log.info
            )
        except (ReleaseError, StorageError) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        yield dg.MaterializeResult(asset_key=spec.key, metadata=release_metadata(released))

    return make_release


def _wanted(config: ReleaseConfig, scope: Scope) -> Wanted:
    """Raises ReleaseError for a verdict that is never released."""
    if unknown := set(config.verdicts) - set(RELEASABLE):
        raise ReleaseError(f"verdicts: {', '.join(sorted(unknown))} is never released; say {' or '.join(RELEASABLE)}")
    verdicts = frozenset(map(Verdict, config.verdicts))
    return Wanted(verdicts, config.where, config.with_stand_ins, scope.dataset.verdicts)

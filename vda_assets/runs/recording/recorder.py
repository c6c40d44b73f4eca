"""Records a run in Dagster while it goes on: each stage of each clip is judged from storage, then materialized."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dagster as dg

from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Container, Price
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.dispatch.accounting import Usage
from vda_assets.dispatch.failures import StageFailure
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.stage import judge_stage
from vda_assets.outcomes.verdict import Verdict, worst
from vda_assets.runs.names import IMAGE, ORIGIN, asset_key
from vda_assets.runs.recording.comparisons import Comparisons
from vda_assets.runs.recording.failures import Failures
from vda_assets.runs.recording.materializing import (
    rejected_attempt,
    stage_materialization,
    still_taken,
    usage_metadata,
)
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import TemporarilyUnavailable
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class Provenance:
    """What the outputs of a run are made of: image by container, and where the clips come from, if that is known."""

    images: Mapping[Container, str] = field(default_factory=dict)
    origin: str | None = None

    def of(self, stage: Stage) -> dict[str, str]:
        """Metadata of an output of the stage."""
        known = {IMAGE: self.images.get(stage.row.container), ORIGIN: self.origin}
        return {name: text for name, text in known.items() if text}


class Recorder:
    """The dispatcher's `Report`, of clips that it was told to expect. Its `provenance` goes with every output."""

    def __init__(
        self,
        *,
        dataset: Dataset,
        price: Price | None,
        cookbook: Cookbook,
        storage: Storage,
        comparisons: Comparisons | None,
        failures: Failures,
        log_event: Callable[[dg.AssetMaterialization | dg.AssetObservation], None],
        log: Callable[[str], None],
        link: Callable[[StorageUrl], str | None],
        ended: Callable[[str, Stage], None],
    ) -> None:
        """`ended` is told the clip's key and the stage of whatever has been recorded."""
        self._dataset, self._price, self._cookbook, self._storage = dataset, price, cookbook, storage
        self._comparisons, self._failures, self._log_event, self._log = comparisons, failures, log_event, log
        self._link, self._ended = link, ended
        self.provenance = Provenance()
        self._items: dict[str, Item] = {}
        self._seen: dict[str, ClipInfo] = {}
        self._verdicts: dict[tuple[str, Stage], Verdict] = {}
        self._rejected: dict[str, dg.AssetMaterialization] = {}

    def expect(
        self,
        items: Mapping[str, Item],
        *,
        seen: Mapping[str, ClipInfo],
        verdicts: Mapping[tuple[str, Stage], Verdict],
        rejected: Mapping[str, dg.AssetMaterialization],
    ) -> None:
        """`seen` is what the containers see of each clip, by key; `verdicts` are those of stages that were finished
        before, by key and stage: labels of a rejected clip say that it is one. `rejected` are augmented videos that
        stay the clip's when what is made now is no better."""
        self._items |= items
        self._seen |= seen
        self._verdicts |= verdicts
        self._rejected |= rejected

    def stage_completed(
        self, work: ClipWork, stage: Stage, *, layout: RunLayout, workflow_id: str, usage: Usage
    ) -> None:
        try:
            self._record(work, stage, layout=layout, workflow_id=workflow_id, usage=usage)
        except Exception as error:  # noqa: BLE001 - the surprise of one clip must not take the others with it
            reason = f"it could not be judged: {type(error).__name__}: {error}"
            self._fail(work.clip.key, stage, reason, usage, is_own=not isinstance(error, TemporarilyUnavailable))
        self._ended(work.clip.key, stage)

    def stage_failed(self, work: ClipWork, failure: StageFailure, *, usage: Usage) -> None:
        reason = f"{failure.message}\n  {failure.link}".rstrip()
        self._fail(work.clip.key, failure.stage, reason, usage, is_own=failure.is_own)
        self._ended(work.clip.key, failure.stage)

    def while_waiting(self) -> None:
        if self._comparisons:
            self._comparisons.collect()

    def _record(self, work: ClipWork, stage: Stage, *, layout: RunLayout, workflow_id: str, usage: Usage) -> None:
        key, item = work.clip.key, self._items[work.clip.key]
        urls = stage_outputs(layout, stage, item.draws)
        parent = self._verdicts.get((key, stage.row.upstream)) if stage.row.upstream else None
        judgements = judge_stage(
            self._storage, work, stage, layout=layout, seen=self._seen[key], cookbook=self._cookbook, parent=parent
        )
        reasons = "; ".join(reason for one in judgements for reason in one.reasons)
        verdict = self._verdicts[key, stage] = worst(judgements)
        treatment = self._dataset.verdicts.treatment(verdict)
        if treatment == "fail":
            self._fail(key, stage, f"workflow {workflow_id} completed, but is {verdict}: {reasons}", usage)
            return
        made = stage_materialization(
            asset_key(self._dataset, stage),
            item,
            stage,
            layout=layout,
            urls=urls,
            judgements=judgements,
            workflow_id=workflow_id,
            made_with=self.provenance.of(stage),
            taken=usage_metadata(usage, self._price),
            video=self._link(urls[0] / AUGMENTED_VIDEO_FILE) if stage is Stage.AUGMENTED_VIDEOS else None,
        )
        if stage is Stage.AUGMENTED_VIDEOS and item.attempt > 1 and verdict is Verdict.REJECTED:
            self._log_event(rejected_attempt(made))
            self._log_event(still_taken(self._rejected[key], attempts=item.attempt))
            self._log(f"{key}: try {item.attempt} is rejected too ({reasons}); the first one is taken")
            return
        self._log_event(made)
        spoiled = [url for url, one in zip(urls, judgements, strict=True) if one.verdict is not Verdict.ACCEPTED]
        advice = f" ({reasons}); to make it anew, delete {spoiled[0]} and run again" if spoiled else ""
        self._log(f"{key}: {stage} {verdict}{advice}")
        if stage is Stage.AUGMENTED_VIDEOS and work.selection.comparisons and self._comparisons:
            self._comparisons.begin(item, layout)

    def _fail(self, key: str, stage: Stage, reason: str, usage: Usage, *, is_own: bool = True) -> None:
        self._failures.add(key, {stage}, reason, is_own=is_own, usage=usage)
        if stage is Stage.AUGMENTED_VIDEOS and self._comparisons:
            reason = "there is no augmented clip to compare with"
            self._failures.add(key, {Rendered.COMPARISONS}, reason, is_own=False)

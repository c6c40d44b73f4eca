"""Records a run in Dagster while it goes on: each stage of each clip is judged from storage, then materialized."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

import dagster as dg

from vda_assets.base.log import Line
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Container, Price
from vda_assets.dispatch.accounting import Usage
from vda_assets.dispatch.failures import StageFailure
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.flows.work import ClipWork, stage_outputs
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.judging import Judging
from vda_assets.outcomes.looks import NO_LOOK
from vda_assets.outcomes.verdict import Judgement, Verdict, worst
from vda_assets.runs.names import IMAGE, ORIGIN, asset_key
from vda_assets.runs.recording.comparisons import Comparisons
from vda_assets.runs.recording.failures import Failures
from vda_assets.runs.recording.materializing import (
    rejected_attempt,
    stage_materialization,
    still_taken,
    usage_metadata,
)
from vda_assets.storage.errors import TemporarilyUnavailable
from vda_assets.storage.layout import RunLayout
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


@dataclass(frozen=True)
class _Left:
    """What a workflow left of a stage, until it is judged."""

    work: ClipWork
    stage: Stage
    layout: RunLayout
    workflow_id: str
    usage: Usage


class Recorder:
    """The dispatcher's `Report`, of clips that it was told to expect. Its `provenance` goes with every output."""

    def __init__(
        self,
        *,
        dataset: Dataset,
        price: Price | None,
        comparisons: Comparisons | None,
        judging: Judging,
        failures: Failures,
        log_event: Callable[[dg.AssetMaterialization | dg.AssetObservation], None],
        log: Callable[[str], None],
        link: Callable[[StorageUrl], str | None],
        ended: Callable[[str, Stage], None],
    ) -> None:
        """`ended` is told the clip's key and the stage of whatever has been recorded."""
        self._dataset, self._price = dataset, price
        self._comparisons, self._failures, self._log_event, self._log = comparisons, failures, log_event, log
        self._link, self._ended, self._judging = link, ended, judging
        # By the clip's key: one after the other, for what is said of labels depends on the clip that they are of.
        self._left: dict[str, deque[_Left]] = {}
        self._judged: dict[str, Future[list[Judgement]]] = {}
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
        left = self._left.setdefault(work.clip.key, deque())
        left.append(_Left(work, stage, layout, workflow_id, usage))
        if len(left) == 1:
            self._judge(left[0])
        self._collect()

    def stage_failed(self, work: ClipWork, failure: StageFailure, *, usage: Usage) -> None:
        reason = f"{failure.message}\n  {failure.link}".rstrip()
        self._fail(work.clip.key, failure.stage, reason, usage, is_own=failure.is_own)
        self._ended(work.clip.key, failure.stage)

    @property
    def being_recorded(self) -> Collection[str]:
        return self._left.keys()

    def while_waiting(self) -> None:
        self._collect()
        if self._comparisons:
            self._comparisons.collect()

    def finish(self) -> None:
        """Waits until all that completed is judged and recorded."""
        while self._judged:
            wait(self._judged.values(), return_when=FIRST_COMPLETED)
            self._collect()

    def _judge(self, left: _Left) -> None:
        key, upstream = left.work.clip.key, left.stage.row.upstream
        parent = self._verdicts.get((key, upstream)) if upstream else None
        self._judged[key] = self._judging.begin(
            left.work, left.stage, layout=left.layout, seen=self._seen[key], parent=parent
        )

    def _collect(self) -> None:
        """Records what is judged by now."""
        while ended := [key for key, judged in self._judged.items() if judged.done()]:
            for key in ended:
                judged, left = self._judged.pop(key), self._left[key].popleft()
                self._record_or_fail(left, judged)
                if self._left[key]:
                    self._judge(self._left[key][0])
                else:
                    del self._left[key]

    def _record_or_fail(self, left: _Left, judged: Future[list[Judgement]]) -> None:
        key = left.work.clip.key
        try:
            self._record(left, judged.result())
        except Exception as error:  # noqa: BLE001 - the surprise of one clip must not take the others with it
            reason = f"it could not be judged: {type(error).__name__}: {error}"
            is_own = not isinstance(error, TemporarilyUnavailable)
            self._fail(key, left.stage, reason, left.usage, is_own=is_own)
        self._ended(key, left.stage)

    def _record(self, left: _Left, judgements: Sequence[Judgement]) -> None:
        work, stage, layout = left.work, left.stage, left.layout
        workflow_id, usage = left.workflow_id, left.usage
        key, item = work.clip.key, self._items[work.clip.key]
        urls = stage_outputs(layout, stage, item.draws)
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
            link=self._link,
        )
        if stage is Stage.AUGMENTED_VIDEOS and item.attempt > 1 and verdict is Verdict.REJECTED:
            self._log_event(rejected_attempt(made))
            self._log_event(still_taken(self._rejected[key], attempts=item.attempt))
            said = f"try {item.attempt} is rejected too ({reasons}); the first one is taken"
            self._log(Line(key, said, workflow=workflow_id))
            return
        self._log_event(made)
        spoiled = [url for url, one in zip(urls, judgements, strict=True) if one.verdict is not Verdict.ACCEPTED]
        advice = f" ({reasons}); to make it anew, delete {spoiled[0]} and run again" if spoiled else ""
        self._log(Line(key, f"{stage} {verdict}{advice}", workflow=workflow_id))
        for one in judgements:
            if NO_LOOK in one.facts:
                self._log(Line(key, f"{stage} without a picture: {one.facts[NO_LOOK]}"))
        if stage is Stage.AUGMENTED_VIDEOS and work.selection.comparisons and self._comparisons:
            self._comparisons.begin(item, layout)

    def _fail(self, key: str, stage: Stage, reason: str, usage: Usage, *, is_own: bool = True) -> None:
        self._failures.add(key, {stage}, reason, is_own=is_own, usage=usage)
        if stage is Stage.AUGMENTED_VIDEOS and self._comparisons:
            reason = "there is no augmented clip to compare with"
            self._failures.add(key, {Rendered.COMPARISONS}, reason, is_own=False)

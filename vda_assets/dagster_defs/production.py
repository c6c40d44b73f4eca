"""One run's production: from partition keys and a selection to materializations and failures, clip by clip.

What is finished is logged again, what is missing goes through the dispatcher, and every output is judged from storage
and materialized as soon as its stage ended.
"""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import dagster as dg

from vda_assets.base.failed import Failed
from vda_assets.config.dataset import Dataset
from vda_assets.config.deployment import Deployment
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import PlannedAugmentation
from vda_assets.dagster_defs.interrupts import interrupts_delayed
from vda_assets.dagster_defs.names import RUN_ID, asset_key
from vda_assets.dagster_defs.recording.finished import newest_materializations, text_of, with_hash
from vda_assets.dagster_defs.recording.materializing import (
    comparison_materialization,
    reused,
    stage_checks,
    stage_materialization,
)
from vda_assets.dispatch.dispatcher import Dispatcher
from vda_assets.dispatch.failures import StageFailure
from vda_assets.dispatch.pace import Heartbeat, Pace
from vda_assets.flows.comparisons import ComparisonPool, still_of
from vda_assets.flows.inputs import Seen, provide_inputs
from vda_assets.flows.selection import STAGES, Output, Selection
from vda_assets.flows.setup import setup_files, write_setup
from vda_assets.flows.work import ClipWork, inputs_from_elsewhere, output_hashes
from vda_assets.flows.workflow import stage_outputs
from vda_assets.media.probe import ClipInfo
from vda_assets.osmo.client import OsmoClient
from vda_assets.outcomes.marker import OutputMissing, read_marker
from vda_assets.outcomes.stage import judge_stage
from vda_assets.outcomes.verdict import Verdict, worst
from vda_assets.storage.access import Storage
from vda_assets.storage.clips import Clip, clip_at, path_of
from vda_assets.storage.errors import StorageError
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout

_PARALLEL_READS = 8


@dataclass(frozen=True)
class Item:
    """One clip of the run with everything that is known before it is worked on."""

    clip: Clip
    plans: tuple[PlannedAugmentation, ...]
    hashes: dict[Output, str]


@dataclass
class Production:
    """`failures` fills while it runs: (partition, output) -> why."""

    dataset: Dataset
    deployment: Deployment
    cookbook: Cookbook
    selection: Selection
    layout: RunLayout
    storage: Storage
    instance: dg.DagsterInstance
    log_event: Callable[[dg.AssetMaterialization | dg.AssetCheckEvaluation], None]
    log: Callable[[str], None]
    failures: dict[tuple[str, Output], str] = field(default_factory=dict)
    _items: dict[str, Item] = field(default_factory=dict)
    _infos: dict[str, ClipInfo] = field(default_factory=dict)
    _finished: dict[Output, dict[str, dg.AssetMaterialization]] = field(default_factory=dict)

    def run(self, keys: Sequence[str], *, client: OsmoClient, gpu_platform: str) -> None:
        """Returns when every selected output of every key is materialized or in `failures`."""
        self._find_clips(keys)
        self._find_finished()
        works = self._usable([work for item in self._items.values() if (work := self._work(item)).stages])
        with ComparisonPool(self.storage) as pool:
            self._pool = pool
            self._relog_finished()
            if works:
                self._write_setup(works)
                Dispatcher(
                    client=client,
                    deployment=self.deployment,
                    gpu_platform=gpu_platform,
                    layout=self.layout,
                    report=self,
                    is_whole=self._work_is_whole,
                    log=self.log,
                    sleep=self._sleep,
                ).run(works)
            self._wait_for_comparisons()

    # Before anything is submitted

    def _find_clips(self, keys: Sequence[str]) -> None:
        """Asks storage for every clip; one that is not there fails alone."""

        def find(key: str) -> Item | str:
            try:
                clip = clip_at(self.storage, self.dataset.dataset_url, key)
            except (StorageError, OSError) as error:
                return str(error)
            plans, hashes = output_hashes(
                clip,
                cookbook=self.cookbook,
                images=self.deployment.images,
                super_resolution=self.selection.super_resolution,
            )
            return Item(clip, plans, hashes)

        with ThreadPoolExecutor(_PARALLEL_READS) as threads:
            for key, found in zip(keys, threads.map(find, keys), strict=True):
                if isinstance(found, Item):
                    self._items[key] = found
                else:
                    self._fail(key, self.selection.outputs, found)

    def _usable(self, works: Sequence[ClipWork]) -> list[ClipWork]:
        """The works with what their containers take for the clip; one whose clip they cannot take fails alone."""
        usable = []
        for work, seen in provide_inputs(self.storage, works, layout=self.layout):
            key = work.clip.key
            if isinstance(seen, Seen):
                self._infos[key] = seen.info
                usable.append(work)
                for warning in seen.warnings:
                    self.log(f"warning: {warning}")
            else:
                compared = {Output.COMPARISONS} if Output.AUGMENTED_VIDEOS in work.stages else set()
                self._fail(key, {*work.stages, *(compared & self.selection.outputs)}, seen.reason)
        return usable

    def _find_finished(self) -> None:
        """Outputs that were made from the same clip and configuration, and still lie whole in storage."""
        for output in Output:
            with interrupts_delayed():
                newest = newest_materializations(self.instance, asset_key(self.dataset, output), list(self._items))
            same = with_hash(newest, {key: item.hashes[output] for key, item in self._items.items()})
            with ThreadPoolExecutor(_PARALLEL_READS) as threads:
                whole = threads.map(
                    lambda entry, output=output: self._is_whole(self._items[entry[0]], output, entry[1]), same.items()
                )
                kept = [entry for entry, is_whole in zip(same.items(), whole, strict=True) if is_whole]
            self._finished[output] = dict(kept)

    def _is_whole(self, item: Item, output: Output, materialization: dg.AssetMaterialization) -> bool:
        return self._outputs_are_whole(item, output, self._layout_of(materialization))

    def _outputs_are_whole(self, item: Item, output: Output, layout: RunLayout) -> bool:
        if output is Output.COMPARISONS:
            videos = [layout.comparison(plan.video, plan.index) for plan in item.plans]
            return all(self.storage.exists(video) or self.storage.exists(still_of(video)) for video in videos)
        return self._stage_is_whole(item, output, layout=layout, work_hash="")

    def _work_is_whole(self, work: ClipWork, stage: Output, *, layout: RunLayout, work_hash: str) -> bool:
        return self._stage_is_whole(self._items[work.clip.key], stage, layout=layout, work_hash=work_hash)

    def _stage_is_whole(self, item: Item, stage: Output, *, layout: RunLayout, work_hash: str) -> bool:
        """Whether the results are there, and made by the work whose hash begins so."""
        try:
            markers = [read_marker(self.storage, url) for url in stage_outputs(layout, stage, item.plans)]
        except OutputMissing:
            return False
        return all(marker.work.startswith(work_hash) for marker in markers)

    def _work(self, item: Item) -> ClipWork:
        """What is still to be made for the clip; what cannot be made is failed here."""
        key = item.clip.key
        needed = {stage for stage in STAGES if stage in self.selection and key not in self._finished[stage]}
        existing = {}
        for stage in inputs_from_elsewhere(self.selection.only(needed)):
            materialization = self._finished[stage].get(key)
            if materialization is None:
                dependants = needed & {Output.AUGMENTED_VIDEOS, Output.AUGMENTED_LABELS}
                self._fail(key, dependants, f"there are no {stage} of this clip yet; select {stage} as well")
                needed -= dependants
            else:
                existing[stage] = self._layout_of(materialization)
        return ClipWork(item.clip, self.selection.only(needed), item.plans, item.hashes, existing)

    def _layout_of(self, materialization: dg.AssetMaterialization) -> RunLayout:
        return RunLayout(self.layout.storage_url, self.layout.dataset, text_of(materialization, RUN_ID))

    def _relog_finished(self) -> None:
        count = 0
        for output in Output:
            if output not in self.selection:
                continue
            for materialization in self._finished[output].values():
                self.log_event(reused(materialization))
                count += 1
        if count:
            self.log(f"{count} outputs were finished before and are kept as they are")
        if Output.COMPARISONS not in self.selection:
            return
        for key in self._items:
            if key in self._finished[Output.COMPARISONS]:
                continue
            if augmented := self._finished[Output.AUGMENTED_VIDEOS].get(key):
                self._render(key, self._layout_of(augmented))
            elif Output.AUGMENTED_VIDEOS not in self.selection:
                self._fail(key, {Output.COMPARISONS}, "there are no augmented_videos of this clip yet; select them too")

    def _write_setup(self, works: Sequence[ClipWork]) -> None:
        files = setup_files(
            {path_of(work.clip.key): work.plans for work in works},
            cookbook=self.cookbook,
            endpoints=self.deployment.endpoints,
            super_resolution=self.selection.super_resolution,
            images=self.deployment.images,
        )
        write_setup(self.storage, self.layout, files)
        self.log(f"setup for {len(works)} clips written to {self.layout.setup}")

    # While the workflows go on (flows.dispatcher.Report)

    def stage_completed(self, work: ClipWork, stage: Output, *, layout: RunLayout, workflow_id: str) -> None:
        try:
            self._materialize(work, stage, layout=layout, workflow_id=workflow_id)
        except Exception as error:  # noqa: BLE001 - the surprise of one clip must not take the others with it
            self._fail_stage(work.clip.key, stage, f"it could not be judged: {type(error).__name__}: {error}")

    def _materialize(self, work: ClipWork, stage: Output, *, layout: RunLayout, workflow_id: str) -> None:
        item = self._items[work.clip.key]
        urls = stage_outputs(layout, stage, item.plans)
        seen = self._infos[work.clip.key]
        outcomes = judge_stage(self.storage, work, stage, layout=layout, seen=seen, cookbook=self.cookbook)
        reasons = "; ".join(reason for outcome in outcomes for reason in outcome.reasons)
        verdict = worst(outcomes)
        treatment = "fail" if verdict is Verdict.MISSING else getattr(self.dataset.verdicts, verdict)
        if treatment == "fail":
            self._fail_stage(work.clip.key, stage, f"workflow {workflow_id} completed, but is {verdict}: {reasons}")
            return
        self.log_event(
            stage_materialization(
                asset_key(self.dataset, stage),
                work.clip.key,
                work_hash=item.hashes[stage],
                layout=layout,
                urls=urls,
                outcomes=outcomes,
                plans=() if stage is Output.ORIGINAL_LABELS else item.plans,
                workflow_id=workflow_id,
            )
        )
        for check in stage_checks(asset_key(self.dataset, stage), work.clip.key, outcomes, flagged=treatment == "flag"):
            self.log_event(check)
        spoiled = [url for url, one in zip(urls, outcomes, strict=True) if one.verdict is not Verdict.ACCEPTED]
        advice = f" ({reasons}); to make it anew, delete {spoiled[0]} and run again" if spoiled else ""
        self.log(f"{work.clip.key}: {stage} {verdict}{advice}")
        if stage is Output.AUGMENTED_VIDEOS and Output.COMPARISONS in self.selection:
            self._render(work.clip.key, layout)

    def stage_failed(self, work: ClipWork, failure: StageFailure) -> None:
        self._fail_stage(work.clip.key, failure.stage, f"{failure.message}\n  {failure.link}".rstrip())

    # Comparisons

    def _render(self, key: str, augmented: RunLayout) -> None:
        item = self._items[key]
        self._pool.submit(
            key,
            [
                (
                    item.clip.url,
                    augmented.augmented_video(plan.video, plan.index) / AUGMENTED_VIDEO_FILE,
                    self.layout.comparison(plan.video, plan.index),
                )
                for plan in item.plans
            ],
        )

    def _sleep(self, seconds: float) -> None:
        self._collect_comparisons()
        time.sleep(seconds)

    def _wait_for_comparisons(self) -> None:
        pace = Pace()
        heartbeat = Heartbeat(pace)
        while left := self._pool.wait(pace.heartbeat_seconds):
            self._collect_comparisons()
            if heartbeat.is_due():
                self.log(f"side-by-side videos of {left} clips are being rendered")

    def _collect_comparisons(self) -> None:
        for key, rendered in self._pool.take_ended():
            if isinstance(rendered, Failed):
                reason = f"the side-by-side video could not be rendered: {rendered.reason}"
                self._fail(key, {Output.COMPARISONS}, reason)
                continue
            self.log_event(
                comparison_materialization(
                    asset_key(self.dataset, Output.COMPARISONS),
                    key,
                    work_hash=self._items[key].hashes[Output.COMPARISONS],
                    layout=self.layout,
                    comparisons=rendered,
                )
            )
            for one in rendered:
                if one.problem:
                    self.log(f"{key}: a picture instead of a side-by-side video lies at {one.url}: {one.problem}")
            self.log(f"{key}: comparisons rendered")

    def _fail_stage(self, key: str, stage: Output, reason: str) -> None:
        self._fail(key, {stage}, reason)
        if stage is Output.AUGMENTED_VIDEOS and Output.COMPARISONS in self.selection:
            self._fail(key, {Output.COMPARISONS}, "there is no augmented clip to compare with")

    def _fail(self, key: str, outputs: Collection[Output], reason: str) -> None:
        for output in outputs:
            self.failures[key, output] = reason
        self.log(f"{key}: {', '.join(sorted(outputs))} FAILED: {reason}")

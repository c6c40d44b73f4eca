"""One run's production: from partition keys and a selection to materializations and failures, clip by clip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import dagster as dg

from vda_assets.base.clock import SYSTEM_CLOCK, Clock
from vda_assets.base.counted import counted
from vda_assets.base.failed import Failed
from vda_assets.base.log import Log
from vda_assets.base.parallel import in_order
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import clip_at, path_of
from vda_assets.dispatch.company import Company
from vda_assets.dispatch.dispatcher import Dispatcher
from vda_assets.flows.inputs import Seen, provide_inputs
from vda_assets.flows.place import Place
from vda_assets.flows.planning import Item, Plan, plan
from vda_assets.flows.selection import Selection
from vda_assets.flows.setup import setup_files, write_setup
from vda_assets.flows.stages import Output, Rendered, Stage
from vda_assets.flows.work import ClipWork
from vda_assets.media.probe import ClipInfo
from vda_assets.osmo.service import OsmoService
from vda_assets.outcomes.judging import Judging
from vda_assets.outcomes.whole import was_left_by
from vda_assets.project import Scope
from vda_assets.runs.attempts import Attempts, attempts_in_books, item_to_make
from vda_assets.runs.canary import Canary
from vda_assets.runs.links import media_link
from vda_assets.runs.names import asset_key
from vda_assets.runs.recording.comparisons import Comparisons
from vda_assets.runs.recording.failures import Failure, Failures
from vda_assets.runs.recording.finished import Finished, find_finished, newest_materializations
from vda_assets.runs.recording.materializing import failure_observation, reused, usage_metadata
from vda_assets.runs.recording.recorder import Provenance, Recorder
from vda_assets.runs.recording.tries import FailedTry, newest_tries
from vda_assets.runs.standing import OutputBooks, Stand
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import StorageError, TemporarilyUnavailable
from vda_assets.storage.layout import RunLayout

_PARALLEL_READS = 8
# How often it is looked whether the canary, which another run makes, is judged.
_CANARY_SECONDS = 5.0


class Production:
    """Everything that one run does. `failures` fills while it goes on."""

    def __init__(
        self,
        scope: Scope,
        *,
        selection: Selection,
        layout: RunLayout,
        storage: Storage,
        instance: dg.DagsterInstance,
        log_event: Callable[[dg.AssetMaterialization | dg.AssetObservation], None],
        log: Log,
        company: Company,
        clock: Clock = SYSTEM_CLOCK,
        judging: Callable[[Storage, Cookbook], Judging] = Judging,
    ) -> None:
        self._company = company
        self._scope, self._selection, self._layout = scope, selection, layout
        self._storage, self._instance, self._clock = storage, instance, clock
        self._log_event, self._log = log_event, log
        self._draws: dict[str, tuple[Draw, ...]] = {}
        self._made: set[tuple[str, str]] = set()
        self._items: dict[str, Item] = {}
        # Of clips of which another try may follow: the stages of the try that have not ended.
        self._trying: dict[str, set[Stage]] = {}
        self._canary = Canary(instance, scope, selection)
        self._held: list[str] = []
        self._former_tries: dict[tuple[str, Output], FailedTry] = {}
        link = partial(media_link, scope.deployment.media_url, scope.dataset)
        self.keys: list[str] = []
        self.failures = Failures(log, self._record_failure)
        self._comparisons = Comparisons(
            asset_key(scope.dataset, Rendered.COMPARISONS),
            storage=storage,
            layout=layout,
            failures=self.failures,
            log_event=self._log_made,
            log=log,
            link=link,
            clock=clock,
        )
        self._judging = judging(storage, scope.cookbook)
        self._recorder = Recorder(
            dataset=scope.dataset,
            price=scope.deployment.price,
            comparisons=self._comparisons if selection.comparisons else None,
            judging=self._judging,
            failures=self.failures,
            log_event=self._log_made,
            log=log,
            link=link,
            ended=self._stage_ended,
        )

    def run(
        self,
        keys: Sequence[str],
        *,
        client: OsmoService,
        place: Place,
        provenance: Provenance,
        more: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Returns when every selected output of every key is materialized or in `failures`. `more` is asked now and
        again for keys of further clips."""
        self._recorder.provenance = provenance
        dispatcher = Dispatcher(
            client=client,
            deployment=self._scope.deployment,
            place=place,
            layout=self._layout,
            report=self._recorder,
            is_whole=self._was_left_by,
            log=self._log,
            company=self._company,
            clock=self._clock,
        )

        def begin(keys: Sequence[str]) -> list[ClipWork]:
            new = self._released(keys)
            self.keys += new
            begun = [*new, *self._to_go_on()]
            works = self._begin(begun) if begun else []
            if unseen := [work for work in works if work.clip.key in new]:
                dispatcher.clear_the_way(unseen)
            if works:
                self._write_setup(works)
            return works

        with self._comparisons, self._judging:
            works = begin(keys)
            while works or self._held:
                if works:
                    self._dispatch(dispatcher, works, lambda: begin(more()))
                else:
                    self._clock.sleep(_CANARY_SECONDS)
                    self._company.work_on({*self._held})
                works = begin(more())
            self._comparisons.finish()

    def _dispatch(
        self, dispatcher: Dispatcher, works: Sequence[ClipWork], more: Callable[[], Sequence[ClipWork]]
    ) -> None:
        """What completed is in the books afterwards, also when OSMO stayed away."""
        try:
            dispatcher.run(works, more=more)
        except Exception:
            self._recorder.finish()
            raise
        self._recorder.finish()

    def _released(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys, and of those that are held back, whose clips may begin now."""
        self._held += keys
        if not self._held:
            return []
        released = self._canary.release(
            self._held, item_of=self._item, made_by_others=self._company.need, begun=self.keys
        )
        self._held = [key for key in self._held if key not in released]
        if self._held and (reason := self._canary.stopped):
            self.keys += self._held
            for key in self._held:
                self.failures.add(key, self._selection.outputs, f"not begun: {reason}", is_own=False)
            self._held = []
        return released

    def _item(self, key: str) -> Item | None:
        """What is known of a clip of this run or another; None when it is not there."""
        if key not in self._items or self._trying.get(key) == set():
            found = self._find_one(key, attempts_in_books(self._instance, self._scope.dataset, [key]).get(key))
            return found if isinstance(found, Item) else None
        return self._items[key]

    def _record_failure(self, key: str, output: Output, failure: Failure) -> None:
        """Beside the clip's materializations: a run's own failure is not found from there."""
        item = self._items.get(key)
        now = FailedTry.first(item.output_hashes[output] if item else "", failure.reason, is_own=failure.is_own)
        self._log_event(
            failure_observation(
                asset_key(self._scope.dataset, output),
                key,
                reason=failure.reason,
                failed=now.after(self._former_tries.get((key, output))),
                taken=usage_metadata(failure.usage, self._scope.deployment.price),
            )
        )

    def is_done(self, key: str) -> bool:
        """Whether each selected output of the clip is in Dagster's books or has failed, and no try is to follow."""
        return key not in self._trying and all(self._has_ended(key, output) for output in self.outputs)

    def _has_ended(self, key: str, output: Output) -> bool:
        return (key, output) in self._made or (key, output) in self.failures.reasons

    @property
    def outputs(self) -> tuple[Output, ...]:
        return self._selection.outputs

    def _log_made(self, event: dg.AssetMaterialization | dg.AssetObservation) -> None:
        self._log_event(event)
        if isinstance(event, dg.AssetMaterialization):
            self._made.add((str(event.partition), event.asset_key.path[-1]))

    def _begin(self, keys: Sequence[str]) -> list[ClipWork]:
        """What is left for OSMO to do; what is finished is logged, and what cannot be made fails."""
        self._former_tries |= newest_tries(self._instance, self._scope.dataset, keys)
        attempts = attempts_in_books(self._instance, self._scope.dataset, keys)
        items = self._find(keys, attempts)
        self._items |= items
        finished = find_finished(self._instance, self._storage, self._scope.dataset, items)
        tries = {key for key, item in items.items() if self._is_try(item, finished.runs(key))}
        plans = {
            key: plan(item, self._selection_of(key, is_try=key in tries), finished.runs(key))
            for key, item in items.items()
        }
        for key, one in plans.items():
            for output, why in one.failed.items():
                self.failures.add(key, {output}, why.reason, is_own=why.is_own)
        works, seen = self._usable(one.work for one in plans.values() if one.work.stages)
        self._trying |= {work.clip.key: {*work.stages} for work in works if work.clip.key in tries}
        rejected = {key: one.taken for key, one in attempts.items() if one.is_rejected}
        self._recorder.expect(items, seen=seen, verdicts=finished.verdicts(), rejected=rejected)
        self._keep(finished)
        self._fail_what_follows(tries - {work.clip.key for work in works})
        self._compare(items, plans)
        return works

    def _is_try(self, item: Item, finished: Collection[Output]) -> bool:
        """Whether another try may follow the augmented videos that are made now, or a former one be taken instead."""
        makes = Stage.AUGMENTED_VIDEOS in self._selection and Stage.AUGMENTED_VIDEOS not in finished
        return makes and (item.attempt > 1 or self._scope.dataset.retry_rejected > 0)

    def _selection_of(self, key: str, *, is_try: bool) -> Selection:
        """What is to be made of the clip now. What follows from a try waits until it is known which one is taken."""
        failed = {stage for stage in self._selection.stages if (key, stage) in self.failures.reasons}
        selection = self._selection.without(failed)
        return replace(selection.without(self._labels), comparisons=False) if is_try else selection

    @property
    def _labels(self) -> frozenset[Stage]:
        """What is selected of the stages that follow from augmented videos."""
        return self._selection.depending_on({Stage.AUGMENTED_VIDEOS})

    def _stage_ended(self, key: str, stage: Stage) -> None:
        self._trying.get(key, set()).discard(stage)

    def _to_go_on(self) -> list[str]:
        """The clips whose try has ended: they begin once more, with another one or with what follows from the best."""
        ended = [key for key, stages in self._trying.items() if not stages]
        for key in ended:
            del self._trying[key]
        failed = {key for key in ended if (key, Stage.AUGMENTED_VIDEOS) in self.failures.reasons}
        self._fail_what_follows(failed)
        return [key for key in ended if key not in failed]

    def _fail_what_follows(self, keys: Collection[str]) -> None:
        """Of clips whose try failed."""
        follows = {*self._labels, *Rendered}
        for key in sorted(keys):
            if left := [one for one in self.outputs if one in follows and not self._has_ended(key, one)]:
                self.failures.add(key, left, f"not begun: {Stage.AUGMENTED_VIDEOS} failed", is_own=False)

    def _find(self, keys: Sequence[str], attempts: Mapping[str, Attempts]) -> dict[str, Item]:
        """Asks storage for every clip; one that is not there fails alone."""
        items: dict[str, Item] = {}
        found_of = in_order(lambda key: self._find_one(key, attempts.get(key)), keys, threads=_PARALLEL_READS)
        for key, found in zip(keys, found_of, strict=True):
            if isinstance(found, Item):
                items[key] = found
            else:
                self.failures.add(key, self._selection.outputs, found.reason, is_own=found.is_own)
        return items

    def _find_one(self, key: str, attempts: Attempts | None) -> Item | Failed:
        try:
            clip = clip_at(self._storage, self._scope.dataset.dataset_url, key)
        except (StorageError, OSError) as error:
            return Failed(str(error), is_own=not isinstance(error, TemporarilyUnavailable))
        return item_to_make(
            clip,
            self._scope,
            attempts,
            super_resolution=self._selection.super_resolution,
            may_augment=Stage.AUGMENTED_VIDEOS in self._selection,
        )

    def _usable(self, works: Iterable[ClipWork]) -> tuple[list[ClipWork], dict[str, ClipInfo]]:
        """The works with what their containers take for the clip; one whose clip they cannot take fails alone."""
        usable: list[ClipWork] = []
        infos: dict[str, ClipInfo] = {}
        for work, seen in provide_inputs(self._storage, list(works), layout=self._layout):
            key = work.clip.key
            if isinstance(seen, Seen):
                infos[key] = seen.info
                usable.append(work)
                for warning in seen.warnings:
                    self._log(f"warning: {warning}")
                continue
            compares = self._selection.comparisons and Stage.AUGMENTED_VIDEOS in work.selection
            self.failures.add(key, [*work.stages, *(Rendered if compares else ())], seen.reason, is_own=seen.is_own)
        return usable, infos

    def _keep(self, finished: Finished) -> None:
        """Logs what was finished before this run once more: a backfill counts only what its own runs materialized."""
        kept = [
            made
            for output in self._selection.outputs
            for made in finished.materializations(output)
            if (str(made.partition), output) not in self._made
        ]
        for materialization in kept:
            self._log_made(reused(materialization))
        if kept:
            self._log(f"kept as finished before: {counted(len(kept), 'output')}")

    def keep_unseen(self, keys: Sequence[str]) -> None:
        """Logs what Dagster's books have of these clips once more, without a look at storage, which may be away."""
        for output in self._selection.outputs:
            books = OutputBooks(self._instance, self._scope.dataset, output)
            asset = asset_key(self._scope.dataset, output)
            there = [key for key in keys if books.word(key).stand is Stand.MADE]
            for materialization in newest_materializations(self._instance, asset, there).values():
                self._log_event(reused(materialization))

    def _compare(self, items: Mapping[str, Item], plans: Mapping[str, Plan]) -> None:
        for key, one in plans.items():
            if one.compare_with:
                self._comparisons.begin(items[key], one.compare_with)

    def _write_setup(self, works: Sequence[ClipWork]) -> None:
        """Also of the works before: the folder's manifest lists all clips."""
        self._draws |= {work.clip.key: work.draws for work in works}
        draws: dict[str, list[Draw]] = {}
        for key, of_key in self._draws.items():
            draws.setdefault(path_of(key), []).extend(of_key)
        files = setup_files(
            draws,
            cookbook=self._scope.cookbook,
            endpoints=self._scope.deployment.endpoints,
            super_resolution=self._selection.super_resolution,
            images=self._scope.deployment.images,
        )
        write_setup(self._storage, self._layout, files)
        self._log.at_once(f"setup for {counted(len(works), 'clip')} written to {self._layout.setup}")

    def _was_left_by(self, work: ClipWork, stage: Stage, *, layout: RunLayout, work_hash: str) -> bool:
        return was_left_by(self._storage, stage, layout=layout, draws=work.draws, work_hash=work_hash)

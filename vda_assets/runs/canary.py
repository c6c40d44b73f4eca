"""The canary: of what was never tried, a few clips are made and judged before the rest follows.

New is a dataset, a cookbook or an image, or another choice of outputs. What is decided is kept in Dagster's database,
for all runs: it is decided once, whichever run makes the clips, and however often they are killed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

import dagster as dg
from pydantic import BaseModel, ValidationError

from vda_assets.base.counted import counted
from vda_assets.base.cut import cut, cut_lines
from vda_assets.base.interrupts import interrupts_delayed
from vda_assets.config.dataset import Canary as CanaryConfig
from vda_assets.flows.planning import Item
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import digest
from vda_assets.project import Scope
from vda_assets.runs.names import REASONS, VERDICT, asset_key
from vda_assets.runs.private import keep_text, kept_texts
from vda_assets.runs.recording.finished import hash_of, newest_materializations, text_of
from vda_assets.runs.recording.tries import newest_tries

_NAMED = 3


class _Record(BaseModel):
    """`clips` are those that are made first; `passed` is None until it is decided, and `said` why."""

    clips: list[str] = []
    passed: bool | None = None
    said: str = ""


class Canary:
    """What is known of one dataset, configuration and choice of outputs; for a dataset without a canary all passes."""

    def __init__(self, instance: dg.DagsterInstance, scope: Scope, selection: Selection) -> None:
        self._instance, self._scope, self._selection = instance, scope, selection

    @property
    def stopped(self) -> str | None:
        """Why the rest must not follow; None when it may, or when that is not decided."""
        if self._config is None:
            return None
        record = self._read()
        return record.said if record.passed is False else None

    def let_in(self) -> bool:
        """Has the rest follow in spite of what was judged; False when nothing had stopped it."""
        if not self.stopped:
            return False
        self._write(_Record(passed=True, said="a person let the rest in"))
        return True

    def release(
        self,
        waiting: Sequence[str],
        *,
        item_of: Callable[[str], Item | None],
        made_by_others: Callable[[Collection[str]], Collection[str]],
        begun: Collection[str],
    ) -> list[str]:
        """Those of the waiting clips that may begin now; none when it `stopped`.

        `item_of` is None for a clip that is not there. `begun` are the clips that this run works on.
        """
        if self._config is None or not waiting:
            return list(waiting)
        record = self._read()
        if record.passed is None:
            record = self._decided(self._config, record, item_of)
        if record.passed is not None:
            return list(waiting) if record.passed else []
        return self._first(self._config, record, waiting, item_of, made_by_others, begun)

    def _first(
        self,
        config: CanaryConfig,
        record: _Record,
        waiting: Sequence[str],
        item_of: Callable[[str], Item | None],
        made_by_others: Callable[[Collection[str]], Collection[str]],
        begun: Collection[str],
    ) -> list[str]:
        """The clips to begin with. One that nobody makes any more gives its place to another."""
        unjudged = [key for key in record.clips if self._passed(key, item_of) is None]
        at_work = {*begun, *made_by_others(unjudged)}
        kept = [key for key in record.clips if key not in unjudged or key in at_work]
        taken = [key for key in waiting if key not in kept][: config.clips - len(kept)]
        if [*kept, *taken] != record.clips:
            self._write(_Record(clips=[*kept, *taken]))
        return taken

    def _decided(self, config: CanaryConfig, record: _Record, item_of: Callable[[str], Item | None]) -> _Record:
        outcomes = {key: self._passed(key, item_of) for key in record.clips}
        if len(record.clips) < config.clips or None in outcomes.values():
            return record
        passed = sum(reason == "" for reason in outcomes.values())
        said = f"the canary: {passed} of {counted(len(outcomes), 'clip')} passed, {config.accepted:.0%} have to"
        reasons = [f"{key}: {reason}" for key, reason in outcomes.items() if reason]
        enough = passed >= config.accepted * len(outcomes)
        if not enough:
            said = f"{said} before the rest follows; {'; '.join(cut_lines(reasons[:_NAMED]))}"
        record = _Record(clips=record.clips, passed=enough, said=said)
        self._write(record)
        return record

    def _passed(self, key: str, item_of: Callable[[str], Item | None]) -> str | None:
        """Empty when every stage of the clip was made and passes; else the reason; None while that is not known."""
        item = item_of(key)
        if item is None:
            return "it is not there"
        dataset = self._scope.dataset
        tries = newest_tries(self._instance, dataset, [key])
        for stage in Stage:
            if stage not in self._selection.stages:
                continue
            with interrupts_delayed():
                made = newest_materializations(self._instance, asset_key(dataset, stage), [key]).get(key)
            if made and hash_of(made) == item.output_hashes[stage]:
                verdict = text_of(made, VERDICT)
                if dataset.verdicts.treatment(verdict) != "pass":
                    return cut(f"{stage} is {verdict}: {text_of(made, REASONS)}")
                continue
            failed = tries.get((key, stage))
            if failed is None or not failed.is_of(item.output_hashes[stage]):
                return None
            return f"{stage} failed"
        return ""

    @property
    def _config(self) -> CanaryConfig | None:
        return self._scope.dataset.canary

    @cached_property
    def _name(self) -> str:
        """Where the record is kept: by everything that is new when any of it is."""
        scope, cookbook = self._scope, self._scope.cookbook
        new = digest(
            str(scope.dataset.dataset_url),
            cookbook.augmentation_digest,
            cookbook.auto_labeling_digest,
            scope.deployment.images.model_dump(),
            sorted(self._selection.outputs),
            self._selection.super_resolution,
        )
        return f"vda/canary/{new[:32]}"

    def _read(self) -> _Record:
        with interrupts_delayed():
            text = kept_texts(self._instance, [self._name]).get(self._name)
        try:
            return _Record.model_validate_json(text or "{}")
        except ValidationError:
            return _Record()

    def _write(self, record: _Record) -> None:
        with interrupts_delayed():
            keep_text(self._instance, self._name, record.model_dump_json())

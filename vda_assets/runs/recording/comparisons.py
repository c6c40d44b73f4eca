"""Has side-by-side videos rendered while the GPUs work on, and records each clip's as soon as they are there."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import dagster as dg

from vda_assets.base.clock import Clock
from vda_assets.base.counted import counted
from vda_assets.base.failed import Failed
from vda_assets.base.log import Line, Log
from vda_assets.dispatch.pace import Heartbeat, Pace
from vda_assets.flows.comparisons import ComparisonPool
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Rendered, Stage
from vda_assets.flows.work import stage_outputs
from vda_assets.runs.recording.failures import Failures
from vda_assets.runs.recording.materializing import comparison_materialization
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import AUGMENTED_VIDEO_FILE, RunLayout
from vda_assets.storage.url import StorageUrl


class Comparisons:
    """A context manager; leaving it on an error or interrupt drops what has not begun."""

    def __init__(
        self,
        asset_key: dg.AssetKey,
        *,
        storage: Storage,
        layout: RunLayout,
        failures: Failures,
        log_event: Callable[[dg.AssetMaterialization], None],
        log: Log,
        link: Callable[[StorageUrl], str | None],
        clock: Clock,
    ) -> None:
        self._asset_key, self._layout, self._failures = asset_key, layout, failures
        self._log_event, self._log, self._link, self._clock = log_event, log, link, clock
        self._items: dict[str, Item] = {}
        self._pool = ComparisonPool(storage)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, traceback)

    def begin(self, item: Item, augmented: RunLayout) -> None:
        """`augmented` is the run that the clip's augmented videos lie in."""
        key = item.clip.key
        self._items[key] = item
        made = stage_outputs(augmented, Stage.AUGMENTED_VIDEOS, item.draws)
        self._pool.submit(
            key,
            [
                (item.clip.url, url / AUGMENTED_VIDEO_FILE, self._layout.comparison(draw.name))
                for url, draw in zip(made, item.draws, strict=True)
            ],
        )

    def collect(self) -> None:
        """Records what is rendered by now, and what cannot be."""
        for key, rendered in self._pool.take_ended():
            if isinstance(rendered, Failed):
                reason = f"the side-by-side video could not be rendered: {rendered.reason}"
                self._failures.add(key, {Rendered.COMPARISONS}, reason)
                continue
            self._log_event(
                comparison_materialization(
                    self._asset_key,
                    self._items[key],
                    layout=self._layout,
                    comparisons=rendered,
                    link=self._link,
                )
            )
            for one in rendered:
                if one.problem:
                    self._log(Line(key, f"a picture instead of a side-by-side video lies at {one.url}: {one.problem}"))
            self._log(Line(key, "comparisons rendered"))

    def finish(self) -> None:
        """Waits until all are rendered, and says every few minutes how many are not."""
        pace = Pace()
        heartbeat = Heartbeat(pace, self._clock)
        while left := self._pool.wait(pace.heartbeat_seconds):
            self.collect()
            if heartbeat.is_due():
                self._log.at_once(f"being rendered: side-by-side videos of {counted(left, 'clip')}")

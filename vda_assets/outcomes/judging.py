"""Judges what stages left in processes of their own: the loop that watches the pool goes on meanwhile, and what a
container left takes no more of this machine than it may."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.processes import CallFailed, Processes
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.looks import look_at_stage, without_looks
from vda_assets.outcomes.stage import judge_stage
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.storage.access import Storage
from vda_assets.storage.layout import RunLayout

_AT_ONCE = 2
# What lies in storage has limits of its own; storage itself may be waited for, for half an hour.
JUDGE_SECONDS = 2400.0
JUDGE_BYTES = 2 << 30
# A picture is worth less: whatever it takes beyond this, the output is recorded without.
LOOK_SECONDS = 120.0
LOOK_MEMORY_BYTES = 1 << 30


class Judging:
    """A context manager; leaving it ends what is being judged."""

    def __init__(self, storage: Storage, cookbook: Cookbook, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._storage, self._cookbook = storage, cookbook
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="judging")
        self._processes = Processes(seconds=JUDGE_SECONDS, memory_bytes=JUDGE_BYTES)
        self._looking = Processes(seconds=look_seconds, memory_bytes=LOOK_MEMORY_BYTES)

    def __enter__(self) -> Self:
        self._processes.__enter__()
        self._looking.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._processes.__exit__(kind, error, traceback)
        self._looking.__exit__(kind, error, traceback)

    def begin(
        self, work: ClipWork, stage: Stage, *, layout: RunLayout, seen: ClipInfo, parent: Verdict | None
    ) -> Future[list[Judgement]]:
        """The judgements that `judge_stage` makes, with a look at what they are on where one can be had. The future
        raises what that does, or CallFailed."""
        judge = partial(
            judge_stage, self._storage, work, stage, layout=layout, seen=seen, cookbook=self._cookbook, parent=parent
        )
        return self._threads.submit(
            self._judge, judge, partial(look_at_stage, self._storage, work, stage, layout=layout)
        )

    def _judge(
        self, judge: Callable[[], list[Judgement]], look: Callable[[list[Judgement]], list[Judgement]]
    ) -> list[Judgement]:
        judgements = self._processes.call(judge)
        try:
            return self._looking.call(look, judgements)
        except CallFailed as error:
            return without_looks(judgements, str(error))
        except Exception as error:  # noqa: BLE001 - no surprise of a picture takes the output with it
            return without_looks(judgements, f"{type(error).__name__}: {error}")

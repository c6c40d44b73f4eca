"""What completed is judged beside the loop that watches the pool, and recorded clip by clip as each judgement comes."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Timer
from typing import Any

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.cookbooks.draw import Draw
from vda_assets.datasets.clips import Clip
from vda_assets.dispatch.accounting import NOTHING_KNOWN
from vda_assets.flows.planning import Item
from vda_assets.flows.processes import CallFailed
from vda_assets.flows.selection import FLOWS
from vda_assets.flows.stages import Stage
from vda_assets.flows.work import ClipWork
from vda_assets.media.probe import ClipInfo
from vda_assets.outcomes.judging import Judging
from vda_assets.outcomes.verdict import Judgement, Verdict
from vda_assets.runs.recording.failures import Failures
from vda_assets.runs.recording.recorder import Recorder
from vda_assets.storage.errors import TemporarilyUnavailable
from vda_assets.storage.layout import RunLayout

ACCEPTED = [Judgement(Verdict.ACCEPTED, facts={"size_bytes": 1, "files": 1})]
REJECTED = [Judgement(Verdict.REJECTED, ("too dark",), facts={"size_bytes": 1, "files": 1})]


class Judge(Judging):
    """Judges when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[tuple[str, Stage], Future[list[Judgement]]] = {}
        self.parents: dict[str, Verdict | None] = {}

    def begin(self, work: ClipWork, stage: Stage, **known: Any) -> Future[list[Judgement]]:
        self.parents[work.clip.key] = known["parent"]
        return self.asked.setdefault((work.clip.key, stage), Future())


@dataclass
class Desk:
    folder: Path
    judge: Judge = field(default_factory=Judge)
    made: list[str] = field(default_factory=list)
    ended: list[tuple[str, Stage]] = field(default_factory=list)
    owned: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dataset = Dataset(url=f"file://{self.folder}/datasets/demo", deployment="local")
        self.layout = RunLayout(dataset.storage_url, dataset.name, "run-00000001")
        self.failures = Failures(print, lambda key, _, failure: self.owned.update({key: failure.is_own}))
        self.recorder = Recorder(
            dataset=dataset,
            price=None,
            comparisons=None,
            judging=self.judge,
            failures=self.failures,
            log_event=self._log,
            log=print,
            link=lambda _: None,
            ended=lambda key, stage: self.ended.append((key, stage)),
        )
        self.works = {key: self._expect(key, dataset) for key in ("a.mp4", "b.mp4")}

    def completes(self, key: str, stage: Stage) -> None:
        self.recorder.stage_completed(self.works[key], stage, layout=self.layout, workflow_id="w", usage=NOTHING_KNOWN)

    def _expect(self, key: str, dataset: Dataset) -> ClipWork:
        clip = Clip(key, dataset.dataset_url / key, 1, "v1", 0.0)
        draws = (Draw(clip.video, 0, {}, 1, 2),)
        item = Item(clip, draws, {stage: {} for stage in Stage})
        info = ClipInfo(64, 64, 0, Fraction(25), False, 10, 0.4, "h264", "yuv420p", False, "mp4")
        self.recorder.expect({key: item}, seen={key: info}, verdicts={}, rejected={})
        return ClipWork(clip, FLOWS["e2e"], draws, {})

    def _log(self, event: dg.AssetMaterialization | dg.AssetObservation) -> None:
        self.made.append(f"{event.partition} {event.asset_key.path[-1]}")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_clip_that_is_judged_for_long_keeps_no_other_waiting(desk: Desk) -> None:
    desk.completes("a.mp4", Stage.ORIGINAL_LABELS)
    desk.completes("b.mp4", Stage.ORIGINAL_LABELS)
    desk.judge.asked["b.mp4", Stage.ORIGINAL_LABELS].set_result(ACCEPTED)
    desk.recorder.while_waiting()
    assert desk.made == ["b.mp4 original_labels"]
    assert set(desk.recorder.being_recorded) == {"a.mp4"}


def test_labels_are_judged_once_it_is_known_what_their_clip_is_worth(desk: Desk) -> None:
    desk.completes("a.mp4", Stage.AUGMENTED_VIDEOS)
    desk.completes("a.mp4", Stage.AUGMENTED_LABELS)
    assert list(desk.judge.asked) == [("a.mp4", Stage.AUGMENTED_VIDEOS)]
    desk.judge.asked["a.mp4", Stage.AUGMENTED_VIDEOS].set_result(REJECTED)
    desk.recorder.while_waiting()
    assert desk.judge.parents["a.mp4"] is Verdict.REJECTED
    desk.judge.asked["a.mp4", Stage.AUGMENTED_LABELS].set_result(ACCEPTED)
    desk.recorder.while_waiting()
    assert desk.made == ["a.mp4 augmented_videos", "a.mp4 augmented_labels"]
    assert desk.ended == [("a.mp4", Stage.AUGMENTED_VIDEOS), ("a.mp4", Stage.AUGMENTED_LABELS)]


@pytest.mark.parametrize(
    ("error", "is_own"),
    [
        (CallFailed("it took longer than 2400 seconds"), True),
        (MemoryError(), True),
        (ValueError("of any kind"), True),
        (TemporarilyUnavailable("s3://b/k", "is away"), False),
    ],
)
def test_what_cannot_be_judged_fails_alone(desk: Desk, error: Exception, is_own: bool) -> None:
    desk.completes("a.mp4", Stage.ORIGINAL_LABELS)
    desk.completes("a.mp4", Stage.AUGMENTED_VIDEOS)
    desk.judge.asked["a.mp4", Stage.ORIGINAL_LABELS].set_exception(error)
    desk.recorder.while_waiting()
    desk.judge.asked["a.mp4", Stage.AUGMENTED_VIDEOS].set_result(ACCEPTED)
    desk.recorder.while_waiting()
    (reason,) = desk.failures.reasons.values()
    assert reason.startswith(f"it could not be judged: {type(error).__name__}")
    assert desk.owned == {"a.mp4": is_own}
    assert desk.made == ["a.mp4 augmented_videos"]


def test_the_end_waits_for_what_is_being_judged(desk: Desk) -> None:
    for key in desk.works:
        desk.completes(key, Stage.ORIGINAL_LABELS)
        Timer(0.2, desk.judge.asked[key, Stage.ORIGINAL_LABELS].set_result, (ACCEPTED,)).start()
    desk.recorder.finish()
    assert sorted(desk.made) == ["a.mp4 original_labels", "b.mp4 original_labels"]
    assert not desk.recorder.being_recorded

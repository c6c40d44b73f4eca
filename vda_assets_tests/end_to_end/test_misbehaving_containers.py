"""`vda run` with containers that misbehave, each clip's in its own way: what the user is told, and what is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.spoiling import heal, use_spoiling_container
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving

LABELS, VIDEOS = "original_labels", "augmented_videos"
FOLDERS = {LABELS: "pseudo_labeled/{}", VIDEOS: "augmented/{}_aug0"}
# Longer than any other container needs to start on a machine that does much else.
SILENCE_SECONDS = 40

# Clip, named after what its container does -> facts of which each is in the line that `vda run` says it with.
FAILED_VIDEOS = {
    "leaves_nothing": ("exit code 70", "augmented_video.mp4", "guardrail: the prompt is blocked; skipped"),
    "crashes_before_writing": ("exit code 3", "CUDA error"),
    "keeps_silent": ("exit code 75", f"{SILENCE_SECONDS} seconds", "loading the checkpoint"),
    "fills_the_disk": ("exit code 73", "augmented_video.mp4", "[Errno 27]", "resources.augmentation"),
}
JUDGED_VIDEOS = {
    "crashes_after_writing": ("unverified", "exited with 3", "CUDA error"),
    "leaves_no_metadata": ("unverified", "metadata.json"),
    "checks_two_attempts": ("unverified", "attempts", "[1, 2]"),
    "has_no_checks": ("unverified", "hallucination_check", "attribute_verification"),
    "invents_motion": ("rejected", "hallucination_check", "0.4", "0.682"),
    "behaves": ("accepted",),
}
FAILED_LABELS = {
    "labels_nothing": ("exit code 70", "config.yaml", "sidecars/pipeline_status.json", "raw/*"),
}
JUDGED_LABELS = {
    "drops_an_answer": ("degraded", "2_1", "'What is the weather?'", "task/"),
    "drops_tracking": ("degraded", "config.yaml", "tracking", "class names"),
    "finds_no_vlm": ("degraded", "VLM", "LLM", "vlm_call_failed"),
    "degrades_a_step": ("degraded", "vlm_json", "reported_failure"),
    "labels_well": ("accepted",),
}


@dataclass(frozen=True)
class Bad:
    """A world whose containers misbehave until they are healed, and its first run, which asked for one output."""

    world: World
    output: str
    run: CompletedProcess[str]

    def folder(self, clip: str) -> Path:
        """Where the first run left the clip's output."""
        run_id = self.log_lines[0].partition(":")[0]
        return self.world.outputs / run_id / "outputs" / FOLDERS[self.output].format(clip)

    def line_of(self, clip: str) -> str:
        """The one line that was said of what became of the clip's output."""
        (line,) = [line for line in self.log_lines if line.startswith(f"{clip}.mp4: {self.output} ")]
        return line.removeprefix(f"{clip}.mp4: {self.output} ")

    @property
    def log_lines(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.run.stdout.splitlines()]


def run(world: World, output: str) -> CompletedProcess[str]:
    return world.vda("run", "--dataset", DATASET, "--select", output)


@pytest.fixture(scope="module", params=[VIDEOS, LABELS])
def bad(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    world = make_world(tmp_path_factory.mktemp("world"))
    use_spoiling_container(world, silence_seconds=SILENCE_SECONDS)
    clip = cut(world.folder / "clip.mp4", frames=12)
    for name in (*failed(request.param), *judged(request.param)):
        shutil.copyfile(clip, world.clips / f"{name}.mp4")
    with serving(world):
        yield Bad(world, request.param, run(world, request.param))


def failed(output: str) -> dict[str, tuple[str, ...]]:
    return FAILED_VIDEOS if output == VIDEOS else FAILED_LABELS


def judged(output: str) -> dict[str, tuple[str, ...]]:
    """Each clip's verdict is the first of its facts."""
    return JUDGED_VIDEOS if output == VIDEOS else JUDGED_LABELS


def verdicts(done: CompletedProcess[str]) -> dict[str, str]:
    """Clip -> verdict, and whether it was finished before, from the lines at the end."""
    parts = [line.split("  ") for line in done.stdout.splitlines() if line.startswith((f"{LABELS}  ", f"{VIDEOS}  "))]
    return {clip.removesuffix(".mp4"): "  ".join([verdict, *before]) for _, clip, verdict, _, *before in parts}


def missing(facts: Iterable[str], line: str) -> list[str]:
    return [fact for fact in facts if fact not in line]


def test_every_failure_is_its_own_clips_and_says_what_is_missing_and_why(bad: Bad) -> None:
    assert bad.run.returncode == 1
    for clip, facts in failed(bad.output).items():
        line = bad.line_of(clip)
        assert line.startswith("FAILED: task ")
        assert not missing(facts, line), line
        assert f"{clip}.mp4 {bad.output}: task " in bad.run.stderr
    count = len(failed(bad.output))
    assert f"FAILED: {count} of {count + len(judged(bad.output))} " in bad.run.stderr


def test_every_verdict_is_its_own_clips_and_comes_with_its_reason_and_what_to_do(bad: Bad) -> None:
    assert verdicts(bad.run) == {clip: verdict for clip, (verdict, *_) in judged(bad.output).items()}
    for clip, (verdict, *facts) in judged(bad.output).items():
        line = bad.line_of(clip)
        assert line.split()[0] == verdict
        assert not missing(facts, line), line
        assert ("delete file://" in line, str(bad.folder(clip)) in line) == (bool(facts), bool(facts)), line


def test_what_was_made_is_kept_as_evidence(bad: Bad) -> None:
    whole = {path.parent.name for path in bad.world.outputs.glob("run-*/outputs/*/*/outcome.json")}
    assert whole == {bad.folder(clip).name for clip in judged(bad.output)}
    if bad.output == VIDEOS:
        for clip in ("leaves_no_metadata", "crashes_after_writing", "invents_motion"):
            assert (bad.folder(clip) / "augmented_video.mp4").stat().st_size > 0
        score = json.loads((bad.folder("invents_motion") / "metadata.json").read_text())["hallucination_check"]["score"]
        assert score == 0.4


def test_once_healed_only_what_failed_is_made_anew_and_what_was_deleted(bad: Bad) -> None:
    heal(bad.world)
    deleted = next(clip for clip, (verdict, *_) in judged(bad.output).items() if verdict != "accepted")
    shutil.rmtree(bad.folder(deleted))

    again = run(bad.world, bad.output)

    assert again.returncode == 0, again.stdout + again.stderr
    kept = {clip: f"{verdict}  (finished before)" for clip, (verdict, *_) in judged(bad.output).items()}
    assert verdicts(again) == kept | dict.fromkeys(failed(bad.output), "accepted") | {deleted: "accepted"}

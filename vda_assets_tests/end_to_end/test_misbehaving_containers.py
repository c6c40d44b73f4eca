"""`vda run` with containers that misbehave, each clip's in its own way: what the user is told, and what is left."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.spoiling import heal, use_spoiling_container
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving

LABELS, VIDEOS = "original_labels", "augmented_videos"
FOLDERS = {LABELS: "pseudo_labeled/{}", VIDEOS: "augmented/{}_aug0"}

# Clip, named after what its container does -> what `vda run` says: of a failure the reason, of a verdict all of it.
FAILED_VIDEOS = {
    "leaves_nothing": "exit code 70, .*; the container exited 0 but left out augmented_video.mp4; "
    "the last it said: guardrail: the prompt is blocked; skipped",
    "crashes_before_writing": "exit code 3, .*; the container exited with 3; the last it said: CUDA error",
    "keeps_silent": r"exit code 75, .*; the container was killed: it printed nothing for 10 seconds; "
    "the last it said: loading the checkpoint",
    "fills_the_disk": "exit code 73, .*; the disk is full: the container exited 0 but left out augmented_video.mp4, "
    r"and had said: .*\[Errno 27\] File too large.*; give resources.augmentation of the deployment more storage",
}
JUDGED_VIDEOS = {
    "crashes_after_writing": ("unverified", ".*: the container exited with 3; the last it said: CUDA error.*"),
    "leaves_no_metadata": ("unverified", "no readable metadata.json"),
    "checks_two_attempts": ("unverified", r"its checks belong to different attempts: \[1, 2\]"),
    "has_no_checks": ("unverified", "hallucination_check did not run; attribute_verification did not run"),
    "invents_motion": ("rejected", "hallucination_check failed: score 0.4, at least 0.682 is needed"),
    "behaves": ("accepted", ""),
}
FAILED_LABELS = {
    "labels_nothing": "exit code 70, .*; the container exited 0 but left out config.yaml, "
    r"sidecars/pipeline_status.json, raw/\*",
}
JUDGED_LABELS = {
    "drops_an_answer": ("degraded", "question 2_1 'What is the weather\\?' is not answered in task/, though .*"),
    "drops_tracking": ("degraded", ".*config.yaml asks for tracking, but it did not run: check the class names .*"),
    "finds_no_vlm": ("degraded", ".*none is answered: check the VLM and the LLM; .*vlm_call_failed.*"),
    "degrades_a_step": (
        "degraded",
        ".*step vlm_json is degraded \\(reported_failure\\); the labels were made without it",
    ),
    "labels_well": ("accepted", ""),
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

    @property
    def log_lines(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.run.stdout.splitlines()]


def run(world: World, output: str) -> CompletedProcess[str]:
    return world.vda("run", "--dataset", DATASET, "--select", output)


@pytest.fixture(scope="module", params=[VIDEOS, LABELS])
def bad(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    world = make_world(tmp_path_factory.mktemp("world"))
    use_spoiling_container(world, silence_seconds=10)
    clip = cut(world.folder / "clip.mp4", frames=12)
    for name in (*failed(request.param), *judged(request.param)):
        shutil.copyfile(clip, world.clips / f"{name}.mp4")
    with serving(world):
        yield Bad(world, request.param, run(world, request.param))


def failed(output: str) -> dict[str, str]:
    return FAILED_VIDEOS if output == VIDEOS else FAILED_LABELS


def judged(output: str) -> dict[str, tuple[str, str]]:
    return JUDGED_VIDEOS if output == VIDEOS else JUDGED_LABELS


def verdicts(done: CompletedProcess[str]) -> dict[str, str]:
    """Clip -> verdict, and whether it was finished before, from the lines at the end."""
    pattern = re.compile(r"(?:original_labels|augmented_videos)  (\S+)\.mp4  (\w+)  file://\S+(.*)")
    found = [match for line in done.stdout.splitlines() if (match := pattern.fullmatch(line))]
    return {clip: verdict + before for clip, verdict, before in (match.groups() for match in found)}


def test_every_failure_is_its_own_clips_and_says_what_is_missing_and_why(bad: Bad) -> None:
    assert bad.run.returncode == 1
    for clip, reason in failed(bad.output).items():
        pattern = re.compile(rf"{clip}\.mp4: {bad.output} FAILED: task \w+_0 ended FAILED: {reason}.*")
        assert sum(bool(pattern.fullmatch(line)) for line in bad.log_lines) == 1, bad.run.stdout
        assert f"{clip}.mp4 {bad.output}: task " in bad.run.stderr
    count = len(failed(bad.output))
    assert f"FAILED: {count} of {count + len(judged(bad.output))} outputs failed: " in bad.run.stderr


def test_every_verdict_is_its_own_clips_and_comes_with_its_reason_and_what_to_do(bad: Bad) -> None:
    assert verdicts(bad.run) == {clip: verdict for clip, (verdict, _) in judged(bad.output).items()}
    for clip, (verdict, reason) in judged(bad.output).items():
        advice = rf" \({reason}\); to make it anew, delete file://{bad.folder(clip)} and run again" if reason else ""
        pattern = re.compile(rf"{clip}\.mp4: {bad.output} {verdict}{advice}")
        assert sum(bool(pattern.fullmatch(line)) for line in bad.log_lines) == 1, bad.run.stdout


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
    deleted = next(clip for clip, (verdict, _) in judged(bad.output).items() if verdict != "accepted")
    shutil.rmtree(bad.folder(deleted))

    again = run(bad.world, bad.output)

    assert again.returncode == 0, again.stdout + again.stderr
    kept = {clip: f"{verdict}  (finished before)" for clip, (verdict, _) in judged(bad.output).items()}
    assert verdicts(again) == kept | dict.fromkeys(failed(bad.output), "accepted") | {deleted: "accepted"}

"""What the pages show of a command is what it says, in the world that they tell of."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from vda_assets.osmo.statuses import TaskStatus
from vda_assets_tests.end_to_end.documented import differs, shown_commands
from vda_assets_tests.end_to_end.world import REPOSITORY, World, free_port, running, serving, wait_for_answer
from vda_assets_tests.osmo.in_memory_rows import Fate, Try
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.simulated_runs import SimulatedRuns, simulated_runs, varied
from vda_assets_tests.telemetry.page import values

# What a page shows of something that is not here.
ELSEWHERE = {
    "vda trace 2026-11/labels/mot/gate-1f3c9a2b-aug0/gt/gt.txt": "a real model; tried in publishing/test_trace.py",
    "vda osmo-local exec -- vda run --dataset dock --flow e2e": "stand-ins that render what is drawn",
    "vda osmo-local serve": "its services; tried in test_commands.py",
    "vda datasets fetch-demo": "the public hub; tried with a stand-in in cli/test_fetch_demo.py",
    "vda backfill --dataset street --cover --limit 2 --dry-run": "accepted clips; tried in test_covering.py",
    "vda preflight --dataset yard --flow e2e": "a cluster",
}
FAILING = ("clip002", "clip003")


def fate(one: Try) -> Fate:
    if any(video in word for word in one.task.args for video in FAILING):
        log = ("vda_worker: FAILED: the container exited with 3",)
        return replace(varied(one), status=TaskStatus.FAILED, exit_code=3, log=log)
    return varied(one)


@dataclass
class Told:
    """The world that the pages tell of, and what was shown of it so far."""

    world: World
    shown: dict[tuple[str, str], list[str]]

    def check(self, page: str, command: str, *, said: str | None = None) -> None:
        shown = self.shown[page, command].pop(0)
        if said is None:
            home = self.world.folder
            arguments = [word.replace("~", str(home), 1) for word in shlex.split(command)[1:]]
            done = self.world.vda(*arguments)
            said = done.stdout + done.stderr
        assert not (different := differs(shown, said, home=self.world.folder)), f"{page}: $ {command}\n{different}"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, quick_results: Path) -> Iterator[Told]:
    """One clip is made, one rejected, one failed, one failed alike twice, one is not sure, and two wait."""
    with simulated_runs(tmp_path_factory.mktemp("told"), quick_results, clips=7, script=fate, flow="e2e") as runs:
        yield _told(runs)


def _told(runs: SimulatedRuns) -> Told:
    shown: dict[tuple[str, str], list[str]] = {}
    for page, command, output in shown_commands():
        shown.setdefault((page, command), []).append(output)
    runs.rejects = lambda name: name.startswith("clip001")
    runs.ask_by_command(["clip003.mp4"])
    runs.ask_by_command([f"clip{number:03d}.mp4" for number in range(5)])
    deployment = runs.world.folder / "assets_cfg/deployments/local.yaml"
    change_yaml(deployment, lambda one: one.update(price={"gpu_hour": 2.5, "currency": "EUR"}))
    return Told(runs.world, shown)


def test_commands_about_what_was_made_say_what_the_pages_show(told: Told) -> None:
    late = told.world.clips / "night/late show.mp4"
    late.parent.mkdir()
    shutil.copyfile(told.world.clips / "clip000.mp4", late)
    told.check("add-a-dataset.md", "vda videos --dataset street")
    late.unlink()
    told.check("run-and-automate.md", "vda status --dataset street")
    told.check("report.md", "vda report --dataset street")
    told.check("run-and-automate.md", "vda status --dataset street --failed")


def test_commands_about_clips_and_cookbooks_say_what_the_pages_show(told: Told) -> None:
    cookbook = told.world.folder / "my-cookbooks/loading_dock"
    shutil.copytree(REPOSITORY / "assets_cfg/cookbooks/warehouse", cookbook)
    change_yaml(cookbook / "workflow_config.yaml", lambda one: one["augmentation"].update(n_augmentations=2))
    plan_for = told.world.clips.parent / "dock"
    plan_for.mkdir()
    for name in ("bay.mp4", "ramp.mp4"):
        shutil.copyfile(told.world.clips / "clip000.mp4", plan_for / name)
    datasets = told.world.folder / "assets_cfg/datasets"
    shutil.copyfile(datasets / "street.yaml", datasets / "dock.yaml")
    change_yaml(datasets / "dock.yaml", lambda one: one.update(url=one["url"].replace("street", "dock")))
    change_yaml(datasets / "dock.yaml", lambda one: one.update(cookbook=str(cookbook)))
    told.check("add-a-dataset.md", "vda datasets")
    (datasets / "x.yaml").write_text("url: s3://bucket/clips\ndeployment: local\n")
    told.check("add-a-dataset.md", "vda datasets")
    (datasets / "x.yaml").unlink()
    told.check("write-a-cookbook.md", "vda cookbook plan --dataset dock")

    labeling = cookbook / "auto_labeling"
    config, bank = labeling / "auto_labeling_config.yaml", labeling / "question_bank.json"
    config.write_text(config.read_text().replace("person", "forklift", 1))
    bank.write_text(bank.read_text().replace('"majority"', '"most"', 1))
    told.check("write-a-cookbook.md", "vda cookbook check ~/my-cookbooks/loading_dock")
    config.write_text(config.read_text().replace("forklift", "person", 1))
    bank.write_text(bank.read_text().replace('"most"', '"majority"', 1))


def test_what_clips_are_taken_and_let_go_is_said_as_the_page_shows(told: Told) -> None:
    with told.world.instance() as instance:
        instance.add_dynamic_partitions("street_videos", ["broken.mp4"])
    told.check("add-a-dataset.md", "vda forget --dataset street broken.mp4")

    clips = told.world.folder / "clips"
    (clips / "night").mkdir(parents=True)
    for name in ("street.mp4", "night/gate.mkv"):
        shutil.copyfile(told.world.clips / "clip000.mp4", clips / name)
    for name in ("hall.webm", "hall2.webm", "hall3.webm", "empty.mp4"):
        (clips / name).touch()
    (clips / "gate.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    told.check("add-a-dataset.md", "vda upload street clips")


def test_commands_that_ask_osmo_say_what_the_pages_show(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(told.world):
        told.check("run-and-automate.md", "vda backfill --dataset street --limit 2 --dry-run")
        told.check("run-and-automate.md", "vda retry --dataset street")
        before = {path.name for path in told.world.runs()}
        with monkeypatch.context() as asked:
            asked.setenv("VDA_LOG_FORMAT", "json")
            done = told.world.vda("run", "--dataset", "street", "--video", "clip005.mp4", "--flow", "e2e")
        check_log(done.stderr)
        told.check("run-and-automate.md", "vda run --dataset street --flow e2e", said=done.stdout)
        told.check("run-and-automate.md", "vda runs --dataset street")
        (run,) = {path.name for path in told.world.runs()} - before
        said = told.world.vda("mirror", "--dataset", "street", "--run-id", run).stdout
        told.check("run-and-automate.md", "vda mirror --dataset street --run-id run-1829e9b7", said=said)


def check_log(text: str) -> None:
    """Each line of a run's log is an object, and those about the clip say so."""
    lines = [json.loads(line) for line in text.splitlines()]
    of_clip = [line for line in lines if line.get("clip") == "clip005.mp4"]
    (submitted,) = [line for line in of_clip if "submitted workflow" in line["message"]]
    assert submitted["message"].startswith(f"clip005.mp4: submitted workflow {submitted['workflow']} (")
    assert submitted["dataset"] == "street"
    assert submitted["run"].startswith(submitted["run_id"].removeprefix("run-"))
    judged = {line["message"].split()[1] for line in of_clip if line.get("workflow") == submitted["workflow"]}
    assert judged >= {"original_labels", "augmented_videos", "augmented_labels"}


def test_the_exporter_says_what_the_page_shows_and_serves_what_it_reads(told: Told) -> None:
    port, log = free_port(), told.world.folder / "metrics.log"
    with running(told.world, "metrics", "--port", str(port), log=log.name) as process:
        wait_for_answer(f"http://127.0.0.1:{port}/health", process, log=log)
        page = values(httpx.get(f"http://127.0.0.1:{port}/metrics").content)
    assert {name for (name, source), up in page["vda_up"].items() if up} >= {"books", "file://"}
    assert page["vda_outputs_total"]["street", "augmented_videos", "rejected"] == 0, "it counts from its start on"
    said = next(line for line in log.read_text().splitlines() if line.startswith("metrics at"))
    told.check("monitor.md", "vda metrics", said=said)


def test_a_release_says_what_the_page_shows(told: Told) -> None:
    told.check("release.md", "vda release --dataset street --with-stand-ins --dry-run")


def test_every_output_that_a_page_shows_was_looked_at(told: Told) -> None:
    assert {command for (_, command), left in told.shown.items() if left} == set(ELSEWHERE)

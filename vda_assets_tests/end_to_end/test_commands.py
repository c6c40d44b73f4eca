"""The commands around a run, and what downstream assets get from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.io_managers import OutputReference
from vda_assets.datasets.clips import Clip
from vda_assets.project import load_project
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import DATASET, World, wait_for
from vda_assets_tests.quick_results import change_yaml


@pytest.fixture(scope="module")
def finished(world: World) -> World:
    deployment = world.folder / "assets_cfg/deployments/local.yaml"
    # One for each second of a GPU.
    change_yaml(deployment, lambda one: one.update(price={"gpu_hour": 3600, "currency": "EUR"}))
    cut(world.clips / "street.mp4", frames=20)
    cut(world.clips / "night" / "late show.mp4", start=120, frames=20)
    done = world.vda("run", "--dataset", DATASET, "--video", "street", "--flow", "augmentation_and_al")
    assert done.returncode == 0, done.stdout + done.stderr
    return world


def test_videos_are_listed_with_what_each_has(finished: World) -> None:
    header, *rows = finished.vda("videos", "--dataset", DATASET).stdout.splitlines()
    table = {row.split("\t")[0]: dict(zip(header.split("\t"), row.split("\t"), strict=True)) for row in rows}
    assert set(table) == {"street.mp4", "night=2Flate=20show.mp4"}
    assert table["street.mp4"]["augmented_videos"] in {"accepted", "rejected"}
    assert table["street.mp4"]["original_labels"] == "-"
    assert table["night=2Flate=20show.mp4"]["augmented_videos"] == "-"


def test_status_says_of_each_output_what_became_of_it(finished: World) -> None:
    shown = finished.vda("status", "--dataset", DATASET, "--video", "street")
    header, *rows = shown.stdout.splitlines()
    assert header.split("\t") == ["clip", "output", "state", "age", "reason"]
    states = {row.split("\t")[1]: row.split("\t")[2] for row in rows}
    assert states["original_labels"] == "missing"
    assert states["augmented_videos"] in {"accepted", "rejected"}
    listed = json.loads(finished.vda("status", "--dataset", DATASET, "--json").stdout)
    assert len(listed) == 8
    assert {one["clip"] for one in listed if one["at"]} == {"street.mp4"}
    assert finished.vda("status", "--dataset", DATASET, "--failed").stdout.splitlines() == [header]


def test_runs_says_what_each_run_made_and_took(finished: World) -> None:
    (run,) = json.loads(finished.vda("runs", "--dataset", DATASET, "--json").stdout)
    assert run["run"] in {path.name for path in finished.runs()}
    assert (run["dataset"], run["flow"], run["status"], run["clips"]) == (DATASET, "augmentation_and_al", "success", 1)
    assert sum(run["made"].values()) == 3
    assert 0 < run["gpu_hours"] * 3600 < 2 * run["seconds"]
    assert run["cost"]["EUR"] == pytest.approx(3600 * run["gpu_hours"], rel=0.01)
    shown = finished.vda("runs")
    header, row = (line.split("\t") for line in shown.stdout.splitlines())
    assert dict(zip(header, row, strict=True))["run"] == run["run"]
    assert shown.stderr.startswith("1 run: ")


def test_each_stage_says_as_numbers_what_it_took(finished: World) -> None:
    with finished.instance() as instance:
        for stage in ("augmented_videos", "augmented_labels"):
            made = instance.get_latest_materialization_event(dg.AssetKey([DATASET, stage])).asset_materialization
            metadata = {name: value.value for name, value in made.metadata.items()}
            assert metadata["gpu_seconds"] == metadata["run_seconds"] > 0
            assert metadata["queue_seconds"] > 0
            assert metadata["tries"] == 1


def test_preflight_finds_everything_ready_and_says_how_long_it_takes(finished: World) -> None:
    done = finished.vda("preflight", "--dataset", DATASET, "--flow", "e2e")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   pool: default is ONLINE" in done.stdout
    assert "ok   platform: cpu-stand-in, the only one of its pool" in done.stdout
    assert "2 clips at file://" in done.stdout
    assert "ok   nodes: pool default, platform cpu-stand-in has 1, and a worker fits on one" in done.stdout
    assert f"ok   writing: file://{finished.outputs} takes results" in done.stdout
    assert "ok   workflow: OSMO would take that of night/late show.mp4" in done.stdout
    assert "Time overview for 2 clips" in done.stdout
    assert "STOP" not in done.stdout


def test_preflight_stops_with_the_one_thing_to_provide(finished: World) -> None:
    path = finished.folder / "assets_cfg/deployments/local.yaml"
    good = path.read_text()
    path.write_text(good.replace("pool: default", "pool: h100"))
    try:
        checked = finished.vda("preflight", "--dataset", DATASET)
        run = finished.vda("run", "--dataset", DATASET)
    finally:
        path.write_text(good)
    assert checked.returncode == 1
    assert "USER_INPUT_REQUIRED: osmo.pool 'h100' does not exist; this login may use: default" in checked.stderr
    assert run.returncode == 1
    assert "FAILED: USER_INPUT_REQUIRED: osmo.pool 'h100' does not exist" in run.stderr


def test_a_rendered_workflow_is_accepted_by_osmo(finished: World) -> None:
    done = finished.vda("render", "--dataset", DATASET, "--video", "street.mp4", "--flow", "e2e")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["workflow"]["name"].startswith("vda-")
    answer = httpx.post(
        f"{finished.osmo_url}/api/pool/default/workflow",
        params={"validation_only": "True"},
        json={"file": done.stdout},
        headers=finished.login,
    )
    assert answer.json()["logs"] == "Workflow validation succeeded.", answer.text


def test_a_rendered_workflow_takes_what_is_not_selected_from_the_run_that_made_it(finished: World) -> None:
    before = finished.workflows()
    done = finished.vda("render", "--dataset", DATASET, "--video", "street.mp4", "--select", "augmented_labels")
    assert done.returncode == 0, done.stderr
    (run,) = finished.runs()
    (group,) = yaml.safe_load(done.stdout)["workflow"]["groups"]
    (task,) = group["tasks"]
    assert task["inputs"][1]["url"] == f"file://{run}/outputs/augmented/street_aug0"
    assert finished.runs() == [run]
    assert finished.workflows() == before


def test_what_a_run_would_refuse_is_not_rendered_and_for_the_same_reason(finished: World) -> None:
    asked = ("--dataset", DATASET, "--video", "night=2Flate=20show.mp4")
    rendered = finished.vda("render", *asked, "--select", "original_labels", "--select", "augmented_labels")
    reason = "there are no augmented_videos of this clip yet; select augmented_videos as well"
    assert rendered.returncode == 1
    assert rendered.stderr == f"left out: night/late show.mp4 augmented_labels: {reason}\n"
    (group,) = yaml.safe_load(rendered.stdout)["workflow"]["groups"]
    assert [task["name"] for task in group["tasks"]] == ["pl_original_worker_0"]
    run = finished.vda("run", *asked, "--select", "augmented_labels")
    assert run.returncode == 1
    assert f"augmented_labels: {reason}" in run.stderr


def test_a_workflow_with_its_setup_is_submitted_by_hand_as_its_first_line_says(finished: World) -> None:
    asked = ("--dataset", DATASET, "--video", "night=2Flate=20show.mp4", "--select", "original_labels")
    rendered = finished.vda("render", *asked, "--with-setup")
    assert rendered.returncode == 0, rendered.stderr
    first, _, _ = rendered.stdout.partition("\n")
    assert first == "# osmo workflow submit THIS_FILE --pool default --priority NORMAL"
    # What that command sends: the file as it is, and nothing that is to be set.
    body = {"file": rendered.stdout, "set_variables": [], "set_string_variables": [], "uploaded_templated_spec": None}
    url = f"{finished.osmo_url}/api/pool/default/workflow"
    checked = httpx.post(url, json=body, params={"validation_only": True}, headers=finished.login)
    assert checked.status_code == 200, checked.text
    sent = httpx.post(url, json=body, params={"priority": "NORMAL"}, headers=finished.login)
    name = sent.raise_for_status().json()["name"]
    wait_for(lambda: finished.workflows().get(name, "RUNNING") not in {"PENDING", "RUNNING"}, name)
    assert finished.workflows()[name] == "COMPLETED"


def test_every_listing_is_one_json_document_for_a_program(finished: World) -> None:
    of = ("--dataset", DATASET)

    def listed(*command: str) -> Any:
        done = finished.vda(*command, "--json")
        assert (done.returncode, done.stderr) == (0, ""), command
        return json.loads(done.stdout)

    assert [one["dataset"] for one in listed("datasets")] == [DATASET]
    assert {one["clip"]: one["outputs"]["original_labels"] for one in listed("videos", *of)} == {
        "street.mp4": None,
        "night=2Flate=20show.mp4": None,
    }
    assert {one["status"] for one in listed("runs", *of)} <= {"success", "failure"}
    assert {one["clip"] for one in listed("status", *of, "--video", "street")} == {"street.mp4"}
    assert {one["sampled_vars"]["weather"] for one in listed("cookbook", "plan", *of)} <= {"clear", "overcast", "rain"}
    overview = listed("overview", *of, "--flow", "e2e")
    assert (overview["clips"], overview["phases"][-1]["phase"]) == (2, "e2e")
    preflight = listed("preflight", *of, "--flow", "e2e")
    assert {finding["level"] for finding in preflight["findings"]} <= {"ready", "note", "cold"}
    assert preflight["overview"]["minutes"] == overview["minutes"]
    (unfinished,) = listed("backfill", *of, "--dry-run")["clips"]
    assert unfinished["clip"] == "night=2Flate=20show.mp4"
    assert set(unfinished["outputs"].values()) <= {"missing", "failed"}


def test_help_shows_examples(finished: World) -> None:
    embedded = (["osmo-local", "serve"], ["osmo-local", "exec"])
    for command in (["run"], ["runs"], ["videos"], ["render"], ["preflight"], *embedded):
        done = finished.vda(*command, "--help")
        assert done.returncode == 0
        assert f"vda {' '.join(command)}" in done.stdout.partition("Example")[2]


def test_a_downstream_asset_gets_references_that_were_seen_in_storage(finished: World) -> None:
    given: dict[str, object] = {}
    partitions = dg.DynamicPartitionsDefinition(name="street_videos")

    @dg.asset(
        ins={
            "clip": dg.AssetIn(dg.AssetKey(["street", "source_videos"])),
            "augmented": dg.AssetIn(dg.AssetKey(["street", "augmented_videos"])),
        },
        partitions_def=partitions,
        io_manager_key="vda_io",
        metadata={"dataset": "street"},
    )
    def training_sample(clip: Clip, augmented: OutputReference) -> dict[str, str]:
        given.update(clip=clip, augmented=augmented)
        return {"source": str(clip.url)}

    project = load_project(finished.environment)
    definitions = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[training_sample]))
    job = definitions.resolve_implicit_global_asset_job_def()
    with finished.instance() as instance:
        selection = [training_sample.key]
        done = job.execute_in_process(instance=instance, asset_selection=selection, partition_key="street.mp4")
        assert done.success
        assert given["clip"].path == "street.mp4"
        (folder,) = given["augmented"].urls
        assert (Path("/" + folder.key) / "augmented_video.mp4").exists()
        report = finished.folder / "home/storage/data/reports/training_sample/street.mp4.json"
        assert "street.mp4" in report.read_text()

        (Path("/" + folder.key) / "augmented_video.mp4").unlink()
        failed = job.execute_in_process(
            instance=instance, asset_selection=selection, partition_key="street.mp4", raise_on_error=False
        )
        assert not failed.success
        (event,) = failed.get_step_failure_events()
        assert "augmented_video.mp4 is not there" in event.step_failure_data.error.to_string()


def test_the_embedded_osmo_asks_for_its_token_which_only_its_owner_can_read(finished: World) -> None:
    refused = httpx.get(f"{finished.osmo_url}/api/workflow", params={"all_users": True, "all_pools": True})
    assert refused.status_code == 401
    token = finished.folder / "home/osmo/access_token"
    assert token.stat().st_mode & 0o077 == 0
    said = "".join(path.read_text(errors="replace") for path in finished.folder.glob("*.log"))
    assert token.read_text() not in said


def test_the_shared_assets_are_cheap_checks_that_say_what_they_stand_for(finished: World) -> None:
    definitions = build_definitions(load_project(finished.environment))
    names = [("preflight",), ("nim", "qwen3_vl"), ("nim", "qwen25_14b"), ("model_cache", "cosmos_transfer")]
    with dg.DagsterInstance.ephemeral() as instance:
        done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["local", *name]) for name in names]
        )
    made = {
        event.materialization.asset_key.path[-1]: event.materialization
        for event in done.get_asset_materialization_events()
    }
    assert set(made) == {name[-1] for name in names}
    assert all(one.metadata["stand_in"].value for one in made.values())
    found = {name: [one.data for one in made[name].metadata["findings"].records] for name in ("qwen3_vl", "preflight")}
    assert ["a stand-in that answers no prompt" in one["found"] for one in found["qwen3_vl"]] == [True]
    assert any("default" in one["found"] and "ONLINE" in one["found"] for one in found["preflight"])
    assert "Time overview for 2 clips" in made["preflight"].metadata["time overview"].value

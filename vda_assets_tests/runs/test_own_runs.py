"""Runs that a process of ours executes, as Dagster's books have them afterwards.

What this takes is private of Dagster: when a test fails after an upgrade, the remedy belongs into
`vda_assets/runs/own_runs.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.clips_job import clips_config, clips_job_name
from vda_assets.flows.selection import FLOWS
from vda_assets.project import load_project
from vda_assets.runs.own_runs import execute_job, plan_materializations

REPOSITORY = Path(__file__).parents[2]
MADE = dg.AssetKey("made")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@dg.op
def makes_some(context: dg.OpExecutionContext) -> None:
    plan_materializations(context, [MADE], ["a", "c"])
    context.log_event(dg.AssetMaterialization(MADE, partition="a"))
    raise dg.Failure("c could not be made")


@dg.job
def scattered() -> None:
    makes_some()


def test_of_planned_partitions_those_that_were_not_made_count_as_failed(instance: dg.DagsterInstance) -> None:
    partitions = dg.StaticPartitionsDefinition(["a", "b", "c"])
    spec = dg.AssetSpec(MADE, partitions_def=partitions)
    failed_ones = dg.AutomationCondition.execution_failed()
    definitions = dg.Definitions(assets=[spec.replace_attributes(automation_condition=failed_ones)], jobs=[scattered])
    assert not scattered.execute_in_process(instance=instance, raise_on_error=False).success
    evaluated = dg.evaluate_automation_conditions(definitions, instance)
    assert evaluated.get_requested_partitions(MADE) == {"c"}, "the nightly automation and the UI would not know"


def test_a_run_of_ours_can_be_executed_again_from_its_page(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VDA_ASSETS_CFG", str(REPOSITORY / "assets_cfg"))
    monkeypatch.setenv("VDA_HOME", str(tmp_path / "home"))
    project = load_project()
    dataset = project.dataset("street")
    job = build_definitions(project).resolve_job_def(clips_job_name(dataset.deployment))
    run_id = "0a1b2c3d-0000-0000-0000-000000000000"

    config = clips_config(dataset, FLOWS["auto_labeling"], ["a.mp4"])
    done = execute_job(instance, job, run_id=run_id, run_config=config, tags={"vda/flow": "auto_labeling"})

    assert not done.success  # there is no OSMO
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert run.tags["dataset"] == "street", "the job's own tags are missing"
    assert run.remote_job_origin is not None, "the UI says that it cannot find the run's job"
    assert run.remote_job_origin.location_name == "vda_assets"
    assert run.remote_job_origin.job_name == job.name
    assert run.job_code_origin is not None, "another process cannot reconstruct the job"

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project
from vda_assets.runs.recording.finished import newest_materializations
from vda_assets_tests.dagster_defs import snapshot
from vda_assets_tests.dagster_defs.asked import project_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path):
    return load_project({"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg"), "VDA_HOME": str(tmp_path)})


@pytest.fixture
def definitions(project) -> dg.Definitions:
    return build_definitions(project)


def test_every_asset_says_whose_it_is_and_what(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in {"street", "local", "reports", "releases"}
        assert node.kinds, key
        assert node.tags, key
        assert node.description, key


def test_the_definitions_are_those_of_the_snapshot() -> None:
    renewed = "when the change is meant: python -m vda_assets_tests.dagster_defs.snapshot"
    assert snapshot.taken() == snapshot.FILE.read_text(), renewed


def test_definitions_load_without_a_service_a_bucket_or_a_folder(definitions: dg.Definitions, tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(definitions)
    assert list(tmp_path.iterdir()) == []


def test_more_datasets_add_no_job(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "assets_cfg", tmp_path / "assets_cfg")
    one = (tmp_path / "assets_cfg/datasets/street.yaml").read_text()
    for name in ("bay", "quay", "yard"):
        (tmp_path / f"assets_cfg/datasets/{name}.yaml").write_text(one.replace("datasets/street", f"datasets/{name}"))
    loaded = build_definitions(
        load_project({"VDA_ASSETS_CFG": str(tmp_path / "assets_cfg"), "VDA_HOME": str(tmp_path)})
    )
    jobs = [job for job in loaded.resolve_all_job_defs() if not job.name.startswith("__ASSET_JOB")]
    assert [job.name for job in jobs] == ["local__clips"]
    assert {len(job.resource_defs) for job in jobs} == {4}, "OSMO, storage, our IO manager and Dagster's"


@pytest.mark.parametrize(
    ("when", "schedule", "sensor"),
    [
        ({"cron": "0 2 * * *"}, "STOPPED", None),
        ({"cron": "0 2 * * *", "started": True}, "RUNNING", None),
        ({"arrival": True}, None, "STOPPED"),
        ({"arrival": True, "cron": "0 2 * * *", "started": True}, "RUNNING", "RUNNING"),
        ({}, None, None),
    ],
)
def test_the_datasets_file_says_when_it_is_asked_for_and_whether_that_is_switched_on(
    tmp_path: Path, when: dict, schedule: str | None, sensor: str | None
) -> None:
    _, definitions = project_of(tmp_path, when=when)
    statuses = {one.name: one.default_status.name for one in (*definitions.schedules, *definitions.sensors)}
    assert statuses.get("street__backfill") == schedule
    assert statuses.get("street__arrivals") == sensor


def test_the_newest_materialization_of_each_partition_counts(definitions: dg.Definitions) -> None:
    key = dg.AssetKey(["street", "original_labels"])
    with dg.DagsterInstance.ephemeral() as instance:
        for run in ("run-1", "run-2"):
            for partition in ("a.mp4", "b.mp4"):
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(key, partition=partition, metadata={"run_id": f"{run}{partition}"})
                )
        newest = newest_materializations(instance, key, ["a.mp4", "c.mp4"])
        assert {name: one.metadata["run_id"].value for name, one in newest.items()} == {"a.mp4": "run-2a.mp4"}


def test_processes_that_only_load_the_definitions_import_nothing_that_is_slow_to() -> None:
    # The daemon, a code server and each run's worker do it; what judges, releases or talks to a cluster imports more.
    slow = ["jsonschema", "numpy", "pandas", "pyarrow", "kubernetes", "cv2", "huggingface_hub"]
    asked = f"import sys; import vda_assets.definitions; print([one for one in {slow} if one in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert told.stdout.strip() == "[]"

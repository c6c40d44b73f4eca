from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
import pytest

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.project import load_project
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.finished import newest_materializations
from vda_assets_tests.dagster_defs import snapshot
from vda_assets_tests.quick_results import change_yaml

REPOSITORY = Path(__file__).parents[2]
OUTPUTS = ["original_labels", "augmented_videos", "augmented_labels", "comparisons"]


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
        assert node.group_name in {"street", "local"}
        assert node.kinds, key
        assert node.tags, key
        assert node.description, key


def test_the_definitions_are_those_of_the_snapshot() -> None:
    renewed = "when the change is meant: python -m vda_assets_tests.dagster_defs.snapshot"
    assert snapshot.taken() == snapshot.FILE.read_text(), renewed


def test_definitions_load_without_a_service_a_bucket_or_a_folder(definitions: dg.Definitions, tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(definitions)
    assert list(tmp_path.iterdir()) == []


def test_the_nightly_condition_asks_for_what_is_missing_and_for_nothing_else(definitions: dg.Definitions) -> None:
    assets = [dg.AssetKey(["street", output]) for output in OUTPUTS]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("street_videos", ["a.mp4", "b.mp4"])
        instance.report_runless_asset_event(dg.AssetMaterialization(assets[0], partition="a.mp4"))

        def evaluate_at(hour: int, cursor=None):
            return dg.evaluate_automation_conditions(
                definitions,
                instance,
                asset_selection=dg.AssetSelection.assets(*assets),
                cursor=cursor,
                evaluation_time=dt.datetime(2026, 11, 22, hour, 30, tzinfo=dt.UTC),
            )

        evening = evaluate_at(1)
        assert evening.total_requested == 0
        night = evaluate_at(2, evening.cursor)
        assert night.get_requested_partitions(assets[0]) == {"b.mp4"}
        assert night.get_requested_partitions(assets[1]) == {"a.mp4", "b.mp4"}
        assert evaluate_at(3, night.cursor).total_requested == 0


def of_dataset(tmp_path: Path, **more: object) -> dg.Definitions:
    """The definitions of a project whose dataset says this besides."""
    folder = tmp_path / "assets_cfg"
    shutil.copytree(REPOSITORY / "assets_cfg", folder)
    change_yaml(folder / "datasets/street.yaml", lambda dataset: dataset.update(more))
    return build_definitions(load_project({"VDA_ASSETS_CFG": str(folder)}))


class Evaluations:
    """The automation's ticks, a minute apart."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions, self._instance = definitions, instance
        self._moment, self._cursor = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC), None

    def tick(self) -> dict[str, set[str]]:
        """What is asked for of each output."""
        self._moment += dt.timedelta(minutes=1)
        keys = {output: dg.AssetKey(["street", output]) for output in OUTPUTS}
        found = dg.evaluate_automation_conditions(
            self._definitions,
            self._instance,
            asset_selection=dg.AssetSelection.assets(*keys.values()),
            cursor=self._cursor,
            evaluation_time=self._moment,
        )
        self._cursor = found.cursor
        asked = {str(output): set(found.get_requested_partitions(key)) for output, key in keys.items()}
        return {output: partitions for output, partitions in asked.items() if partitions}


def upload(instance: dg.DagsterInstance, clip: str, version: str) -> None:
    """What the upload sensor makes of a clip."""
    instance.add_dynamic_partitions("street_videos", [clip])
    tags = {DATA_VERSION_TAG: version}
    key = dg.AssetKey(["street", "source_videos"])
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=clip, tags=tags))


def test_on_arrival_new_and_changed_clips_are_asked_for_once_and_what_was_missing_before_is_not(tmp_path: Path) -> None:
    definitions = of_dataset(tmp_path, when={"arrival": True}, outputs=["original_labels"])
    with dg.DagsterInstance.ephemeral() as instance:
        upload(instance, "old.mp4", "1")
        evaluations = Evaluations(definitions, instance)
        assert evaluations.tick() == {}
        for clip in ("a.mp4", "b.mp4"):
            upload(instance, clip, "1")
        assert evaluations.tick() == {"original_labels": {"a.mp4", "b.mp4"}}
        assert evaluations.tick() == {}
        made = dg.AssetKey(["street", "original_labels"])
        instance.report_runless_asset_event(dg.AssetMaterialization(made, partition="a.mp4"))
        # What all datasets share is upstream as well; that it was looked at changes no clip.
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["local", "preflight"])))
        assert evaluations.tick() == {}
        upload(instance, "a.mp4", "2")
        assert evaluations.tick() == {"original_labels": {"a.mp4"}}


@pytest.mark.parametrize(
    ("said", "sensor", "wanted"),
    [
        ({"when": {"cron": "0 2 * * *"}}, "STOPPED", set(OUTPUTS)),
        ({"when": {"cron": "0 2 * * *", "started": True}}, "RUNNING", set(OUTPUTS)),
        ({"when": {"arrival": True}, "flow": "auto_labeling"}, "STOPPED", {"original_labels"}),
        ({"when": {}}, None, set()),
        ({"when": {}, "flow": "e2e"}, None, set()),
    ],
)
def test_the_datasets_file_says_what_is_asked_for_and_whether_it_starts(
    tmp_path: Path, said: dict, sensor: str | None, wanted: set[str]
) -> None:
    definitions = of_dataset(tmp_path, **said)
    found = {one.name: one.default_status.name for one in definitions.sensors or ()}
    assert found.get("street__automation") == sensor
    graph = definitions.resolve_asset_graph()
    nodes = {output: graph.get(dg.AssetKey(["street", output])) for output in OUTPUTS}
    assert {output for output, node in nodes.items() if node.automation_condition} == wanted


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

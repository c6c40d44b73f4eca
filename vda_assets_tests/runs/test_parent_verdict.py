"""Labels of an augmented clip say what that clip is worth: in metadata, in their check, and to who depends on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vda_assets.config.dataset import Dataset
from vda_assets.dagster_defs.io_managers import OutputReference, datasets_io_manager
from vda_assets.datasets.clips import Clip
from vda_assets.flows.planning import Item
from vda_assets.flows.stages import Stage
from vda_assets.outcomes.verdict import Judgement, Verdict, of_labelled_clip, of_variable_rate
from vda_assets.runs import names
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.materializing import stage_materialization
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets.runs.resources import StorageResource, storage_resource_key
from vda_assets.storage.layout import RunLayout
from vda_assets.storage.url import StorageUrl

ITEM = Item(
    Clip("a.mp4", StorageUrl.parse("s3://bucket/datasets/demo/a.mp4"), 1, "v1", 0.0), (), {Stage.AUGMENTED_LABELS: {}}
)
GOOD = Judgement(Verdict.ACCEPTED, facts={"size_bytes": 1, "files": 1})


def test_labels_of_a_rejected_clip_keep_their_own_verdict_and_say_so() -> None:
    judgement = of_labelled_clip(GOOD, Verdict.REJECTED)
    assert judgement.verdict is Verdict.ACCEPTED
    assert judgement.reasons == ("the clip that is labelled is rejected",)
    assert judgement.facts["parent_verdict"] == "rejected"
    assert of_labelled_clip(GOOD, Verdict.ACCEPTED).reasons == ()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(url=f"file://{tmp_path}/datasets/demo", deployment="local")


def labels_of(dataset: Dataset) -> StorageUrl:
    return RunLayout(dataset.storage_url, dataset.name, "run-00000001").output(
        Stage.AUGMENTED_LABELS.row.folder, "a_aug0"
    )


def materialization(dataset: Dataset, judgements: list[Judgement]) -> dg.AssetMaterialization:
    layout = RunLayout(dataset.storage_url, dataset.name, "run-00000001")
    return stage_materialization(
        names.asset_key(dataset, Stage.AUGMENTED_LABELS),
        ITEM,
        Stage.AUGMENTED_LABELS,
        layout=layout,
        urls=[layout.root],
        judgements=judgements,
        made_with={},
        link=lambda _: None,
        taken={},
        workflow_id="w",
    )


def test_the_record_and_its_version_carry_it(dataset: Dataset) -> None:
    judgements = [of_labelled_clip(GOOD, Verdict.UNVERIFIED)]
    recorded = materialization(dataset, judgements)
    assert recorded.metadata[names.PARENT_VERDICT].value == "unverified"
    assert recorded.metadata[names.VERDICT].value == "accepted"
    assert OutputVersion.parse((recorded.tags or {})[DATA_VERSION_TAG]).parent == "unverified"
    assert names.PARENT_VERDICT not in materialization(dataset, [GOOD]).metadata


def test_a_rate_that_varies_stands_in_the_record(dataset: Dataset) -> None:
    assert materialization(dataset, [of_variable_rate(GOOD)]).metadata[names.VARIABLE_RATE].value is True
    assert names.VARIABLE_RATE not in materialization(dataset, [GOOD]).metadata


def test_many_reasons_are_few_and_short_when_they_are_stored(dataset: Dataset) -> None:
    many = [Judgement(Verdict.DEGRADED, tuple(f"{number} {'x' * 9999}" for number in range(99))) for _ in range(40)]
    assert len(materialization(dataset, many).metadata[names.REASONS].value) < 7_000


@pytest.mark.parametrize(("parent", "given"), [(Verdict.REJECTED, Verdict.REJECTED), (None, None)])
def test_who_depends_on_labels_is_told(dataset: Dataset, parent: Verdict | None, given: Verdict | None) -> None:
    key = names.asset_key(dataset, Stage.AUGMENTED_LABELS)
    clips = names.videos_partitions(dataset)
    folder = Path(f"/{labels_of(dataset).key}")
    folder.mkdir(parents=True)
    marker = '{"version": 2, "container": "auto_labeling", "name": "a", "work": "x", "attempt": 1, "files": []}'
    (folder / "outcome.json").write_text(marker)
    seen: list[Any] = []
    kept = {"dataset": dataset.name}
    storage = {storage_resource_key(dataset.deployment): StorageResource()}

    @dg.asset(partitions_def=clips, ins={"labels": dg.AssetIn(key)}, io_manager_key=names.IO_MANAGER, metadata=kept)
    def report(labels) -> int:
        seen.append(labels)
        return 1

    spec = dg.AssetSpec(key, partitions_def=clips).with_io_manager_key(names.IO_MANAGER)
    judgement = of_labelled_clip(GOOD, parent) if parent else GOOD
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(clips.name, ["a.mp4"])
        instance.report_runless_asset_event(materialization(dataset, [judgement]))
        resources = datasets_io_manager([dataset], {dataset.deployment: storage})
        job = dg.Definitions([spec, report], resources=resources).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, partition_key="a.mp4", asset_selection=[report.key])
    (reference,) = seen
    assert isinstance(reference, OutputReference)
    assert (reference.verdict, reference.parent_verdict) == ("accepted", given)

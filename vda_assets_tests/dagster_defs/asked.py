"""A dataset whose file says when it is worked on, with its books: clips that are uploaded, made and that fail."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from vda_assets.dagster_defs.build import build_definitions
from vda_assets.dagster_defs.schedules import ask
from vda_assets.dagster_defs.sensors.arrivals import evaluate
from vda_assets.datasets.clips import Clip, path_of
from vda_assets.flows.planning import Item, item_of
from vda_assets.flows.stages import OUTPUTS, Output
from vda_assets.project import Project, load_project
from vda_assets.runs.names import SOURCE_VIDEOS, asset_key, videos_partitions
from vda_assets.runs.private import DATA_VERSION_TAG
from vda_assets.runs.recording.materializing import failure_observation
from vda_assets.runs.recording.tries import FailedTry, newest_tries
from vda_assets.runs.recording.versions import OutputVersion
from vda_assets_tests.quick_results import change_yaml

REPOSITORY = Path(__file__).parents[2]
DATASET = "street"
SCHEDULE = f"{DATASET}__backfill"


def project_of(folder: Path, **said: Any) -> tuple[Project, dg.Definitions]:
    """A project in that folder whose dataset says this besides."""
    if not (folder / "assets_cfg").exists():
        shutil.copytree(REPOSITORY / "assets_cfg", folder / "assets_cfg")
    change_yaml(folder / f"assets_cfg/datasets/{DATASET}.yaml", lambda dataset: dataset.update(said))
    project = load_project({"VDA_ASSETS_CFG": str(folder / "assets_cfg"), "VDA_HOME": str(folder / "home")})
    return project, build_definitions(project)


@dataclass
class Asked:
    """`tick` and `arrive` evaluate the schedule and the arrival sensor as the daemon does."""

    folder: Path
    instance: dg.DagsterInstance
    moment: datetime = datetime(2026, 11, 22, 2, tzinfo=UTC)
    cursor: str | None = None

    def say(self, **said: Any) -> None:
        """What the dataset's file says from now on."""
        self.project, self.definitions = project_of(self.folder, **said)
        self.scope = self.project.scope_of(self.project.dataset(DATASET))

    def item(self, key: str) -> Item:
        version = self._versions[key]
        clip = Clip(key, self.scope.dataset.dataset_url / path_of(key), 1, version, 0.0)
        scope = self.scope
        return item_of(clip, cookbook=scope.cookbook, images=scope.deployment.images, super_resolution=False)

    def upload(self, *keys: str, version: str = "1") -> None:
        """What the upload sensor makes of clips."""
        partitions = videos_partitions(self.scope.dataset).name
        assert partitions
        self.instance.add_dynamic_partitions(partitions, list(keys))
        for key in keys:
            self._versions[key] = version
            source, tags = asset_key(self.scope.dataset, SOURCE_VIDEOS), {DATA_VERSION_TAG: version}
            self.instance.report_runless_asset_event(dg.AssetMaterialization(source, partition=key, tags=tags))

    def make(self, *keys: str, outputs: Sequence[Output] = OUTPUTS, **worth: Any) -> None:
        """`worth` is what the output's version says besides its hash."""
        for key in keys:
            for output in outputs:
                tags = {DATA_VERSION_TAG: str(OutputVersion(self.item(key).output_hashes[output], **worth))}
                asset = asset_key(self.scope.dataset, output)
                self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key, tags=tags))

    def fail(
        self, *keys: str, reason: str = "exit code 1", is_own: bool = True, outputs: Sequence[Output] = OUTPUTS
    ) -> None:
        """As a run records it."""
        former = newest_tries(self.instance, self.scope.dataset, keys)
        for key in keys:
            for output in outputs:
                now = FailedTry.first(self.item(key).output_hashes[output], reason, is_own=is_own)
                failed = now.after(former.get((key, output)))
                asset = asset_key(self.scope.dataset, output)
                event = failure_observation(asset, key, reason=reason, failed=failed, taken={})
                self.instance.report_runless_asset_event(event)

    def tick(self) -> str:
        """The schedule's next tick, a day after the last; returns what it says."""
        self.moment += timedelta(days=1)
        repository = self.definitions.get_repository_def()
        return ask(self.instance, repository, self.scope, schedule=SCHEDULE, tick=self.moment)

    @property
    def backfills(self) -> list[tuple[str, set[str], set[str]]]:
        """Title, clips and outputs of each backfill that was asked for, the last one first."""
        found = []
        for backfill in self.instance.get_backfills():
            subset = backfill.asset_backfill_data.target_subset
            (clips,) = {frozenset(subset.get_partitions_subset(key).get_partition_keys()) for key in subset.asset_keys}
            found.append((backfill.title, set(clips), {key.path[-1] for key in subset.asset_keys}))
        return found

    def arrive(self) -> tuple[list[list[str]], str]:
        """A tick of the arrival sensor: the clips of each run that it asks for, and what it says."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = evaluate(context, self.scope)
        self.cursor = result.cursor or self.cursor
        (op,) = {name for request in result.run_requests or () for name in request.run_config["ops"]} or {""}
        runs = [request.run_config["ops"][op]["config"]["clips"] for request in result.run_requests or ()]
        return runs, str(result.skip_reason and result.skip_reason.skip_message)

    def __post_init__(self) -> None:
        self._versions: dict[str, str] = {}

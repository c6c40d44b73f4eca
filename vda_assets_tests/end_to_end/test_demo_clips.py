"""`vda run` without a dataset: NVIDIA's demo clips, fetched once, and named in everything that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from vda_assets_tests.cli.test_fetch_demo import hub
from vda_assets_tests.clips import cut
from vda_assets_tests.end_to_end.world import World, make_world, serving
from vda_assets_tests.hub_serving import COMMIT

REPOSITORY = "nvidia/video-data-augmentation-demo"
RUN = ("run", "--select", "original_labels")


@dataclass(frozen=True)
class BesideTheHub(World):
    hub_url: str

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"HF_ENDPOINT": self.hub_url, "HF_HOME": str(self.folder / "hf")}


def test_without_a_dataset_the_demo_clips_are_fetched_once_and_worked_on(tmp_path: Path) -> None:
    clip = cut(tmp_path / "yard.mp4", frames=12).read_bytes()
    world = make_world(tmp_path / "world")
    with hub(REPOSITORY, files={"README.md": b"about", "clips/yard.mp4": clip}) as serving_it, serving(world):
        made = BesideTheHub(world.folder, world.osmo_url, serving_it.url)
        done = made.vda(*RUN)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"no dataset was named: vda-demo, the clips of {REPOSITORY} at {COMMIT}" in done.stderr
        again = made.vda(*RUN)
        assert again.returncode == 0, again.stderr
    fetched = [path for method, path, _ in serving_it.asked if method == "GET" and not path.startswith("/api/")]
    assert fetched == [f"/cdn/{REPOSITORY}/{COMMIT}/clips/yard.mp4"]
    assert done.stdout.splitlines()[-1] == f"vda-demo: the clips of {REPOSITORY} at {COMMIT}"
    assert "(finished before)" in again.stdout
    with made.instance() as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(["vda_demo", "original_labels"]), limit=1).records
        metadata = record.asset_materialization.metadata
    assert metadata["origin"].value == f"{REPOSITORY} at {COMMIT}"
    assert metadata["image"].value == "nvcr.io/nvidia/paidf-auto-labeling:1.0.0"

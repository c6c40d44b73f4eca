"""The whole main job with its clips, its outputs and OSMO's own data in a bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import pytest

from vda_assets.storage.layout import RunLayout
from vda_assets_tests.end_to_end.world import DATASET, World, make_world, serving
from vda_assets_tests.quick_results import use_quick_container
from vda_assets_tests.storage.emulators import BACKENDS, Place, configure, secrets_of


@dataclass(frozen=True)
class StoredWorld(World):
    """A world whose clips and outputs lie in a `place`."""

    place: Place

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | secrets_of(self.place)


@pytest.fixture(scope="module", params=["s3", "azure"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quick_results: Path
) -> Iterator[StoredWorld]:
    folder = tmp_path_factory.mktemp(request.param)
    opened: AbstractContextManager[Place] = BACKENDS[request.param](folder)
    with opened as place:
        world = make_world(folder)
        stored = StoredWorld(world.folder, world.osmo_url, place)
        configure(world.folder / "assets_cfg", place)
        use_quick_container(world, quick_results, seconds=0)
        with serving(stored):
            give_osmo_the_credential(stored)
            yield stored


def give_osmo_the_credential(world: StoredWorld) -> None:
    credential = world.place.credential
    if credential is None:
        return
    fields = {**asdict(credential), "endpoint": credential.profile}
    del fields["profile"]
    body = {"data_credential": {name: value for name, value in fields.items() if value}}
    answer = httpx.post(f"{world.osmo_url}/api/credentials/bucket", json=body, headers=world.login)
    answer.raise_for_status()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_main_job_runs_and_its_results_come_home(stored: StoredWorld, tmp_path: Path, quick_results: Path) -> None:
    clip = Path(shutil.copyfile(quick_results / "clip.mp4", tmp_path / "street.mp4"))
    then = clip.stat().st_mtime - 60
    os.utime(clip, (then, then))
    uploaded = stored.vda("upload", DATASET, str(clip))
    assert uploaded.returncode == 0, uploaded.stderr
    assert uploaded.stdout == f"{stored.place.root}/datasets/{DATASET}/street.mp4\n"

    done = stored.vda("run", "--dataset", DATASET, "--flow", "e2e")
    assert done.returncode == 0, done.stdout + done.stderr
    made = [line for line in done.stdout.splitlines() if line.startswith("comparisons ")]
    assert len(made) == 1
    assert str(stored.place.root) in made[0]

    run_id = next(part for part in made[0].split("/") if part.startswith("run-"))
    root = RunLayout(stored.place.root, DATASET, run_id).root
    mirrored = stored.vda("mirror", "--dataset", DATASET, "--run-id", run_id)
    assert mirrored.returncode == 0, mirrored.stderr
    media = [Path(line.removeprefix("MEDIA:")) for line in mirrored.stdout.splitlines()]
    folder = stored.folder / "media/vda/runs" / run_id
    storage = stored.place.storage
    there = {found.path: digest(storage.read_bytes(root / found.path)) for found in storage.walk(root)}
    here = {str(path.relative_to(folder)): digest(path.read_bytes()) for path in media}
    assert here == {**there, "input/street.mp4": digest(clip.read_bytes())}
    assert {f"outputs/{kind}/outcome.json" for kind in ("pseudo_labeled/street", "augmented/street_aug0")} <= set(here)
    assert f"display/{DATASET}_street_aug0_compare.mp4" in here

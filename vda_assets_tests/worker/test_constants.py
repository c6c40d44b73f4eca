"""The worker imports nothing of the project: what both must call by one name is compared here."""

from __future__ import annotations

import pytest

from vda_assets.config.deployment import Container
from vda_assets.datasets import clips
from vda_assets.dispatch.failures import WORKER_REASON
from vda_assets.labels import scene
from vda_assets.paidf.versions import VERSIONS
from vda_assets.storage import layout
from vda_assets.worker import arguments, barrier, container, ended, inputs, marker, outputs
from vda_assets.worker.failure import say


def test_files_and_clips_have_one_name_each() -> None:
    assert marker.OUTCOME_FILE == layout.OUTCOME_FILE
    assert outputs.AUGMENTED_CLIP == layout.AUGMENTED_VIDEO_FILE
    assert outputs.CHECKS_FILE == layout.AUGMENTATION_METADATA_FILE
    assert ended.STATUS_FILE == scene.STATUS_FILE
    assert clips.MP4 in inputs.CLIP_EXTENSIONS
    assert set(inputs.CLIP_EXTENSIONS) <= set(clips.CLIP_EXTENSIONS)


def test_containers_have_one_name_each_and_a_home_that_the_worker_looks_for() -> None:
    containers = {one.value for one in Container}
    assert set(arguments.CONTAINERS) == set(container.CONTAINER_HOMES) == set(barrier.BARRIER_PORTS) == containers
    homes = {one.value: {row.home for row in VERSIONS.values() if row.container is one} for one in Container}
    assert homes == {one: set(known) for one, known in container.CONTAINER_HOMES.items()}


def test_what_a_worker_prints_last_is_what_the_dispatcher_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    say("FAILED: the disk is full")
    assert capsys.readouterr().out == f"{WORKER_REASON}the disk is full\n"

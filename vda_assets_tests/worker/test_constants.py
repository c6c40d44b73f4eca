"""The worker imports nothing of the project: what both must call by one name is compared here."""

from __future__ import annotations

from vda_assets.config.deployment import Container
from vda_assets.storage import clips, layout
from vda_assets.worker import arguments, container, inputs, marker, outputs


def test_files_clips_and_containers_have_one_name_each() -> None:
    assert marker.OUTCOME_FILE == layout.OUTCOME_FILE
    assert outputs.AUGMENTED_CLIP == layout.AUGMENTED_VIDEO_FILE
    assert outputs.CHECKS_FILE == layout.AUGMENTATION_METADATA_FILE
    assert set(inputs.CLIP_EXTENSIONS) >= {clips.MP4}
    assert set(arguments.CONTAINERS) == {one.value for one in Container} == set(container.CONTAINER_HOMES)

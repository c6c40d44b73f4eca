"""What is known of each version of NVIDIA's two images: one row each, and what a deployment's images are by it.

A new version is a new row, with a config model of its own where it reads other keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vda_assets.base.failed import Failed
from vda_assets.config.deployment import Container, Deployment, Endpoints, Images
from vda_assets.paidf import augmentation_1_0, augmentation_1_1
from vda_assets.paidf.auto_labeling_1_0 import AutoLabelingConfig
from vda_assets.paidf.base_config import BaseConfig
from vda_assets.paidf.dead_keys import DEAD_KEYS_1_1, DeadKey, dead_keys_1_0
from vda_assets.paidf.parts import ContainerModel

_FFMPEG_1_0 = frozenset({"h264", "mpeg4", "mjpeg"})


@dataclass(frozen=True)
class ContainerVersion:
    """`home` is the folder of its code, `interpreter` the Python of its own environment, which is not on PATH.

    `model_cache` is the folder of weights that it reads, None for one that runs no model. `decoders` are the codecs
    that it can read, in MP4. `generates_at_endpoint`: its videos are made by a service, in the codec of its choice.
    """

    container: Container
    version: str
    home: str
    interpreter: str
    model_cache: str | None
    decoders: frozenset[str]
    config: type[ContainerModel]
    complete: Callable[[BaseConfig, Endpoints], None] | None = None
    dead_keys: Mapping[str, DeadKey] | None = None
    generates_at_endpoint: bool = False

    @property
    def name(self) -> str:
        return f"paidf-{str(self.container).replace('_', '-')} {self.version}"


def _augmentation_1_0(version: str) -> ContainerVersion:
    return ContainerVersion(
        container=Container.AUGMENTATION,
        version=version,
        home="/app",
        interpreter="/app/.venv/bin/python",
        model_cache="cosmos_transfer",
        decoders=_FFMPEG_1_0,
        config=augmentation_1_0.AugmentationConfig10,
        complete=augmentation_1_0.complete,
        dead_keys=dead_keys_1_0(version),
    )


_ROWS = (
    _augmentation_1_0("1.0.0"),
    _augmentation_1_0("1.0.1"),
    ContainerVersion(
        container=Container.AUGMENTATION,
        version="1.1.0",
        home="/workspace",
        interpreter="/workspace/.venv/bin/python",
        model_cache=None,
        decoders=_FFMPEG_1_0 | {"vp9"},
        config=augmentation_1_1.AugmentationConfig11,
        complete=augmentation_1_1.complete,
        dead_keys=DEAD_KEYS_1_1,
        generates_at_endpoint=True,
    ),
    ContainerVersion(
        container=Container.AUTO_LABELING,
        version="1.0.0",
        home="/workspace",
        interpreter="/opt/venv/bin/python",
        model_cache="auto_labeling",
        decoders=_FFMPEG_1_0,
        config=AutoLabelingConfig,
    ),
)
VERSIONS: Mapping[tuple[Container, str], ContainerVersion] = {(row.container, row.version): row for row in _ROWS}
_NOT_YET = {
    (Container.AUTO_LABELING, "1.1.0"): "is one image per stage and writes another scene; use the image of 1.0.0",
}


def versions_of(container: Container) -> list[str]:
    return [version for one, version in VERSIONS if one is container]


def version_of(images: Images, container: Container) -> ContainerVersion | Failed:
    """What the image of a container is."""
    version = images.version(container)
    known = " and ".join(versions_of(container))
    if version is None:
        return Failed(
            f"images.{container}: the tag of {images.of(container)!r} does not say its version; "
            f"set images.{container}_version to the one that it was made of: {known}"
        )
    if row := VERSIONS.get((container, version)):
        return row
    why = _NOT_YET.get((container, version), f"is not known here; use one of {known}")
    return Failed(f"images.{container}: version {version} of {images.of(container)!r} {why}")


def why_unusable(deployment: Deployment) -> Failed | None:
    """Why no clip can be worked on with the images of a deployment, whatever is asked for; None when all is well."""
    for container in Container:
        if isinstance(version := version_of(deployment.images, container), Failed):
            return version
        if version.generates_at_endpoint and deployment.endpoints.video_transfer is None:
            return Failed(
                f"endpoints.video_transfer: is missing; {version.name} makes its videos at an endpoint of Cosmos "
                "Transfer, give its url, its model and what codec it returns"
            )
    return None


def why_not(deployment: Deployment, *, labels_augmented: bool) -> Failed | None:
    """Why what is asked for cannot be made with the images of a deployment; None when all is well."""
    if unusable := why_unusable(deployment):
        return unusable
    augmentation = version_of(deployment.images, Container.AUGMENTATION)
    labeling = version_of(deployment.images, Container.AUTO_LABELING)
    assert isinstance(augmentation, ContainerVersion)
    assert isinstance(labeling, ContainerVersion)
    generator = deployment.endpoints.video_transfer
    if not (labels_augmented and augmentation.generates_at_endpoint and generator):
        return None
    if generator.returns is None:
        return Failed(
            f"endpoints.video_transfer.returns: is missing; say whether the generator answers with h264 or vp9, since "
            f"{labeling.name} cannot label the latter"
        )
    if generator.returns not in labeling.decoders:
        return Failed(
            f"augmented_labels: the generator at {generator.url} returns {generator.returns}, which {labeling.name} "
            f"cannot decode (it reads {', '.join(sorted(labeling.decoders))}); ask for augmented_videos without "
            "augmented_labels, or use a generator that returns h264"
        )
    return None

"""What the two model caches hold: one row per source, and which of them a selection of outputs reads.

Repositories, revisions and files are those that paidf-augmentation 1.0.x and paidf-auto-labeling 1.0.0 load.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vda_assets.config.deployment import Container, Images
from vda_assets.cookbooks.cookbook import Cookbook
from vda_assets.flows.selection import Selection
from vda_assets.flows.stages import Stage
from vda_assets.paidf.versions import ContainerVersion, version_of

COSMOS_TRANSFER, AUTO_LABELING = "cosmos_transfer", "auto_labeling"
MODEL_CACHES = (COSMOS_TRANSFER, AUTO_LABELING)


@dataclass(frozen=True)
class HubFiles:
    """Files of one revision of a repository on the Hugging Face hub: those that match `patterns`, all without any.

    They lie in `folder` below the cache. `sample` is one of them. With `is_main` a file `refs/main` names the revision:
    offline, what is loaded as `main` is found by it alone.
    """

    repository: str
    revision: str
    sample: str
    patterns: tuple[str, ...] = ()
    is_main: bool = False
    folder: str = ""

    @property
    def id(self) -> str:
        return f"{self.repository}@{self.revision}"

    @property
    def place(self) -> str:
        """The folder of the files, relative to the cache: that of the hub's own layout unless another is given."""
        return self.folder or f"{self._layout}/snapshots/{self.revision}"

    @property
    def own_files(self) -> dict[str, str]:
        """Path below the cache -> content, of files that no hub has."""
        return {f"{self._layout}/refs/main": self.revision} if self.is_main else {}

    @property
    def _layout(self) -> str:
        return f"hub/models--{self.repository.replace('/', '--')}"


@dataclass(frozen=True)
class WebFile:
    """One file behind a URL of its own; `path` is its place below the cache."""

    path: str
    url: str

    @property
    def id(self) -> str:
        return self.path


Source = HubFiles | WebFile
Needs = Mapping[str, tuple[Source, ...]]

_TRANSFER = "nvidia/Cosmos-Transfer2.5-2B"


def _checkpoint(revision: str, path: str) -> HubFiles:
    return HubFiles(_TRANSFER, revision, path, (path,))


# Modality -> its checkpoint. One modality needs its own, two or more need all four.
_CONTROLS = {
    "edge": _checkpoint(
        "b67b64abda3801a9aceddbff2bdb86126c06db74",
        "general/edge/61f5694b-0ad5-4ecd-8ad7-c8545627d125_ema_bf16.pt",
    ),
    "depth": _checkpoint(
        "dea7737ca29dd8d9086413c6dc5724b8250a0bb4",
        "general/depth/626e6618-bfcd-4d9a-a077-1409e2ce353f_ema_bf16.pt",
    ),
    "vis": _checkpoint(
        "eb5325b77d358944da58a690157dd2b8071bbf85",
        "general/blur/ba2f44f2-c726-4fe7-949f-597069d9b91c_ema_bf16.pt",
    ),
    "seg": _checkpoint(
        "23057a4167b89de89a4a397fdbf3887994d115eb",
        "general/seg/5136ef49-6d8d-42e8-8abf-7dac722a304a_ema_bf16.pt",
    ),
}
_COSMOS = (
    HubFiles(
        "nvidia/Cosmos-Predict2.5-2B", "f176dc95b4a70f53ce01c4b302851595e7322b00", "tokenizer.pth", ("tokenizer.pth",)
    ),
    HubFiles("nvidia/Cosmos-Reason1-7B", "3210bec0495fdc7a8d3dbb8d58da5711eab4b423", "config.json"),
    HubFiles(
        "nvidia/Cosmos-Guardrail1",
        "d6d4bfa899a71454a700907664f3e88f503950cf",
        "face_blur_filter/Resnet50_Final.pth",
        ("blocklist/*", "face_blur_filter/Resnet50_Final.pth", "video_content_safety_filter/*"),
    ),
    HubFiles("Qwen/Qwen3Guard-Gen-0.6B", "fada3b2f655b89601929198343c94cd2f64d93cc", "config.json", is_main=True),
    HubFiles(
        "google/siglip-so400m-patch14-384", "9fdffc58afc957d1a03a25b10dba0329ab15c2a3", "config.json", is_main=True
    ),
    HubFiles(
        "google/siglip2-so400m-patch16-naflex", "cc24074f717b612951c2dead130904ab9b65a81e", "config.json", is_main=True
    ),
)
_DETECTOR = WebFile("rfdetr/rf-detr-base.pth", "https://storage.googleapis.com/rfdetr/rf-detr-base-coco.pth")
_REID = WebFile(
    "reid/clip_vehicleid.pt",
    "https://drive.usercontent.google.com/download?id=168BLegHHxNqatW5wx1YyL2REaThWoof5&export=download&confirm=t",
)
_UPSCALERS = {
    size: HubFiles(
        f"ByteDance-Seed/SeedVR2-{size.upper()}", "main", weights, ("ema_vae.pth", weights), folder="seedvr2"
    )
    for size, weights in (("7b", "seedvr2_ema_7b.pth"), ("3b", "seedvr2_ema_3b.pth"))
}
# What paidf-auto-labeling 1.0.0 takes without any; what is not 3b is 7b there.
_DEFAULT_VARIANT = "seedvr2_3b"


def needs_of(selection: Selection, *, cookbooks: Iterable[Cookbook], images: Images) -> dict[str, tuple[Source, ...]]:
    """The caches that the selected stages read with these images, and which of their sources the cookbooks need."""
    cookbooks = tuple(cookbooks)
    needed: dict[str, dict[Source, None]] = {}
    for stage in (stage for stage in Stage if stage in selection):
        version = version_of(images, stage.row.container)
        if not isinstance(version, ContainerVersion) or version.model_cache is None:
            continue
        sources = needed.setdefault(version.model_cache, {})
        for cookbook in cookbooks:
            if stage.row.container is Container.AUGMENTATION:
                sources |= dict.fromkeys(_for_augmentation(cookbook.augmentation))
            else:
                enhances = selection.super_resolution and stage is Stage.ORIGINAL_LABELS
                sources |= dict.fromkeys(_for_labels(cookbook.auto_labeling, super_resolution=enhances))
    return {cache: tuple(sources) for cache, sources in needed.items()}


def _for_augmentation(config: Mapping[str, Any]) -> list[Source]:
    modalities = _block(config, "augmentation", "modalities")
    weighted = [one for one in _CONTROLS if modalities.get(one) is not None]
    return [*(_CONTROLS[one] for one in (weighted if len(weighted) == 1 else _CONTROLS)), *_COSMOS]


def _for_labels(config: Mapping[str, Any], *, super_resolution: bool) -> list[Source]:
    tracking = _block(config, "detection_and_tracking")
    sources: list[Source] = []
    if tracking.get("enabled") is not False:
        sources.append(_DETECTOR)
        # Without its weights paidf-auto-labeling 1.0.0 drops the tracks and exits 0.
        sources += [_REID] if tracking.get("use_reid") is not False else []
    if super_resolution:
        variant = str(_block(config, "super_resolution").get("variant") or _DEFAULT_VARIANT)
        sources.append(_UPSCALERS["3b" if "3b" in variant else "7b"])
    return sources


def _block(config: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """A part of a base config, which nobody has checked yet."""
    block: Any = config
    for key in path:
        block = block.get(key) if isinstance(block, Mapping) else None
    return block if isinstance(block, Mapping) else {}

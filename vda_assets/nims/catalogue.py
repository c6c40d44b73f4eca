"""The two NIMs that this project deploys, and where in the cluster they serve. No other is ever touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

NAMESPACE = "osmo-nims"
PORT = 8000


@dataclass(frozen=True)
class Nim:
    """`model` is its id on Hugging Face and the one it serves; `memory` and `volume` are Kubernetes quantities."""

    name: str
    model: str
    memory: str
    volume: str
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def claim(self) -> str:
        return f"{self.name}-pvc"

    @property
    def download(self) -> str:
        return f"{self.name}-hf-download"

    @property
    def url(self) -> str:
        return f"http://{self.name}.{NAMESPACE}.svc.cluster.local:{PORT}/v1"


QWEN3_VL = Nim(
    "qwen3-vl",
    "Qwen/Qwen3-VL-30B-A3B-Instruct",
    memory="96Gi",
    volume="100Gi",
    settings=MappingProxyType(
        {
            "VLLM_ENABLE_EXPERT_PARALLEL": "1",
            "NIM_DISABLE_CUDA_GRAPH": "true",
            "NIM_MAX_MODEL_LEN": "131072",
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility,video",
            "NIM_MAX_VIDEOS_PER_PROMPT": "1",
            "NIM_MEDIA_IO_KWARGS": '{"video":{"num_frames":8}}',
            "NIM_MM_PROCESSOR_KWARGS": '{"videos_kwargs":{"min_pixels":1568,"max_pixels":262144}}',
        }
    ),
)
QWEN25_14B = Nim("qwen25-14b", "Qwen/Qwen2.5-14B-Instruct", memory="48Gi", volume="50Gi")
NIMS = (QWEN3_VL, QWEN25_14B)


def nim_at(url: str) -> Nim | None:
    """The NIM whose host a URL names; None for every other host, which is somebody else's to run."""
    host = (urlsplit(url).hostname or "").rstrip(".").removesuffix(".cluster.local")
    return next((nim for nim in NIMS if host == f"{nim.name}.{NAMESPACE}.svc"), None)

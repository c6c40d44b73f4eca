"""`assets_cfg/deployments/<name>.yaml`: one OSMO service with its pool, its storage, its images and endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from vda_assets.base.bounded import CREDENTIALS_IN_URL
from vda_assets.config.endpoint_url import normalised
from vda_assets.config.errors import ConfigError
from vda_assets.config.yaml_file import ConfigModel
from vda_assets.osmo.spec import LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN, ResourceSpec, TimeoutSpec
from vda_assets.storage.credentials import StorageCredential
from vda_assets.storage.layout import model_cache
from vda_assets.storage.url import StorageUrl, parse_profile


def _base_url(url: str) -> str:
    """Returns the URL without a slash at its end; what belongs to it comes behind that."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url:
        raise ValueError("must be http://host:port/path")
    if CREDENTIALS_IN_URL.search(url):
        raise ValueError("holds credentials; take them out, they belong into the environment")
    return url.rstrip("/")


def _endpoint_url(url: str) -> str:
    # Before the query goes: it may hold a key, which the normalised URL would silently lack.
    if CREDENTIALS_IN_URL.search(url):
        raise ValueError("holds credentials; take them out, they belong into the environment")
    return _base_url(normalised(url))


HttpUrl = Annotated[str, AfterValidator(_base_url)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint_url)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$", description="name of an environment variable")]


def _own_labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if key.startswith("vda-"):
            raise ValueError(f"{key!r}: labels that begin with vda- are this project's own")
        if not LABEL_KEY_PATTERN.fullmatch(key) or not LABEL_VALUE_PATTERN.fullmatch(value):
            raise ValueError(f"{key}={value} is no label: 1 to 63 of A-Z a-z 0-9 _ . - each")
    return labels


# OSMO's own pool or platform, for what needs no GPU: it is never offered, chosen or taken.
SYSTEM = "system"
# What the embedded OSMO calls its pool.
DEFAULT_POOL = "default"


def _for_gpu_work(name: str) -> str:
    if name == SYSTEM:
        raise ValueError(
            f"{SYSTEM!r} is OSMO's own, for what needs no GPU; name another one (left out, `vda preflight` lists them)"
        )
    return name


GpuPlace = Annotated[str, AfterValidator(_for_gpu_work)]


class OsmoConnection(ConfigModel):
    """How to reach and enter the service. Without `token_env`, `token_file` and `user` the `osmo` command's login is
    used, and for the embedded OSMO the token that it makes itself; with `user` it asks for none."""

    url: HttpUrl
    # Left out, the only pool that is ONLINE and has a platform with GPUs.
    pool: GpuPlace | None = None
    gpu_platform: GpuPlace | None = None
    token_env: EnvironmentName | None = None
    # Read anew for each call, so that whoever renews it in place interrupts nothing.
    token_file: Annotated[str, Field(pattern="^/", description="absolute path of a file")] | None = None
    user: str | None = None
    # How many workflows all runs together keep on the pool, whatever dataset they are of; one clip is one workflow.
    # Those of a lower priority do not count for a run.
    max_in_flight: Annotated[int, Field(ge=1, le=1000)] = 16
    priority: Literal["HIGH", "NORMAL", "LOW"] = "NORMAL"
    # Labels of the team's own on every workflow, where the pool asks for some.
    labels: Annotated[dict[str, str], AfterValidator(_own_labels)] = {}
    # How long one answer of the service is waited for; the `osmo` command waits as long.
    answer_seconds: Annotated[float, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        given = [name for name in ("token_env", "token_file", "user") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")
        return self


class Container(StrEnum):
    """NVIDIA's two images: what a GPU task runs in."""

    AUGMENTATION = "augmentation"
    AUTO_LABELING = "auto_labeling"


class Role(StrEnum):
    """What an endpoint is asked for."""

    VLM = "vlm"
    LLM = "llm"
    VIDEO_TRANSFER = "video_transfer"


_TAG = re.compile(r":v?(\d+\.\d+\.\d+)(?:[-_.][^/:@]*)?(?:@[^/@]*)?$")
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", description="such as 1.0.0")]


class Images(ConfigModel):
    """The containers that the workers run in. Their tags say which version's configs they read; where a private tag
    says none, `augmentation_version` and `auto_labeling_version` do."""

    augmentation: str = "nvcr.io/nvidia/paidf-augmentation:1.0.0"
    auto_labeling: str = "nvcr.io/nvidia/paidf-auto-labeling:1.0.0"
    augmentation_version: Version | None = None
    auto_labeling_version: Version | None = None

    def of(self, container: Container) -> str:
        """The image of a container."""
        return self.augmentation if container is Container.AUGMENTATION else self.auto_labeling

    def version(self, container: Container) -> str | None:
        """The version that is configured, else the one that the tag begins with; None when neither says any."""
        given = self.augmentation_version if container is Container.AUGMENTATION else self.auto_labeling_version
        match = _TAG.search(self.of(container))
        return given or (match[1] if match else None)


class Endpoint(ConfigModel):
    """`url` is kept as the base whose `/models` is asked. `api_key_env` names the variable with the endpoint's own
    key: in a task, where `task_credentials` put it, and in the pipeline's environment, which checks with it."""

    url: EndpointUrl
    model: Annotated[str, Field(pattern=r"^\S*$")]
    api_key_env: EnvironmentName | None = None
    # How long a container waits for one answer, where it can be told so (from paidf-augmentation 1.1.0 on).
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0


class GeneratorEndpoint(Endpoint):
    """`returns` is the codec of the videos that come back: Cosmos NIMs answer with VP9, vLLM-omni with H.264."""

    # As it is written: how a generator is asked is not OpenAI's matter.
    url: HttpUrl
    returns: Literal["h264", "vp9"] | None = None
    # A clip of 93 frames takes 3 to 10 minutes, and the container's own default ends at 5.
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 3600.0


class Endpoints(ConfigModel):
    """The OpenAI-compatible endpoints that both containers ask; the defaults are the cluster's own NIMs.

    `video_transfer` is Cosmos Transfer as a service: paidf-augmentation 1.1.0 runs no model of its own.
    """

    vlm: Endpoint = Endpoint(
        url="http://qwen3-vl.osmo-nims.svc.cluster.local:8000/v1", model="Qwen/Qwen3-VL-30B-A3B-Instruct"
    )
    llm: Endpoint = Endpoint(
        url="http://qwen25-14b.osmo-nims.svc.cluster.local:8000/v1", model="Qwen/Qwen2.5-14B-Instruct"
    )
    video_transfer: GeneratorEndpoint | None = None

    def of(self, role: Role) -> Endpoint | None:
        """The endpoint with that role; None when the deployment has none."""
        return {Role.VLM: self.vlm, Role.LLM: self.llm, Role.VIDEO_TRANSFER: self.video_transfer}[role]


class Resources(ConfigModel):
    """What a worker asks for; the platform is added from the deployment."""

    auto_labeling: ResourceSpec = ResourceSpec(gpu=1, cpu=11, memory="128Gi", storage="100Gi")
    augmentation: ResourceSpec = ResourceSpec(gpu=1, cpu=11, memory="100Gi", storage="100Gi")

    def of(self, container: Container) -> ResourceSpec:
        """What a worker in that container asks for."""
        return self.augmentation if container is Container.AUGMENTATION else self.auto_labeling


class StorageProfile(ConfigModel):
    """How to enter one storage profile. Secrets are named by environment variable, never written here."""

    profile: Annotated[str, AfterValidator(parse_profile)]
    access_key_id_env: EnvironmentName | None = None
    access_key_env: EnvironmentName | None = None
    region: str | None = None
    override_url: HttpUrl | None = None
    addressing_style: Literal["virtual", "path", "auto"] | None = None
    # Browsers reach this storage too: `vda media` sends them there, by links that are signed for an hour.
    signed_links: bool = False

    def credential(self, environment: Mapping[str, str]) -> StorageCredential:
        """The credential with its secrets; raises ConfigError naming a variable that is not set."""
        secrets: dict[str, str | None] = {}
        for field, variable in (("access_key_id", self.access_key_id_env), ("access_key", self.access_key_env)):
            if variable and not environment.get(variable, "").strip():
                raise ConfigError(f"USER_INPUT_REQUIRED: set {variable}, the {field} of {self.profile}")
            secrets[field] = environment[variable] if variable else None
        return StorageCredential(
            self.profile,
            **secrets,
            region=self.region,
            override_url=self.override_url,
            addressing_style=self.addressing_style,
        )


def _folder_url(text: str) -> str:
    url = StorageUrl.parse(text)
    if not url.key:
        raise ValueError(f"{text!r} is a whole bucket; name the folder of the cache in it")
    return str(url)


FolderUrl = Annotated[str, AfterValidator(_folder_url)]


class ModelCaches(ConfigModel):
    """Where the weights lie when many storage roots share them; left out, under `data/models` of each root."""

    cosmos_transfer: FolderUrl | None = None
    auto_labeling: FolderUrl | None = None

    def url(self, name: str, storage_url: StorageUrl) -> StorageUrl:
        """The folder of the cache of that name, `cosmos_transfer` or `auto_labeling`, for clips of that root."""
        own = {"cosmos_transfer": self.cosmos_transfer, "auto_labeling": self.auto_labeling}[name]
        return StorageUrl.parse(own) if own else model_cache(storage_url, name)


class EmbeddedImage(ConfigModel):
    """What this machine gives to the tasks of an image: environment variables and folders put first on PATH."""

    environment: dict[str, str] = {}
    path: list[str] = []


class EmbeddedPlatform(ConfigModel):
    gpus: Annotated[int, Field(ge=0)]
    cpus: Annotated[int, Field(ge=1)]
    description: str = ""


class EmbeddedOsmoConfig(ConfigModel):
    """The embedded OSMO of a deployment: what it emulates, and the commands that stand for the cluster's services."""

    state_folder: str
    workflow_data_url: str
    platforms: dict[str, EmbeddedPlatform]
    images: dict[str, EmbeddedImage]
    services: dict[str, list[str]] = {}


class Price(ConfigModel):
    """What one GPU costs for an hour that a task of ours runs on it."""

    gpu_hour: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="three letters such as EUR")]

    def of(self, gpu_seconds: float) -> float:
        """The cost of so many GPU seconds, in the currency."""
        return gpu_seconds / 3600 * self.gpu_hour


class KubernetesAccess(ConfigModel):
    """The cluster that the NIMs of a deployment live in, as a context of the kubeconfig. Left out: the cluster of the
    pod that this runs in, else the kubeconfig's only context."""

    context: Annotated[str, Field(min_length=1)]


class Deployment(ConfigModel):
    description: str = ""
    osmo: OsmoConnection
    kubernetes: KubernetesAccess | None = None
    images: Images = Images()
    endpoints: Endpoints = Endpoints()
    resources: Resources = Resources()
    # Left out, nothing is said of costs.
    price: Price | None = None
    # Where a browser reaches `vda media`; left out, results have no links and no pictures in the UI.
    media_url: HttpUrl | None = None
    timeout: TimeoutSpec = TimeoutSpec(exec_timeout="24h", queue_timeout="2h")
    # OSMO credential -> {environment variable: key}, referenced by name in every worker task.
    task_credentials: dict[str, dict[str, str]] = {}
    # The indexes of one clip: in one group that ends together at its barrier, or in a group each.
    augmentation_grouping: Literal["barrier", "separate"] = "barrier"
    storage: list[StorageProfile] = []
    model_caches: ModelCaches = ModelCaches()
    osmo_local: EmbeddedOsmoConfig | None = None

    @property
    def token_file(self) -> Path | None:
        """The file of an access token, the embedded OSMO's own one too; None where another login is configured."""
        if self.osmo.token_file:
            return Path(self.osmo.token_file)
        if self.osmo_local is None or self.osmo.user or self.osmo.token_env:
            return None
        return Path(self.osmo_local.state_folder) / "access_token"

    @property
    def is_stand_in(self) -> bool:
        """True for the embedded default, whose GPUs, caches and endpoints only stand for real ones."""
        return self.osmo_local is not None

"""A cluster that is cold: a deployment that is no stand-in, with a registry, the hosts of the weights, and secrets.

Its OSMO is the embedded one, started by the stand-in's own deployment file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from vda_assets.model_caches.workflow import IMAGE as CACHE_IMAGE
from vda_assets.osmo.auth import AccessTokenAuth
from vda_assets.osmo.client import OsmoClient
from vda_assets_tests.end_to_end.world import World, make_world, serving
from vda_assets_tests.model_caches.filled import needs
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.registry_serving import Registry, serving_registry
from vda_assets_tests.weights_serving import Weights, serving_weights

HF_TOKEN, NGC_KEY = "hf_5b1c9d7e3f2a4860", "nvapi-7c3e1f9b2d5a4806"
IMAGES = {"augmentation": "nvidia/paidf-augmentation:1.0.0", "auto_labeling": "nvidia/paidf-auto-labeling:1.0.0"}
DEPLOYMENT = "cloud"


@dataclass(frozen=True)
class Cloud(World):
    """What the user's commands are started in: secrets exported, a registry and the weights near."""

    registry: Registry
    weights: Weights

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "HF_TOKEN": HF_TOKEN,
            "NGC_API_KEY": f"Bearer {NGC_KEY}",
            "NGC_CONFIG_FILE": str(self.folder / "none"),
            "NGC_ORG": "",
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            **self.weights.environment,
            "OSMO_TOKEN": (self.folder / "home/osmo/access_token").read_text(),
        }

    @property
    def osmo(self) -> OsmoClient:
        auth = AccessTokenAuth(self.osmo_url, access_token=self.environment["OSMO_TOKEN"], source="the test")
        return OsmoClient(self.osmo_url, auth)


@contextmanager
def serving_cloud(
    folder: Path,
    *,
    command: Callable[[Path, str], str] = lambda _, container: container_command(container),
    shows: bool = False,
) -> Iterator[Cloud]:
    """`command` starts a container: it is told the folder of the world and the container's name."""
    registry = Registry(set(IMAGES.values()), open_to_all=True)
    with serving_registry(registry), serving_weights() as weights:
        for sources in needs().values():
            for source in sources:
                weights.put(source)
        weights.gated["nvidia/Cosmos-Guardrail1"] = HF_TOKEN
        world = make_world(folder, shows=shows)
        configurations = world.folder / "assets_cfg"
        images = {container: registry.image(image) for container, image in IMAGES.items()}

        def take_images(deployment: dict) -> None:
            deployment["images"] = images
            deployment["osmo_local"]["images"] = {
                image: {"environment": {"PAIDF_CLI": command(folder, container)}} for container, image in images.items()
            } | {CACHE_IMAGE: {"path": [str(Path(sys.executable).parent)]}}

        change_yaml(configurations / "deployments/local.yaml", take_images)
        cloud = yaml.safe_load((configurations / "deployments/local.yaml").read_text())
        del cloud["osmo_local"]
        cloud["osmo"]["token_env"] = "OSMO_TOKEN"
        (configurations / f"deployments/{DEPLOYMENT}.yaml").write_text(yaml.safe_dump(cloud))
        change_yaml(configurations / "datasets/street.yaml", lambda dataset: dataset.update(deployment=DEPLOYMENT))
        with serving(world):
            yield Cloud(world.folder, world.osmo_url, registry, weights, shows=shows)


def container_command(container: str) -> str:
    return f"{sys.executable} -m vda_assets.embedded.containers.{container}"

"""Lets a world's workers run the reference containers with bad habits, until they are healed."""

from __future__ import annotations

import sys
from pathlib import Path

from vda_assets_tests.end_to_end.world import World
from vda_assets_tests.quick_results import change_yaml

SPOILING_CONTAINER = Path(__file__).parent / "spoiling_container.py"


def use_spoiling_container(world: World, *, silence_seconds: float) -> None:
    """A clip's name says which habit its containers have; `silence_seconds` is how long they may print nothing."""

    def change(deployment: dict) -> None:
        for image in deployment["osmo_local"]["images"].values():
            container = image["environment"]["PAIDF_CLI"].rpartition(".")[2]
            image["environment"] = {
                "PAIDF_CLI": f"{sys.executable} {SPOILING_CONTAINER} {container}",
                "HEALED": str(_healed(world)),
                "CONTAINER_SILENCE_TIMEOUT_SECONDS": str(silence_seconds),
            }

    change_yaml(world.folder / "assets_cfg/deployments/local.yaml", change)


def heal(world: World) -> None:
    """From now on the containers behave."""
    _healed(world).touch()


def _healed(world: World) -> Path:
    return world.folder / "healed"

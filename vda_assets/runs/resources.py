"""The ways out of Dagster: an OSMO service and a deployment's storage. Secrets are read when they are used."""

import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from vda_assets.base.patience import NO_PATIENCE, Patience, say_nothing
from vda_assets.config.deployment import Deployment, StorageProfile
from vda_assets.config.names import slug_of
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.connect import connect
from vda_assets.storage.access import Storage


class OsmoResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # takes no argument at run time
    """`token_env` or `token_file` names where an access token is; without them and `user`, the `osmo` login is used."""

    url: str
    token_env: str | None = None
    token_file: str | None = None
    user: str | None = None
    answer_seconds: float = 60.0

    def client(self) -> OsmoClient:
        """A client to be used as a context manager. Raises OsmoUnauthorized when there is no login."""
        return connect(
            self.url,
            token_env=self.token_env,
            token_file=Path(self.token_file) if self.token_file else None,
            user=self.user,
            environment=os.environ,
            answer_seconds=self.answer_seconds,
        )


class StorageResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # takes no argument at run time
    """`profiles` are the deployment's storage profiles, secrets named by environment variable."""

    profiles: list[dict[str, str]] = []

    def storage(self, *, patience: Patience = NO_PATIENCE, log: Callable[[str], None] = say_nothing) -> Storage:
        """`patience` is for runs, which wait for storage as they wait for OSMO, and say so in `log`."""
        profiles = [StorageProfile.model_validate(profile) for profile in self.profiles]
        return Storage((profile.credential(os.environ) for profile in profiles), patience=patience, log=log)


def osmo_resource_key(deployment: str) -> str:
    return f"osmo__{slug_of(deployment)}"


def storage_resource_key(deployment: str) -> str:
    return f"storage__{slug_of(deployment)}"


def deployment_resources(name: str, deployment: Deployment) -> dict[str, object]:
    """The resources of one deployment by key."""
    return {
        osmo_resource_key(name): OsmoResource(
            url=deployment.osmo.url,
            token_env=deployment.osmo.token_env,
            token_file=str(deployment.token_file) if deployment.token_file else None,
            user=deployment.osmo.user,
            answer_seconds=deployment.osmo.answer_seconds,
        ),
        storage_resource_key(name): StorageResource(
            profiles=[
                profile.model_dump(mode="json", exclude={"signed_links"}, exclude_none=True)
                for profile in deployment.storage
            ]
        ),
    }

"""The two credentials that OSMO gives to workers, made and replaced from the user's secrets, and who gets which."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from pydantic import SecretStr

from vda_assets.base.patience import Patience, Waiter
from vda_assets.config.deployment import Deployment, Role
from vda_assets.config.endpoint_url import may_have_the_ngc_key
from vda_assets.osmo.client import OsmoClient
from vda_assets.osmo.credentials import CredentialValue, GenericCredential, RegistryCredential
from vda_assets.osmo.errors import OsmoError, OsmoNotFound, OsmoRefused, OsmoServerError, OsmoUnavailable
from vda_assets.osmo.models import CredentialEntry
from vda_assets.readiness.finding import Finding, blocking, note, ready
from vda_assets.readiness.secrets import Secret, Secrets

HF_CREDENTIAL = "hf_token"
NGC_CREDENTIAL = "nvcr_io"
NGC_REGISTRY = "nvcr.io"
NGC_USER = "$oauthtoken"

_PATIENCE = Patience(10.0)


class Replace(Enum):
    """Which credentials that OSMO has are replaced. The service never gives a value back to compare with."""

    NONE = "what is missing is made, as every run does"
    SUPPLIED = "also those whose secret stands in a variable, where somebody has put it"
    KNOWN = "also those whose secret is known from a file alone"

    def covers(self, secret: Secret) -> bool:
        return self is Replace.KNOWN or (self is Replace.SUPPLIED and secret.supplied)


@dataclass(frozen=True)
class CredentialReadiness:
    """`listed` is what OSMO has after all."""

    findings: tuple[Finding, ...]
    listed: tuple[CredentialEntry, ...]

    @property
    def registries(self) -> frozenset[str]:
        """The registries that OSMO can log in to."""
        return frozenset(entry.profile or "" for entry in self.listed if entry.type == "REGISTRY")


@dataclass(frozen=True)
class _Kind:
    """One of the two: `name` is what a new one is called. A registry has one, whatever it is called."""

    name: str
    type: str
    lacking: str
    make: Callable[[SecretStr], CredentialValue]
    registry: str | None = None

    def find(self, listed: Iterable[CredentialEntry]) -> CredentialEntry | None:
        return next((one for one in listed if self._is_that(one)), None)

    def _is_that(self, one: CredentialEntry) -> bool:
        return one.type == self.type and (one.profile == self.registry if self.registry else one.name == self.name)


_HF = _Kind(
    HF_CREDENTIAL,
    "GENERIC",
    f"set HF_TOKEN to a token of huggingface.co: OSMO has no credential {HF_CREDENTIAL}, and no token is here",
    lambda token: GenericCredential(credential={"token": token, "HF_TOKEN": token}),
)
_NGC = _Kind(
    NGC_CREDENTIAL,
    "REGISTRY",
    f"set NGC_API_KEY if an image or endpoint wants an NGC key: OSMO has none for {NGC_REGISTRY}, and none is here",
    lambda key: RegistryCredential(registry=NGC_REGISTRY, username=NGC_USER, auth=key),
    NGC_REGISTRY,
)


def ensure_credentials(
    client: OsmoClient, secrets: Secrets, *, replace: Replace, needed: Collection[str] = ()
) -> CredentialReadiness:
    """Makes what is missing, replaces what is to be replaced. One whose name is `needed` blocks while it is missing.

    Raises OsmoError when the service cannot be asked what it has.
    """
    listed = client.credentials()
    findings = tuple(
        _ensure(client, kind, secret, listed, replace=replace, is_needed=kind.name in needed)
        for kind, secret in ((_HF, secrets.hf_token), (_NGC, secrets.ngc_key))
    )
    return CredentialReadiness(findings, client.credentials())


def _ensure(
    client: OsmoClient,
    kind: _Kind,
    secret: Secret | None,
    listed: Iterable[CredentialEntry],
    *,
    replace: Replace,
    is_needed: bool,
) -> Finding:
    entry, lacking = kind.find(listed), blocking if is_needed else note
    # Under another name it would be renamed, and tasks that ask for it would not find it.
    name = entry.name if entry else kind.name
    if entry and not (secret and replace.covers(secret)):
        return ready(kind.name, f"OSMO has {name}")
    if secret is None:
        return lacking(kind.name, kind.lacking)
    if entry is None and any(one.name == name for one in listed):
        message = f"run `osmo credential delete {name}`: OSMO has another credential of that name, of another kind"
        return lacking(kind.name, message)
    has_to_go = entry is not None and entry.type == "GENERIC"
    if has_to_go and (error := _delete(client, name)):
        return note(kind.name, f"the {name} that OSMO has could not be replaced: {error}")
    if error := _set(client, kind, name, kind.make(secret.value)):
        message = f"correct {secret.source}, then run `vda preflight`: OSMO does not take it as {name}: {error}"
        if has_to_go:
            return blocking(kind.name, f"{message}; OSMO has none now, since the old one had to be deleted before")
        return lacking(kind.name, f"{message}; the old one stays" if entry else message)
    return ready(kind.name, f"{name} of OSMO was {'replaced' if entry else 'made'} from {secret.source}")


def _set(client: OsmoClient, kind: _Kind, name: str, value: CredentialValue) -> str | None:
    """Why OSMO did not take it, None when it did."""

    def send() -> None:
        try:
            client.set_credential(name, value)
        except OsmoRefused:
            # A GENERIC one that exists by now: an answer was lost, or another process has made it.
            if kind.type != "GENERIC" or kind.find(client.credentials()) is None:
                raise

    return _error_of(send)


def _delete(client: OsmoClient, name: str) -> str | None:
    """Why it is still there, None when it is not."""

    def send() -> None:
        with suppress(OsmoNotFound):
            client.delete_credential(name)

    return _error_of(send)


def _error_of(send: Callable[[], None]) -> str | None:
    """What failed for good; what may mend itself is tried again at once."""
    try:
        Waiter(_PATIENCE, whom="OSMO", worth_waiting=(OsmoUnavailable, OsmoServerError)).ask(send)
    except OsmoError as error:
        return (isinstance(error, OsmoRefused) and error.service_message) or str(error)
    return None


def worker_credentials(deployment: Deployment, listed: Iterable[CredentialEntry]) -> dict[str, dict[str, str]]:
    """What each worker gets: OSMO credential -> {environment variable: key}.

    Of the two that OSMO has those, and what the deployment names itself, which wins where it names the same.
    """
    own = {name: dict(keys) for name, keys in deployment.task_credentials.items()}
    listed = tuple(listed)
    defaults: dict[str, dict[str, str]] = {}
    if hf := _HF.find(listed):
        defaults[hf.name] = {"HUGGING_FACE_HUB_TOKEN": "token"}
    if ngc := _NGC.find(listed):
        variables = ["NGC_CLI_API_KEY", *(f"{role.upper()}_API_KEY" for role in _roles_with_ngc_key(deployment))]
        defaults[ngc.name] = dict.fromkeys(variables, "auth")
    # Which of two credentials for one variable a task would see is not said.
    taken = {variable for keys in own.values() for variable in keys}
    left = {
        name: {variable: key for variable, key in keys.items() if variable not in taken}
        for name, keys in defaults.items()
    }
    return {name: keys for name, keys in left.items() if keys} | own


def _roles_with_ngc_key(deployment: Deployment) -> list[Role]:
    """The endpoints that may see the NGC key: NVIDIA's or the cluster's, without a key of their own."""
    endpoints = {Role.VLM: deployment.endpoints.vlm, Role.LLM: deployment.endpoints.llm}
    return [
        role
        for role, endpoint in endpoints.items()
        if endpoint.api_key_env is None and may_have_the_ngc_key(endpoint.url)
    ]

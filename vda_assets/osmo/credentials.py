"""The three kinds of credential that can be set on an OSMO service (6.4); their values never show in a repr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr


class _CredentialValue(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GenericCredential(_CredentialValue):
    """Any keys. OSMO 6.4 refuses to set an existing one: delete it first."""

    credential: Mapping[str, SecretStr]


class RegistryCredential(_CredentialValue):
    """`registry` is a host, possibly with a path. Setting it replaces the one of the same registry."""

    registry: str
    username: str = ""
    auth: SecretStr


class DataCredential(_CredentialValue):
    """`endpoint` is a profile, e.g. `s3://bucket`, without a path. Setting it replaces the one of the same profile."""

    endpoint: str
    access_key_id: str
    access_key: SecretStr
    region: str | None = None
    override_url: str | None = None
    addressing_style: Literal["virtual", "path", "auto"] | None = None


CredentialValue = GenericCredential | RegistryCredential | DataCredential

_BODY_KEYS: dict[type[_CredentialValue], str] = {
    GenericCredential: "generic_credential",
    RegistryCredential: "registry_credential",
    DataCredential: "data_credential",
}


def request_body(value: CredentialValue) -> dict[str, Any]:
    """The body of OSMO's set call, secrets in the clear."""
    fields = value.model_dump(exclude_none=True)
    return {_BODY_KEYS[type(value)]: _revealed(fields)}


def secret_values(value: CredentialValue) -> tuple[str, ...]:
    """The texts that no message may hold."""
    if isinstance(value, GenericCredential):
        return tuple(secret.get_secret_value() for secret in value.credential.values())
    return ((value.auth if isinstance(value, RegistryCredential) else value.access_key).get_secret_value(),)


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return {key: _revealed(item) for key, item in value.items()} if isinstance(value, Mapping) else value

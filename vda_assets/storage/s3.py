"""How S3 is entered, and what OSMO enters as if it were S3: Swift, TOS, and Google with an HMAC pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import fsspec
from botocore.exceptions import NoCredentialsError
from botocore.session import get_session
from fsspec import AbstractFileSystem
from obstore.store import ObjectStore, S3Store

from vda_assets.storage.credentials import Limits, StorageCredential, obstore_limits
from vda_assets.storage.google import ENDPOINT as GOOGLE_ENDPOINT
from vda_assets.storage.undocumented import repeat_s3fs_once
from vda_assets.storage.url import StorageUrl

# OSMO 6.4's, for credentials that name none.
_DEFAULT_REGIONS = {"s3": "us-east-1", "swift": "us-east-1", "gs": "us-east1", "tos": "cn-beijing"}
_IDENTITY_LASTS = timedelta(minutes=5)


@dataclass(frozen=True)
class S3Settings:
    """`endpoint` is None for AWS. `virtual` says that the bucket's name is part of the host's."""

    endpoint: str | None
    region: str
    virtual: bool
    key_id: str | None
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, url: StorageUrl, credential: StorageCredential) -> S3Settings:
        endpoint = credential.override_url
        if endpoint is None and url.scheme != "s3":
            endpoint = GOOGLE_ENDPOINT if url.scheme == "gs" else f"https://{url.parts[0]}"
        # OSMO 6.4 takes virtual addressing for endpoints of one's own too; botocore leaves it where a host is a number.
        style = credential.addressing_style or "virtual"
        virtual = style == "virtual" if endpoint else style != "path"
        if endpoint and (urlsplit(endpoint).hostname or "").replace(".", "").isdigit():
            virtual = False
        region = credential.region or (None if endpoint else get_session().get_config_variable("region"))
        region = region or _DEFAULT_REGIONS[url.scheme]
        return cls(endpoint, region, virtual, credential.access_key_id, credential.access_key)


def _expect_nothing(params: dict[str, Any], **_: Any) -> None:
    """Removes botocore's `Expect: 100-continue`: aiohttp 3 waits for the answer to it without any time limit."""
    params["headers"].pop("Expect", None)


def s3_filesystem(settings: S3Settings, limits: Limits) -> AbstractFileSystem:
    config: dict[str, Any] = {
        "connect_timeout": limits.connect_seconds,
        "read_timeout": limits.read_seconds,
        "retries": {"mode": "standard", "total_max_attempts": limits.attempts},
        "s3": {"addressing_style": "virtual" if settings.virtual else "path"},
    }
    if settings.endpoint:
        # Checksum trailers are AWS's own; older MinIO, Swift, TOS and Google refuse or misread them.
        config |= {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    from aiobotocore.session import AioSession  # a third of a second to load

    session = AioSession()
    session.register("before-call.s3", _expect_nothing)
    filesystem: AbstractFileSystem = fsspec.filesystem(
        "s3",
        session=session,
        key=settings.key_id,
        secret=settings.key,
        endpoint_url=settings.endpoint,
        client_kwargs={"region_name": settings.region},
        config_kwargs=config,
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    repeat_s3fs_once(filesystem)
    return filesystem


def s3_store(settings: S3Settings, bucket: str, limits: Limits, *, whole_seconds: float) -> ObjectStore:
    endpoint = settings.endpoint
    if endpoint and settings.virtual:
        address = urlsplit(endpoint)
        endpoint = f"{address.scheme}://{bucket}.{address.netloc}"
    options: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if settings.key_id:
        # Given as options they would be mixed with a session token that the environment has for other keys.
        keys = {"access_key_id": settings.key_id, "secret_access_key": settings.key, "token": None, "expires_at": None}
        options["credential_provider"] = lambda: keys
    else:
        options["credential_provider"] = _AmbientAwsIdentity()
    return S3Store(
        bucket,
        region=settings.region,
        virtual_hosted_style_request=settings.virtual,
        **options,
        **obstore_limits(limits, whole_seconds),
    )


class _AmbientAwsIdentity:
    """Finds keys as botocore does, and so what s3fs finds: environment, profiles, web identity, the instance's role."""

    def __init__(self) -> None:
        self._session = get_session()

    def __call__(self) -> Any:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # botocore renews what is about to expire; it is asked again after a while, never later than that.
        frozen = credentials.get_frozen_credentials()
        expires_at = datetime.now(UTC) + _IDENTITY_LASTS if frozen.token else None
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expires_at,
        }

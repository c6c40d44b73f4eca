"""From whatever a storage library raised to one sentence: what happened, and which setting to change.

Each library wraps the service's answer in its own way, but all of them carry its error code in their text.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from vda_assets.storage.backends import endpoint_of
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.errors import AccessRefused, StorageUnavailable
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class Fault:
    """`is_specific`: the answer itself said what it is; a HEAD request's answer has no text to say it in."""

    error: StorageUnavailable
    is_specific: bool


# The first that matches counts. Codes of S3 and what speaks like it, Azure Blob Storage and Google Cloud Storage.
_FAULTS = (
    (
        StorageUnavailable,
        r"NoSuchBucket|ContainerNotFound|specified (bucket|container) does not exist|InvalidBucketName",
        "there is no {bucket!r}: create it, or correct the URL",
    ),
    (
        AccessRefused,
        r"ExpiredToken|TokenRefreshRequired|token[^.]{0,40} expired|in the specified time frame|invalid_grant",
        "the credential has expired: renew {secret}",
    ),
    (
        AccessRefused,
        r"InvalidAccessKeyId|InvalidClientTokenId",
        "the access key id is not known there: correct {key_id}",
    ),
    (
        AccessRefused,
        r"SignatureDoesNotMatch|InvalidAuthenticationInfo|Invalid Credentials|[Ii]nvalid (Access|Account) Key|"
        r"Incorrect padding|base64|InvalidToken|InvalidSecurity",
        "the key is wrong: correct {secret}",
    ),
    (
        AccessRefused,
        r"NoCredentials|Unable to locate credentials|failed to retrieve a token|DefaultCredentialsError|"
        r"default credentials were not found|CredentialUnavailable|DefaultAzureCredential|NoAuthenticationInformation",
        "there is no credential: set access_key_env, or give this machine an identity that may enter",
    ),
    (
        StorageUnavailable,
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|incorrectly configured region|"
        r"region '[^']*' is wrong",
        "it lies in another region than {region}: set region",
    ),
    (
        AccessRefused,
        r"AccessDenied|AllAccessDisabled|AuthorizationPermissionMismatch|not authorized to perform|InsufficientAccount|"
        r"does not have storage\.|AccountIsDisabled|PublicAccessNotPermitted",
        "the credential may not do this: give it the permission, or name another one in {secret}",
    ),
    (
        StorageUnavailable,
        r"[Tt]imed? ?out|Timeout|deadline has elapsed",
        "{endpoint} stays silent for {limits.read_seconds:g} seconds, asked {limits.attempts} times: "
        "try later, or correct override_url",
    ),
    (
        StorageUnavailable,
        r"[Cc]onnect(ion|or)?|dns error|Name or service not known|error sending request|[Uu]nreachable|ProxyError|SSL|"
        r"certificate",
        "{endpoint} cannot be reached: correct override_url or addressing_style, or try later",
    ),
)
_UNSPECIFIC = (
    (
        AccessRefused,
        r"AuthenticationFailed|failed to authenticate the request",
        "the key is wrong: correct {secret}",
    ),
    (
        AccessRefused,
        r"PermissionError|Forbidden|PermissionDenied|Unauthenticated|Unauthorized|\b40[13]\b",
        "access is refused: correct {secret}, or give the credential the permission",
    ),
    (StorageUnavailable, r"", "{first_line}"),
)

# Disks of this machine, which copies go to: nothing that a storage profile could change.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_LIBRARIES = re.compile(
    r"(adlfs|aiobotocore|aiohttp|asyncio|azure|binascii|botocore|fsspec|gcsfs|google|obstore|s3fs)\b"
)


def comes_from_storage(error: Exception) -> bool:
    """False for errors of a local file that is copied from or to, and of who reads what was opened."""
    if isinstance(error, OSError):
        return error.errno not in _DISK_ERRORS and not str(error.filename or "").startswith("/")
    return _LIBRARIES.match(type(error).__module__) is not None


def explain(error: BaseException, url: StorageUrl, credential: StorageCredential, limits: Limits) -> Fault:
    """What the error means for the URL."""
    text = _text_of(error, url)
    found = next((fault for fault in _FAULTS if re.search(fault[1], text)), None)
    kind, _, template = found or next(fault for fault in _UNSPECIFIC if re.search(fault[1], text))
    meaning = template.format(
        bucket=url.bucket,
        secret="access_key_env" if credential.access_key else "the ambient identity, or set access_key_env",
        key_id="access_key_id_env" if credential.access_key_id else "the ambient identity",
        region=repr(credential.region) if credential.region else "the default one",
        endpoint=endpoint_of(url, credential),
        limits=limits,
        first_line=_first_line(error),
    )
    return Fault(kind(f"{url}: {meaning} (storage profile {url.profile})"), found is not None)


def _text_of(error: BaseException, url: StorageUrl) -> str:
    """The error and everything it came from, without the names that were asked for and obstore's own settings."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 10:
        texts.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or cause.__context__
    return re.sub(r"https?://\S+|retry_timeout|" + re.escape(url.key or "//"), "", "\n".join(texts))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__

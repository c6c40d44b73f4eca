"""Makes one sentence of whatever a storage library raised: what happened, and which setting to change.

Each library wraps the service's answer in its own way, but all of them carry its error code in their text.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from vda_assets.storage.backends import endpoint_of
from vda_assets.storage.credentials import Limits, StorageCredential
from vda_assets.storage.errors import (
    AccessRefused,
    ObjectArchived,
    ObjectUnusable,
    StorageUnavailable,
    TemporarilyUnavailable,
)
from vda_assets.storage.url import StorageUrl


@dataclass(frozen=True)
class Fault:
    """`is_specific` when the answer said what is wrong. The answer to a HEAD request has no text, and cannot."""

    error: StorageUnavailable | ObjectUnusable
    is_specific: bool


# The error's class, what its text has, and what to say.
_Entry = tuple[type[StorageUnavailable] | type[ObjectUnusable], str, str]
# The first that matches counts. Codes of S3 and what speaks like it, Azure Blob Storage and Google Cloud Storage.
_FAULTS: tuple[_Entry, ...] = (
    (
        ObjectArchived,
        r"InvalidObjectState|not valid for the object's storage class|BlobArchived|an archived blob|"
        r"BlobBeingRehydrated|being rehydrated",
        "it lies in an archive: restore it (S3), or give it an access tier that is online (Azure), and try again then",
    ),
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
        r"PanicException: .*(InvalidHeaderValue|InvalidUri)",
        "a setting has a character that no request can carry: correct {key_id}, {secret}, region or override_url",
    ),
    (
        StorageUnavailable,
        r"PanicException",
        "the library obstore broke down ({first_line}): report it there, and try again",
    ),
    (
        TemporarilyUnavailable,
        r"SlowDown|[Rr]educe your request rate|ServerBusy|[Tt]oo ?[Mm]any ?[Rr]equests|RequestLimitExceeded|Throttl|"
        r"Service ?Unavailable|Internal ?(Server ?)?Error|Bad Gateway|Gateway Time-?out|backendError|"
        r"status code: (429|50[0234])|\((429|50[0234])\)|, (429|50[0234])$",
        "{endpoint} cannot answer just now ({answer}): try later",
    ),
    (
        StorageUnavailable,
        r"[Cc]ertificate|CERTIFICATE|WRONG_VERSION_NUMBER|InvalidContentType",
        "{endpoint} speaks no TLS that this machine trusts: correct override_url, or its certificate",
    ),
    (
        TemporarilyUnavailable,
        r"[Tt]imed? ?out|Timeout|deadline has elapsed",
        "{endpoint} stays silent for {limits.read_seconds:g} seconds, asked {limits.attempts} times: "
        "try later, or correct override_url",
    ),
    (
        TemporarilyUnavailable,
        r"[Cc]onnect(ion|or)?|dns error|Name or service not known|error sending request|[Uu]nreachable|ProxyError|SSL",
        "{endpoint} cannot be reached: correct override_url or addressing_style, or try later",
    ),
)
_UNSPECIFIC: tuple[_Entry, ...] = (
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
)

# Disks of this machine, which copies go to: nothing that a storage profile could change.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# Of ids, those that are called so (S3, Azure), and whatever else is long and has both letters and digits.
_BY_CHANCE = re.compile(
    r"https?://\S+|retry_timeout|(?i:(request|host|trace|client-request)-?id)(>|\W{1,4})[\w+/=-]+|"
    r"(?<![\w+/=-])(?=[a-zA-Z+/=_-]*\d)(?=[\d+/=_-]*[a-zA-Z])[\w+/=-]{16,}"
)
_LIBRARIES = re.compile(
    r"(adlfs|aiobotocore|aiohttp|asyncio|azure|binascii|botocore|fsspec|gcsfs|google|obstore|pyo3_runtime|s3fs)\b"
)


def comes_from_storage(error: BaseException) -> bool:
    """True for errors of storage and its libraries.

    False for those of the local file that is copied from or to, and of whoever reads what was opened.
    """
    if isinstance(error, OSError):
        return error.errno not in _DISK_ERRORS and not str(error.filename or "").startswith("/")
    return _LIBRARIES.match(type(error).__module__) is not None


def explain(error: BaseException, url: StorageUrl, credential: StorageCredential, limits: Limits) -> Fault:
    """The fault that the error stands for, as an error that names the URL and the setting to change."""
    text = _text_of(error, url)
    found = _first_of(_FAULTS, text)
    kind, template, answer = found or _first_of(_UNSPECIFIC, text) or (StorageUnavailable, "{first_line}", "")
    meaning = template.format(
        bucket=url.bucket,
        secret="access_key_env" if credential.access_key else "the ambient identity, or set access_key_env",
        key_id="access_key_id_env" if credential.access_key_id else "the ambient identity",
        region=repr(credential.region) if credential.region else "the default one",
        endpoint=endpoint_of(url, credential),
        limits=limits,
        first_line=_first_line(error),
        answer=answer,
    )
    return Fault(kind(str(url), f"{meaning} (storage profile {url.profile})"), found is not None)


def _first_of(faults: Sequence[_Entry], text: str) -> _Entry | None:
    """Class and template of the first fault that the text has, and the words of the text that say so; None for none."""
    matches = ((kind, template, re.search(pattern, text, re.MULTILINE)) for kind, pattern, template in faults)
    return next(((kind, template, match[0]) for kind, template, match in matches if match), None)


def _text_of(error: BaseException, url: StorageUrl) -> str:
    """The error's text and that of everything it came from.

    Taken out is what may be called like an error by chance: the names that were asked for, obstore's own settings,
    and the random ids by which a service knows its answer, of which one in some hundred thousands has an SSL in it.
    """
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(texts) < 10:
        texts.append(f"{type(cause).__name__}: {cause}")
        cause = cause.__cause__ or cause.__context__
    names = {url.bucket, url.key, quote(url.key)} - {""}
    return re.sub("|".join([_BY_CHANCE.pattern, *map(_named, names)]), "", "\n".join(texts))


def _named(name: str) -> str:
    """Where a text has the name of something. One plain word is a name only where it stands like one."""
    if name.isalpha():
        return rf"(?<=[/>'\"]){name}(?=[/<'\"])"
    return rf"(?<![\w-]){re.escape(name)}(?![\w-])"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__

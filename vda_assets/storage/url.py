"""Storage URLs with OSMO's grammar (6.4), plus `file://` for the embedded default.

Every place in this project is a `StorageUrl`; text becomes one at the edge, by `StorageUrl.parse`, and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vda_assets.storage.errors import BadStorageUrl

FILE_SCHEME = "file"
# How many leading components (after the scheme) name the bucket, and how many name the credential's profile.
_BUCKET_DEPTH = {"s3": 1, "gs": 1, "swift": 3, "tos": 2, "azure": 2, FILE_SCHEME: 0}
_PROFILE_DEPTH = {"s3": 1, "gs": 1, "swift": 2, "tos": 2, "azure": 1, FILE_SCHEME: 0}
_SHAPES = {
    "s3": "s3://bucket/path",
    "gs": "gs://bucket/path",
    "swift": "swift://host/namespace/container/path",
    "tos": "tos://host/bucket/path",
    "azure": "azure://account/container/path",
    FILE_SCHEME: "file:///absolute/path",
}
# OSMO 6.4 refuses these in any component of a data URL.
_REFUSED = re.compile("[,;*]")
# What would become, or be taken for, another object: Azure stores a backslash as a slash, and s3fs takes what follows
# for a version of the object before it.
_MISTAKEN = {
    "azure": ("\\", "Azure stores as a slash"),
    **dict.fromkeys(("s3", "gs", "swift", "tos"), ("?versionId=", "S3's clients take for a version of another object")),
}
DATASETS_FOLDER = "datasets"


@dataclass(frozen=True)
class StorageUrl:
    """`parts` are the components after the scheme, first down to the bucket, then the path.

    There is at least one, and none is empty, `.` or `..`.
    """

    scheme: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> StorageUrl:
        """Returns the URL; raises BadStorageUrl that names the URL, the rule and the shape that is expected."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in _SHAPES:
            known = ", ".join(_SHAPES.values())
            raise BadStorageUrl(f"{text!r} is no storage URL; use one of: {known}")
        if scheme == FILE_SCHEME and not rest.startswith("/"):
            raise BadStorageUrl(f"{text!r}: a file URL needs an absolute path: {_SHAPES[scheme]}")
        # OSMO collapses repeated slashes and allows trailing ones.
        parts = tuple(part for part in rest.split("/") if part)
        if len(parts) < max(1, _BUCKET_DEPTH[scheme]):
            raise BadStorageUrl(f"{text!r} names no bucket; expected {_SHAPES[scheme]}")
        for part in parts:
            if fault := _fault_of(part, scheme):
                raise BadStorageUrl(f"{text!r}{fault}")
        return cls(scheme, parts)

    def __str__(self) -> str:
        slash = "/" if self.scheme == FILE_SCHEME else ""
        return f"{self.scheme}://{slash}{'/'.join(self.parts)}"

    def __truediv__(self, relative: str) -> StorageUrl:
        """The URL below this one; `relative` may hold slashes. Raises BadStorageUrl rather than leave this URL."""
        below = tuple(relative.split("/"))
        for part in below:
            if fault := _fault_of(part, self.scheme):
                raise BadStorageUrl(f"{f'{self}/{relative}'!r}{fault}")
        return StorageUrl(self.scheme, self.parts + below)

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def parent(self) -> StorageUrl:
        if len(self.parts) <= max(1, _BUCKET_DEPTH[self.scheme]):
            raise BadStorageUrl(f"{self} has no parent inside its bucket")
        return StorageUrl(self.scheme, self.parts[:-1])

    @property
    def bucket(self) -> str:
        """The name of the bucket, which Azure and Swift call a container; empty for `file://`."""
        depth = _BUCKET_DEPTH[self.scheme]
        return self.parts[depth - 1] if depth else ""

    @property
    def key(self) -> str:
        """The object's key inside its bucket, without a leading slash."""
        return "/".join(self.parts[_BUCKET_DEPTH[self.scheme] :])

    @property
    def profile(self) -> str:
        """The key under which OSMO looks for the DATA credential, `s3://bucket` or `azure://account`."""
        return f"{self.scheme}://{'/'.join(self.parts[: _PROFILE_DEPTH[self.scheme]])}"


def parse_profile(text: str) -> str:
    """The text, when it is a profile such as `s3://bucket` or `azure://account`. Raises BadStorageUrl for a path."""
    profile = StorageUrl.parse(f"{text.rstrip('/')}/x").profile
    if profile != text.rstrip("/"):
        raise BadStorageUrl(f"{text!r} is no profile: a credential opens a whole one, such as {profile!r}, not a path")
    return profile


def split_dataset_url(url: StorageUrl) -> tuple[StorageUrl, str]:
    """`(storage_url, dataset)` of a dataset's own URL, `<storage_url>/datasets/<dataset>`.

    Raises BadStorageUrl when the URL has another shape: the root is derived, never guessed.
    """
    shape = f"<storage_url>/{DATASETS_FOLDER}/<dataset>"
    inside = len(url.parts) - _BUCKET_DEPTH[url.scheme]
    if inside < 2 or url.parts[-2] != DATASETS_FOLDER:
        raise BadStorageUrl(f"{url} does not say where its storage root is; a dataset lies at {shape}")
    if url.scheme == FILE_SCHEME and len(url.parts) < 3:
        raise BadStorageUrl(f"{url} has no folder above {DATASETS_FOLDER}/; a dataset lies at {shape}")
    return StorageUrl(url.scheme, url.parts[:-2]), url.name


def _fault_of(part: str, scheme: str) -> str:
    """What is wrong with a component, to be said behind its URL; "" when nothing is."""
    if part in {"", ".", ".."}:
        return " has an empty, '.' or '..' component"
    refused = _REFUSED.search(part)
    if refused or not part.isprintable():
        what = f"the character {refused[0]!r}" if refused else "a character that cannot be printed"
        return f": component {part!r} has {what}, which OSMO refuses"
    mistaken, meaning = _MISTAKEN.get(scheme, ("", ""))
    if mistaken and mistaken in part:
        return f": component {part!r} has {mistaken!r}, which {meaning}: rename it"
    return ""

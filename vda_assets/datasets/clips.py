"""The clips of a dataset: what lies in its folder, which of it can be used, and the key each clip goes by.

A clip's key is its path under the dataset's folder, made safe and reversible: every byte outside `A-Za-z0-9._-`
becomes `=XX`. Its `video` is the key without the extension: the name of its folders under a run's outputs.

A further augmentation of a clip, beyond those that its cookbook asks for of every clip, goes by a key of its own, the
clip's with `=aug<index>` behind it: it is asked for, made, judged and kept in the books like a clip.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import quote_from_bytes, unquote_to_bytes

from vda_assets.base.counted import counted
from vda_assets.storage.access import Storage
from vda_assets.storage.errors import BadClipName, BadStorageUrl
from vda_assets.storage.objects import StoredObject
from vda_assets.storage.url import FILE_SCHEME, StorageUrl

MP4 = ".mp4"
CLIP_EXTENSIONS = (MP4, ".mov", ".avi", ".mkv")
HIDDEN, BARE, _OTHER = "hidden", "bare", "other"
_KIND_NAMES = {
    HIDDEN: ("hidden file", "hidden files"),
    BARE: ("file without an extension", "files without an extension"),
    _OTHER: ("other file", "other files"),
}
# Dagster 1.13 validates no dynamic partition key; these are the keys that survive its tags, ranges and pages.
_KEY_PATTERN = re.compile(r"^[A-Za-z0-9=][A-Za-z0-9._=-]{0,199}$")
# No clip's key ends so: a `=` in one is followed by two of 0-9A-F.
_FURTHER = re.compile(r"=aug(0|[1-9][0-9]{0,5})\Z")
# A copy into a local folder is not atomic: what changed this recently may still be growing.
SETTLE_SECONDS = 3.0
# How many paths that begin with a clip's name and a dot are looked through for its .mp4 before the clip is taken.
_LOOK_AHEAD = 1000
# A dot that does not begin a component.
_NAMING_DOT = re.compile(r"(?<=[^/])\.")
# What is skipped is counted by kind; names without end must not make kinds without end.
_MOST_KINDS = 20
_LONGEST_EXTENSION = 10


@dataclass(frozen=True)
class Clip:
    """One usable clip, or a further augmentation of one by its key. `version` changes when the content does: the
    backend's etag, or size and mtime of a file."""

    key: str
    url: StorageUrl
    size_bytes: int
    version: str
    modified: float  # seconds since 1970

    @property
    def video(self) -> str:
        return video_of(self.key)

    @cached_property
    def path(self) -> str:
        """The real object's path under the dataset's folder. A listing asks for it again and again."""
        return path_of(self.key)

    @property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return f".{self.path.rsplit('.', 1)[1].lower()}"

    @property
    def further(self) -> int | None:
        """The index of the further augmentation that the key stands for, None for the clip itself."""
        return further_of(self.key)

    def augmented_further(self, index: int) -> Clip:
        """The clip by the key of that further augmentation of it."""
        return replace(self, key=f"{self.key}=aug{index}")


@dataclass(frozen=True)
class LeftOut:
    """An object that looks like a clip, by its path under the dataset's folder, and why it cannot be used."""

    path: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """An object that is no clip by its name alone; `kind` is what `skipped_kind` says."""

    path: str
    kind: str


@dataclass(frozen=True)
class SkippedByKind:
    """How many objects are no clips by their names: `counts` by kind, and the path of one of each kind."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, skipped: Skipped) -> None:
        kind = skipped.kind if skipped.kind in self.counts or len(self.counts) < _MOST_KINDS else _OTHER
        self.counts[kind] += 1
        self.examples.setdefault(kind, skipped.path)

    @property
    def lines(self) -> list[str]:
        """A line for people on each kind, the most frequent first."""
        return [
            f"skipped: {counted(count, *_KIND_NAMES.get(kind, (f'{kind} file',)))}, "
            f"{self.examples[kind]!r} for instance"
            for kind, count in self.counts.most_common()
        ]


@dataclass(frozen=True)
class Listing:
    """`left_out` says for every other object that looks like a clip why it cannot be used, by its path."""

    clips: tuple[Clip, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    skipped: SkippedByKind = field(default_factory=SkippedByKind)


def key_of(path: str) -> str:
    """The key of a clip's path under the dataset folder. Raises BadClipName for a path that no key can carry."""
    for component in path.split("/"):
        if not component or component in {".", ".."}:
            raise BadClipName(f"{path!r} has an empty, '.' or '..' component; rename the clip")
    key = quote_from_bytes(path.encode(), safe="").replace("~", "%7E").replace("%", "=")
    if key[0] in "._-":
        key = f"={ord(key[0]):02X}{key[1:]}"
    if not _KEY_PATTERN.match(key):
        raise BadClipName(
            f"{path!r} is too long: its key would have {len(key)} characters of at most 200; give the clip a "
            "shorter name (letters outside A-Z count three to nine times)"
        )
    return key


def path_of(key: str) -> str:
    """The path under the dataset folder that a key stands for; the reverse of `key_of`, and of a further augmentation
    the path of its clip.

    Raises BadClipName for what `key_of` makes of no path, such as `=41.mp4`, which `A.mp4` goes by.
    """
    no_key = BadClipName(f"{key!r} is no key of a clip; `vda videos --dataset NAME` lists them")
    key = clip_key(key)
    if not _KEY_PATTERN.match(key):
        raise no_key
    try:
        path = unquote_to_bytes(key.replace("=", "%")).decode()
        own = key_of(path)
    except (UnicodeDecodeError, BadClipName):
        raise no_key from None
    if own != key:
        raise BadClipName(f"{key!r} is no key of a clip: {path!r} goes by {own!r}")
    return path


def clip_key(key: str) -> str:
    """The key of the clip itself, of that of a further augmentation of it."""
    return _FURTHER.sub("", key)


def further_of(key: str) -> int | None:
    """The index of the further augmentation that a key stands for; None for the key of a clip."""
    found = _FURTHER.search(key)
    return int(found[1]) if found else None


def video_of(key: str) -> str:
    return key.rsplit(".", 1)[0]


def list_clips(storage: Storage, dataset_url: StorageUrl) -> Listing:
    """Lists a dataset's folder, nested ones too, sorted by key."""
    clips: list[Clip] = []
    left_out: dict[str, str] = {}
    skipped = SkippedByKind()
    for found in iterate_clips(storage, dataset_url):
        if isinstance(found, Clip):
            clips.append(found)
        elif isinstance(found, LeftOut):
            left_out[found.path] = found.reason
        else:
            skipped.add(found)
    return Listing(tuple(sorted(clips, key=lambda clip: clip.key)), left_out, skipped)


def iterate_clips(
    storage: Storage, dataset_url: StorageUrl, *, after: str = "", settled: bool = False
) -> Iterator[Clip | LeftOut | Skipped]:
    """Lists the same clips one by one, in the order of their paths, in memory that does not grow with the dataset.

    Goes on behind the path `after`, whether anything lies there or not. With `settled`, files of a local folder that
    changed within `SETTLE_SECONDS` are left out for now.
    """
    now = time.time()
    grows_since = now - SETTLE_SECONDS if settled and dataset_url.scheme == FILE_SCHEME else math.inf
    # Clips that differ only in their extension would write into the same folders. All paths that begin with one's name
    # and a dot follow each other, so the names to remember are those that the present path begins with.
    kept: list[tuple[str, str]] = []
    coming = _Coming(
        _clip_or_reason(found, dataset_url, grows_since=grows_since, now=now)
        for found in storage.walk(dataset_url, after=_first_namesake(after))
    )
    for found in coming:
        result: Clip | LeftOut | Skipped = found
        while kept and not found.path.startswith(f"{kept[-1][0]}."):
            kept.pop()
        if isinstance(found, Clip):
            name = _without_extension(found.path)
            namesake = kept[-1][1] if kept and kept[-1][0] == name else coming.mp4_of(found)
            if namesake:
                result = LeftOut(found.path, f"its outputs would mix with those of {namesake!r}; rename one")
            elif twin := _other_form(storage, dataset_url, found.path):
                result = LeftOut(found.path, f"it reads as {twin!r}, which is there too; delete or rename one")
            else:
                kept.append((name, found.path))
        if result.path > after:
            yield result


def _other_form(storage: Storage, dataset_url: StorageUrl, path: str) -> str | None:
    """The object whose name is the same text in Unicode's composed form, when `path` is in another form and there is
    such an object: macOS writes `u` and two dots where others write `ü`."""
    composed = unicodedata.normalize("NFC", path)
    return composed if composed != path and storage.exists(dataset_url / composed) else None


class _Coming(Iterator[Clip | LeftOut | Skipped]):
    """A listing that can be looked into before its next clip is taken."""

    def __init__(self, listing: Iterator[Clip | LeftOut | Skipped]) -> None:
        self._listing = listing
        self._seen: deque[Clip | LeftOut | Skipped] = deque()

    def __next__(self) -> Clip | LeftOut | Skipped:
        return self._seen.popleft() if self._seen else next(self._listing)

    def mp4_of(self, clip: Clip) -> str | None:
        """The path of the clip's namesake that the containers take as it is, when the clip itself is no .mp4."""
        if clip.suffix == MP4:
            return None
        name = _without_extension(clip.path)
        for found in self._ahead():
            if not found.path.startswith(f"{name}."):
                return None
            if isinstance(found, Clip) and found.suffix == MP4 and _without_extension(found.path) == name:
                return found.path
        return None

    def _ahead(self) -> Iterator[Clip | LeftOut | Skipped]:
        yield from self._seen
        while len(self._seen) < _LOOK_AHEAD and (found := next(self._listing, None)):
            self._seen.append(found)
            yield found


def skipped_kind(path: str) -> str | None:
    """Why a path is no clip's: HIDDEN, BARE of an extension, or which one it has in lower case; None for a clip's."""
    name = path.rpartition("/")[2]
    if name.startswith("."):
        return HIDDEN
    stem, dot, extension = name.rpartition(".")
    kind = f".{extension.lower()}" if stem and dot and len(extension) <= _LONGEST_EXTENSION else BARE
    return None if kind in CLIP_EXTENSIONS else kind


def _without_extension(path: str) -> str:
    return path.rpartition(".")[0]


def _first_namesake(path: str) -> str:
    """What sorts before every path that shares its clip's name with one behind `path`: a listing that goes on behind
    `path` begins there, because such a clip decides whether one behind `path` is kept.

    A dot of a folder counts as well: behind `a.b/c.mp4` comes `a.mov`, which `a.avi` may keep out. One that hides a
    file or folder does not: no clip's name ends before it.
    """
    return _NAMING_DOT.split(path, maxsplit=1)[0]


def _clip_or_reason(
    found: StoredObject, dataset_url: StorageUrl, *, grows_since: float, now: float
) -> Clip | LeftOut | Skipped:
    if kind := skipped_kind(found.path):
        return Skipped(found.path, kind)
    if grows_since < found.modified <= now:
        return LeftOut(found.path, "it was changed just now and may still be growing")
    try:
        return _clip(found, dataset_url)
    except (BadClipName, BadStorageUrl) as error:
        return LeftOut(found.path, str(error))


def clip_at(storage: Storage, dataset_url: StorageUrl, key: str) -> Clip:
    """The clip of a key. Raises BadClipName for an unusable one, FileNotFoundError when nothing lies there."""
    path = path_of(key)
    try:
        found = storage.info(dataset_url / path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; upload it again, or leave it out") from None
    return replace(_clip(found._replace(path=path), dataset_url), key=key)


def _clip(found: StoredObject, dataset_url: StorageUrl) -> Clip:
    path = found.path
    if skipped_kind(path):
        raise BadClipName(f"{path!r} is no clip: only {', '.join(CLIP_EXTENSIONS)} are taken")
    if found.size_bytes == 0:
        raise BadClipName(f"{path!r} has zero bytes; upload it again")
    url = dataset_url / path
    return Clip(key=key_of(path), url=url, size_bytes=found.size_bytes, version=found.version, modified=found.modified)

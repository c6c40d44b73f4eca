"""What can go wrong between us and a bucket.

StorageError
├── BadStorageUrl              the URL breaks OSMO's grammar, or no backend of its kind can hold the object's name
├── BadClipName                a clip cannot be carried through under its name; somebody must rename it
├── ObjectUnusable             one object is there, but cannot be read; the others can
│   ├── ObjectArchived         it lies in an archive; somebody must restore it first
│   └── ObjectTooLarge         it has more bytes than its reader takes
└── StorageUnavailable         the backend as a whole did not do what was asked: who, where, and what to change
    ├── AccessRefused          it is there, but this credential does not open it
    └── TemporarilyUnavailable it does not answer, or says that it cannot just now: the one that is worth waiting for

A single object that is not there is a FileNotFoundError that names its URL.
"""


class StorageError(Exception):
    """Every error of this room."""


class BadStorageUrl(StorageError, ValueError):
    pass


class BadClipName(StorageError, ValueError):
    pass


class _AskedFor(StorageError):
    """What was asked for, by its URL, and why it cannot be had. `cause` is the same text for all that it befalls."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(url, cause)
        self.url, self.cause = url, cause

    def __str__(self) -> str:
        return f"{self.url}: {self.cause}"


class ObjectUnusable(_AskedFor):
    pass


class ObjectArchived(ObjectUnusable):
    pass


class ObjectTooLarge(ObjectUnusable):
    pass


class StorageUnavailable(_AskedFor):
    pass


class AccessRefused(StorageUnavailable):
    pass


class TemporarilyUnavailable(StorageUnavailable):
    pass

"""What can go wrong between us and a bucket.

StorageError
├── BadStorageUrl          the URL breaks OSMO's grammar; somebody must correct the configuration
├── BadClipName            a clip cannot be carried through under its name; somebody must rename it
└── StorageUnavailable     the backend as a whole did not do what was asked: who, where, and what to change
    └── AccessRefused      it is there, but this credential does not open it

A single object that is not there is a FileNotFoundError that names its URL.
"""


class StorageError(Exception):
    """Every error of this room."""


class BadStorageUrl(StorageError, ValueError):
    pass


class BadClipName(StorageError, ValueError):
    pass


class StorageUnavailable(StorageError):
    pass


class AccessRefused(StorageUnavailable):
    pass

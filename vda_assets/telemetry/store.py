"""Whether storage answers, and how fast: one object is asked for that is not there."""

from __future__ import annotations

from collections.abc import Callable

from vda_assets.storage.access import Storage
from vda_assets.storage.url import StorageUrl

_NOWHERE = ".vda-metrics"


class Store:
    """`name` is the storage profile; `folder` is one that the login may list."""

    source = "storage"

    def __init__(self, folder: StorageUrl, open_storage: Callable[[], Storage]) -> None:
        self.name, self._folder, self._open = folder.profile, folder, open_storage
        self._storage: Storage | None = None

    def read(self) -> Callable[[], None]:
        if self._storage is None:
            self._storage = self._open()
        self._storage.exists(self._folder / _NOWHERE)
        return self.forget

    def forget(self) -> None:
        """There is nothing but how long it took."""

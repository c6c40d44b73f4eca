"""Pushes a release to a dataset repository on the Hugging Face hub: in lots, the manifest last, and then its tag.

`main` holds one release, the one pushed last, and the tag of each version holds that one for ever. CONTENT is committed
first and says which release the rest belongs to, so a push that was killed goes on from what `main` has.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.utils.sha import git_hash

from vda_assets.base.counted import counted
from vda_assets.base.patience import say_nothing
from vda_assets.publishing.errors import PlaceTaken, PushRefused
from vda_assets.publishing.finished import Finished, list_files
from vda_assets.publishing.hub import HubFile, HubRepository
from vda_assets.publishing.packing import Item, items_in, make
from vda_assets.releases.layout import CARD_FILE, CHECKSUMS_FILE, CONTENT_FILE, MANIFEST_FILE

# What lies on this machine at once is one lot: so many bytes, and the file that goes beyond them.
_LOT_BYTES = 1 << 30
_LOT_FILES = 250
_DELETED_AT_ONCE = 1000
_LAST = (CARD_FILE, CHECKSUMS_FILE, MANIFEST_FILE)
# What the hub itself puts into a new repository.
_HUB_S_OWN = {".gitattributes", CARD_FILE}


def push_to_hub(
    finished: Finished, repository: HubRepository, *, public: bool, log: Callable[[str], None] = say_nothing
) -> bool:
    """Makes `main` of the repository this release, and tags it with the version; False when it was there already.

    Raises NotFinished, PlaceTaken, PushRefused and HubUnavailable.
    """
    seen = repository.visibility()
    if seen == "public" and not public:
        raise PushRefused(f"{repository.name} is public: say --public to push there, or name a private repository")
    if seen is None:
        repository.create(private=not public)
        seen = "public" if public else "private"
    with tempfile.TemporaryDirectory(prefix="vda-push-") as temporary:
        is_new = not _is_tagged(finished, repository)
        if is_new:
            _Push(finished, repository, Path(temporary), log).run()
    if public and seen == "private":
        repository.make_public()
    return is_new


def _is_tagged(finished: Finished, repository: HubRepository) -> bool:
    """Raises PlaceTaken when the tag is that of another content."""
    there = repository.files_at(finished.version, [CONTENT_FILE, MANIFEST_FILE])
    if there is None:
        return False
    if not _is(there, CONTENT_FILE, _content(finished)) or not _is(there, MANIFEST_FILE, finished.manifest_bytes):
        raise PlaceTaken(
            f"{repository.name} has a tag {finished.version} of another content, and a version never changes: push to "
            "another repository, or release under another version"
        )
    return True


@dataclass
class _Push:
    """`folder` is a local one for what is on its way."""

    finished: Finished
    repository: HubRepository
    folder: Path
    log: Callable[[str], None]
    head: str = ""

    def run(self) -> None:
        self.head = self.repository.head()
        there = self.repository.files(self.head)
        listed = list_files(self.finished, self.folder)
        items = {item.path: item for item in items_in(listed)}
        if not (_is(there, CONTENT_FILE, _content(self.finished)) and MANIFEST_FILE in there):
            self._begin(there)
            wanted = [item for path, item in items.items() if path not in (CONTENT_FILE, *_LAST)]
            lacking = [item for item in wanted if not _is_there(item, there)]
            self.log(f"{counted(len(lacking), 'file')} of {len(items)} to be sent to {self.repository}")
            self._add(lacking, listed)
            self._delete(sorted(there.keys() - items.keys() - set(_LAST) - _HUB_S_OWN))
            self._end(items[CARD_FILE], listed)
        self._require(items)
        self.repository.tag(self.finished.version, self.head)

    def _begin(self, there: Mapping[str, HubFile]) -> None:
        """From here on nobody takes `main` for whole. Raises PlaceTaken where no push began what is there."""
        if CONTENT_FILE not in there and there.keys() - _HUB_S_OWN:
            raise PlaceTaken(f"{self.repository.name} holds files that no release has: name a new repository")
        content = _content(self.finished)
        if not _is(there, CONTENT_FILE, content):
            former = [CommitOperationDelete(MANIFEST_FILE)] if MANIFEST_FILE in there else []
            self._commit([CommitOperationAdd(CONTENT_FILE, content), *former], "begins")

    def _add(self, items: Sequence[Item], listed: Path) -> None:
        sent = 0
        for paths in self._lots(items, listed):
            adds = [_addition(items[sent + number], path) for number, path in enumerate(paths)]
            self._commit(adds, f"files {sent + 1} to {sent + len(paths)} of {len(items)}")
            sent += len(paths)
            self.log(f"sent: {sent} of {counted(len(items), 'file')}")

    def _lots(self, items: Sequence[Item], listed: Path) -> Iterator[list[Path]]:
        """The files of the items, in their order; those of a lot are gone when the next is asked for."""
        folder = self.folder / "lot"
        folder.mkdir()
        paths: list[Path] = []
        size_bytes = 0
        for number, item in enumerate(items, start=1):
            paths.append(folder / str(len(paths)))
            make(item, self.finished, listed, paths[-1])
            size_bytes += paths[-1].stat().st_size
            if len(paths) >= _LOT_FILES or size_bytes >= _LOT_BYTES or number == len(items):
                yield paths
                shutil.rmtree(folder)
                folder.mkdir()
                paths, size_bytes = [], 0

    def _delete(self, paths: Sequence[str]) -> None:
        """What an earlier release had."""
        for first in range(0, len(paths), _DELETED_AT_ONCE):
            lot = paths[first : first + _DELETED_AT_ONCE]
            self._commit(
                [CommitOperationDelete(path, is_folder=False) for path in lot], "without what it does not have"
            )

    def _end(self, card: Item, listed: Path) -> None:
        path = self.folder / "card"
        make(card, self.finished, listed, path)
        sums = CommitOperationAdd(CHECKSUMS_FILE, self.folder / CHECKSUMS_FILE)
        manifest = CommitOperationAdd(MANIFEST_FILE, self.finished.manifest_bytes)
        self._commit([manifest, sums, _addition(card, path)], "is whole")

    def _commit(self, operations: Sequence[CommitOperationAdd | CommitOperationDelete], what: str) -> None:
        named = f"{self.finished.manifest.get('dataset', 'release')} {self.finished.version}"
        self.head = self.repository.commit(operations, f"{named}: {what}", parent=self.head)

    def _require(self, items: Mapping[str, Item]) -> None:
        """Raises PushRefused when the hub has not got all of it, whatever it answered."""
        there = self.repository.files(self.head)
        lost = [path for path, item in items.items() if path not in there or not _may_be(item, there[path])]
        if lost or not _is(there, MANIFEST_FILE, self.finished.manifest_bytes):
            raise PushRefused(
                f"{self.repository.name} has not got all that was sent, such as {(lost or [MANIFEST_FILE])[0]}: does a "
                ".gitignore there keep it out? Push to a new repository"
            )


def _content(finished: Finished) -> bytes:
    return f"{finished.content}\n".encode()


def _is(there: Mapping[str, HubFile], path: str, content: bytes) -> bool:
    """Whether the hub has this content in git itself, as it has all small texts."""
    return path in there and there[path].git_id == git_hash(content)


def _is_there(item: Item, there: Mapping[str, HubFile]) -> bool:
    """A small text, of which the hub has no sha256, is read again; the library sends it only when it differs."""
    found = there.get(item.path)
    return found is not None and (item.sha256 is None or found.sha256 == item.sha256)


def _may_be(item: Item, found: HubFile) -> bool:
    if item.sha256 is None:
        return True
    return found.sha256 == item.sha256 if found.sha256 else found.size_bytes == item.size_bytes


def _addition(item: Item, path: Path) -> CommitOperationAdd:
    addition = CommitOperationAdd(item.path, path)
    if item.sha256 is not None:
        addition.upload_info.sha256 = bytes.fromhex(item.sha256)
    return addition

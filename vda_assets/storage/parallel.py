"""Several copies at once, where that pays."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from vda_assets.storage.url import FILE_SCHEME, StorageUrl

Item = TypeVar("Item")
Result = TypeVar("Result")
_COPIES_AT_ONCE = 8
# Below that, threads that copy files of this machine would only take turns at Python's lock.
LARGE_BYTES = 2 * 1024 * 1024


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], *, is_quick: Callable[[Item], bool]
) -> Iterator[Result]:
    """Results as they come; the first error ends what has not begun. Quick ones are done one after the other."""
    waiting: deque[Item] = deque()
    quick: list[Item] = []
    for item in items:
        (quick if is_quick(item) else waiting).append(item)
    yield from map(work, quick)
    if not waiting:
        return
    # A future for each small object would cost a tenth of fetching it.
    done: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()

    def work_on() -> None:
        while waiting:
            try:
                item = waiting.popleft()
            except IndexError:
                return  # another thread was faster
            try:
                done.put((work(item),))
            except BaseException as error:  # noqa: BLE001 - raised by who waits for the result
                done.put(error)

    count = len(waiting)
    with ThreadPoolExecutor(_COPIES_AT_ONCE) as threads:
        try:
            for _ in range(min(count, _COPIES_AT_ONCE)):
                threads.submit(work_on)
            for _ in range(count):
                result = done.get()
                if isinstance(result, BaseException):
                    raise result
                yield result[0]
        finally:
            waiting.clear()


def copies_small_file(url: StorageUrl, source: str) -> bool:
    """Whether the URL is on this machine as well as `source`, the file to be copied, and that is small."""
    if url.scheme != FILE_SCHEME:
        return False
    try:
        return os.stat(source).st_size < LARGE_BYTES  # noqa: PTH116 - making a Path takes longer than this
    except OSError:
        return True  # who copies it says so

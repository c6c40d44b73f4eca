"""Several copies at once, where that pays."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from vda_assets.storage.url import FILE_SCHEME, StorageUrl

Item = TypeVar("Item")
Result = TypeVar("Result")
_COPIES_AT_ONCE = 8


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], *, url_of: Callable[[Item], StorageUrl]
) -> Iterator[Result]:
    """Results as they come; the first error ends what has not begun.

    Files of this machine are copied one after the other: threads would only take turns at Python's lock.
    """
    waiting = deque(items)
    if all(url_of(item).scheme == FILE_SCHEME for item in waiting):
        yield from map(work, waiting)
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

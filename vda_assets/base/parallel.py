"""One function for many items, by several threads at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def as_they_come(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """Each result as soon as it is there, in no order. The threads begin when the first result is asked for.

    The first error is raised at once. After it, or when nobody takes results any more, what has begun is waited for
    and nothing else begins.
    """
    crew = _Crew(work, items, threads)
    try:
        for _ in range(crew.size):
            yield crew.next_result()[1]
    finally:
        crew.dismiss()


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """Like `as_they_come`, but in the order of the items: a result that came early is kept until its turn."""
    crew = _Crew(work, items, threads)
    early: dict[int, Result] = {}
    try:
        for expected in range(crew.size):
            while expected not in early:
                index, result = crew.next_result()
                early[index] = result
            yield early.pop(expected)
    finally:
        crew.dismiss()


def within(
    seconds: float, work: Callable[[Item], Result], items: Iterable[Item], *, threads: int
) -> tuple[list[Result], list[Item]]:
    """The results that came in so many seconds, and the items that have none by then.

    Nobody waits for those: items that have not begun never do, and a thread that is late ends with the process at the
    latest. Raises the first error.
    """
    give_up = time.monotonic() + seconds
    late = dict(enumerate(items))
    crew = _Crew(work, late.values(), threads)
    results: list[Result] = []
    try:
        while late:
            index, result = crew.next_result(max(0.0, give_up - time.monotonic()))
            results.append(result)
            del late[index]
    except Empty:
        pass
    finally:
        crew.take_no_more()
    return results, list(late.values())


class _Crew(Generic[Item, Result]):
    """Threads that take the next item themselves: a future for each would cost a tenth of copying a small file."""

    def __init__(self, work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> None:
        self._work = work
        self._waiting = deque(enumerate(items))
        self._done: SimpleQueue[tuple[int, Result] | BaseException] = SimpleQueue()
        self.size = len(self._waiting)
        self._threads = [Thread(target=self._work_on, daemon=True) for _ in range(min(threads, self.size))]
        for thread in self._threads:
            thread.start()

    def next_result(self, timeout_seconds: float | None = None) -> tuple[int, Result]:
        """One more result and its item's index. Raises the work's error, and Empty when none comes in time."""
        result = self._done.get(timeout=timeout_seconds)
        if isinstance(result, BaseException):
            raise result
        return result

    def take_no_more(self) -> None:
        self._waiting.clear()

    def dismiss(self) -> None:
        self.take_no_more()
        for thread in self._threads:
            thread.join()

    def _work_on(self) -> None:
        while self._waiting:
            try:
                index, item = self._waiting.popleft()
            except IndexError:
                return  # another thread was faster
            try:
                self._done.put((index, self._work(item)))
            except BaseException as error:  # noqa: BLE001 - raised by who waits for the result
                self._done.put(error)

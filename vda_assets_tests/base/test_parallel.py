"""Many items by several threads: order, errors, bounds."""

import threading
import time

import pytest

from vda_assets.base.parallel import as_they_come, in_order, within


def test_results_come_in_the_order_of_the_items_though_the_first_takes_longest() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        if item == 9:
            first_may_end.set()
        return item * 2

    assert list(in_order(work, range(10), threads=3)) == [item * 2 for item in range(10)]


def test_results_come_as_each_is_finished() -> None:
    taken = threading.Event()

    def work(item: str) -> str:
        if item == "slow":
            assert taken.wait(10)
        return item

    results = as_they_come(work, ["slow", "quick"], threads=2)

    assert next(results) == "quick"
    taken.set()
    assert list(results) == ["slow"]


@pytest.mark.parametrize("mapping", [as_they_come, in_order])
def test_never_more_threads_than_allowed_work_at_once(mapping) -> None:
    working, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.01)
        with lock:
            working -= 1

    list(mapping(work, range(30), threads=4))

    assert 2 <= most <= 4


@pytest.mark.parametrize("mapping", [as_they_come, in_order])
def test_the_first_error_is_raised_at_once_and_ends_what_has_not_begun(mapping) -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("the second item is broken")
        time.sleep(0.2)
        return item

    with pytest.raises(ValueError, match="the second item is broken"):
        list(mapping(work, range(1000), threads=2))

    assert len(begun) <= 4


def test_an_error_that_is_no_exception_reaches_who_waits() -> None:
    def work(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, [1], threads=2))


@pytest.mark.parametrize("mapping", [as_they_come, in_order])
def test_nothing_more_begins_when_nobody_takes_results_any_more(mapping) -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        return item

    results = mapping(work, range(1000), threads=2)
    next(results)
    results.close()
    after_close = len(begun)
    time.sleep(0.2)

    assert len(begun) == after_close <= 6


def test_nothing_begins_before_the_first_result_is_asked_for() -> None:
    begun = []
    results = in_order(begun.append, range(3), threads=2)
    time.sleep(0.05)

    assert begun == []
    assert list(results) == [None, None, None]


@pytest.mark.parametrize("mapping", [as_they_come, in_order])
def test_no_items_have_no_results(mapping) -> None:
    assert list(mapping(str, [], threads=4)) == []


def test_who_has_little_time_gets_what_came_in_it_and_is_told_what_is_late() -> None:
    never = threading.Event()

    def work(item: str) -> str:
        if item == "hangs":
            never.wait(30)
        return item.upper()

    started = time.monotonic()
    results, late = within(0.5, work, ["a", "hangs", "b", "c"], threads=2)

    assert (sorted(results), late) == (["A", "B", "C"], ["hangs"])
    assert time.monotonic() - started < 5
    never.set()


def test_what_has_not_begun_in_time_never_begins() -> None:
    begun, never = [], threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        never.wait(30)

    _, late = within(0.2, work, range(10), threads=2)
    never.set()
    time.sleep(0.1)

    assert late == list(range(10))
    assert begun == [0, 1]


def test_all_in_time_means_that_nobody_waits_for_the_rest_of_the_time() -> None:
    started = time.monotonic()

    assert within(60, str, [1, 2], threads=8)[1] == []
    assert time.monotonic() - started < 10

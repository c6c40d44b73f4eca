"""Lines that come up together are one entry, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from vda_assets.base.log import Log


def test_lines_become_one_entry_in_the_order_in_which_they_were_said() -> None:
    entries: list[str] = []
    log = Log(entries.append)
    log("first")
    log("second")
    assert entries == []
    log.flush()
    log.flush()
    assert entries == ["first\nsecond"]


def test_what_cannot_wait_is_written_behind_what_was_said_before() -> None:
    entries: list[str] = []
    log = Log(entries.append)
    log("submitted")
    log.at_once("waiting for OSMO")
    assert entries == ["submitted\nwaiting for OSMO"]


def test_no_line_of_several_threads_is_lost() -> None:
    entries: list[str] = []
    log = Log(entries.append)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: (log if number % 3 else log.at_once)(str(number)), range(500)))
    log.flush()
    assert sorted(int(line) for entry in entries for line in entry.splitlines()) == list(range(500))

"""How often OSMO is looked at: by what is known of the tasks that run, and not by how many there are."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vda_assets.dispatch.pace import UNNOTICED_SHARE, Pace, Rhythm

PACE = Pace(shortest_seconds=0.5, longest_seconds=15.0, growth=1.5)


def rhythm_of(*seconds: float) -> Rhythm:
    rhythm = Rhythm(PACE)
    for one in seconds:
        rhythm.ended("labels", one)
    return rhythm


def looks_in(rhythm: Rhythm, seconds: float, *, tasks: int, lasting: float) -> int:
    """How often it is looked while so many tasks run, whose ends are spread evenly over their duration."""
    ends = [lasting * (number + 1) / tasks for number in range(tasks)]
    now, looks, seen = 0.0, 0, 0.0
    while now < seconds:
        changed = any(seen < end + lasting * round_ <= now for end in ends for round_ in range(int(now // lasting) + 1))
        running = [("labels", (now - end) % lasting) for end in ends]
        seen = now
        now += rhythm.next_pause(changed=changed, running=running)
        looks += 1
    return looks


def test_while_nothing_changes_the_pause_grows_from_the_shortest_to_the_longest() -> None:
    rhythm = rhythm_of()
    pauses = [rhythm.next_pause(changed=number == 0, running=[("labels", 1.0)]) for number in range(20)]
    assert pauses[0] == PACE.shortest_seconds
    assert pauses[-1] == PACE.longest_seconds
    assert all(before <= after for before, after in pairwise(pauses))


@pytest.mark.parametrize("seconds", [0.0, 2.0, 10.0, 50.0])
def test_the_end_of_a_short_task_is_looked_for_at_once(seconds: float) -> None:
    rhythm = rhythm_of(seconds)
    assert rhythm.next_pause(changed=True, running=[("labels", seconds - 0.1)]) == PACE.shortest_seconds


@pytest.mark.parametrize("seconds", [60.0, 600.0, 3600.0, 86_400.0])
def test_the_end_of_a_long_task_goes_unnoticed_for_a_small_part_of_it_at_most(seconds: float) -> None:
    rhythm = rhythm_of(seconds)
    for changed in (True, False, False, False):
        pause = rhythm.next_pause(changed=changed, running=[("labels", seconds - 0.1)])
        assert PACE.shortest_seconds <= pause <= min(UNNOTICED_SHARE * seconds, PACE.longest_seconds) + 1e-9


@pytest.mark.parametrize("lasting", [300.0, 600.0, 3600.0])
def test_a_hundred_times_as_many_long_tasks_are_looked_at_a_few_times_as_often(lasting: float) -> None:
    few, many = (looks_in(rhythm_of(lasting), 3600, tasks=tasks, lasting=lasting) for tasks in (2, 200))
    assert many <= 3600 / (UNNOTICED_SHARE * lasting) + 1 or many <= 3600 / PACE.longest_seconds + 1
    assert many <= 5 * few


def test_the_kind_that_takes_least_decides() -> None:
    rhythm = rhythm_of(3600.0)
    rhythm.ended("comparisons", 5.0)
    assert rhythm.next_pause(changed=True, running=[]) == PACE.shortest_seconds

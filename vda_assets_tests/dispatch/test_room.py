"""How several runs share a pool: never more on it than the bound, in turns, and the urgent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from vda_assets.config.deployment import Deployment
from vda_assets.dispatch.company import Alone, Company, Wish
from vda_assets.dispatch.room import PoolRoom, turns
from vda_assets.flows.place import Place
from vda_assets.flows.selection import FLOWS
from vda_assets.osmo.errors import OsmoUnavailable
from vda_assets.osmo.service import Priority
from vda_assets.storage.layout import RunLayout
from vda_assets_tests.dispatch.desk import ROOT, Books, Desk, Killed, Told, works
from vda_assets_tests.osmo.in_memory_rows import Fate
from vda_assets_tests.simulated_clock import SharedClock

BOUND = 6
LABELS = FLOWS["auto_labeling"]


def deployment(most: int = BOUND, priority: Priority = "NORMAL") -> Deployment:
    osmo = {"url": "http://osmo", "max_in_flight": most, "priority": priority}
    return Deployment.model_validate({"osmo": osmo, "images": {}})


@dataclass
class SharedPool:
    """Runs that go on at once at one OSMO; `samples` has what each has on the pool, second by second."""

    most: int = BOUND
    seconds: float = 100.0
    version: str = "6.4.0"
    books: Books = field(default_factory=Books)
    samples: list[Counter[str]] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = SharedClock()
        self.desk = Desk(lambda _: Fate(seconds=self.seconds), clock=self.clock, version=self.version)

    def run(
        self,
        token: str,
        *,
        clips: int,
        dataset: str = "street",
        at: float = 0.0,
        priority: Priority = "NORMAL",
        company: Company | None = None,
        killed_at: float | None = None,
    ) -> Callable[[], None]:
        told = self.told[token] = Told()

        def end_without_a_word() -> None:
            if killed_at is not None and self.clock.monotonic() >= killed_at:
                raise Killed

        def go() -> None:
            self.clock.sleep(at)
            dispatcher = self.desk.dispatcher(
                run=f"run-{token}",
                dataset=dataset,
                told=told,
                company=company or self.books.of_a_run(),
                deployment=deployment(self.most, priority),
            )
            dispatcher._leave_nothing_running = lambda: None  # type: ignore[method-assign]
            keys = (f"{token}{number}.mp4" for number in range(clips))
            try:
                dispatcher.run(works(*keys, dataset=dataset, selection=LABELS))
            except Killed:
                return
            self.books.wishes.pop(f"run-{token}", None)

        told.at_pause = end_without_a_word
        return go

    def go_on(self, *runs: Callable[[], None]) -> None:
        self.clock.after(1.0, self._sample)
        self.clock.act(*runs)

    def _sample(self) -> None:
        self.samples.append(Counter(workflow.split("-")[1] for workflow in self.desk.osmo.alive()))
        self.clock.after(1.0, self._sample)

    @property
    def most_alive(self) -> int:
        return max(one.total() for one in self.samples)

    def between(self, begin: int, end: int) -> dict[str, float]:
        """What each run had on the pool in these seconds, on average."""
        sums = sum(self.samples[begin:end], Counter())
        return {run: count / (end - begin) for run, count in sums.items()}


@pytest.mark.parametrize("version", ["6.4.0", "6.2.0"])
@pytest.mark.parametrize("beginnings", [(0, 0, 0), (0, 3, 7), (0, 150, 420)])
def test_runs_of_several_datasets_never_overfill_the_pool_and_get_equal_shares(
    version: str, beginnings: tuple[int, int, int]
) -> None:
    pool = SharedPool(version=version)
    pool.go_on(
        pool.run("aaaaaaaa", clips=60, at=beginnings[0]),
        pool.run("bbbbbbbb", clips=60, at=beginnings[1]),
        pool.run("cccccccc", clips=60, at=beginnings[2], dataset="yard"),
    )
    assert pool.most_alive == BOUND
    shares = pool.between(800, 1600)
    assert shares["cccccccc"] == pytest.approx(3, abs=0.3)
    assert shares["aaaaaaaa"] == pytest.approx(1.5, abs=0.6)
    assert shares["bbbbbbbb"] == pytest.approx(1.5, abs=0.6)
    assert [told.completed.total() for told in pool.told.values()] == [60, 60, 60]


def test_the_pool_is_full_until_nothing_waits_any_more() -> None:
    pool = SharedPool()
    pool.go_on(pool.run("aaaaaaaa", clips=60), pool.run("cccccccc", clips=6, at=50, dataset="yard"))
    assert sum(one.total() for one in pool.samples[20:900]) >= 0.9 * BOUND * 880


@pytest.mark.parametrize("most", [1, 2])
def test_no_run_starves_when_there_are_more_runs_than_room(most: int) -> None:
    pool = SharedPool(most=most)
    pool.go_on(*(pool.run(token * 8, clips=8, at=20 * number) for number, token in enumerate("abc")))
    assert pool.most_alive == most
    firsts = [next(second for second, one in enumerate(pool.samples) if one[token * 8]) for token in "abc"]
    assert max(firsts) < 4 * 120 / most


def test_an_urgent_run_is_not_held_back_and_others_make_room_for_it() -> None:
    pool = SharedPool(seconds=300)
    pool.go_on(
        pool.run("aaaaaaaa", clips=30, priority="LOW"),
        pool.run("cccccccc", clips=8, at=200, priority="HIGH", dataset="yard"),
    )
    assert pool.samples[230]["cccccccc"] == BOUND
    assert pool.samples[230]["aaaaaaaa"] == BOUND
    # What is left to the urgent run is within the bound, and no other has begun since.
    assert pool.samples[450] == {"cccccccc": BOUND}
    assert max(one["cccccccc"] for one in pool.samples) == BOUND


def test_what_a_run_that_died_left_counts_until_it_ends_and_its_share_is_free_then() -> None:
    pool = SharedPool(seconds=400)
    pool.go_on(
        pool.run("aaaaaaaa", clips=60, at=0, killed_at=100),
        pool.run("cccccccc", clips=30, at=60, dataset="yard"),
    )
    assert "run-aaaaaaaa" in pool.books.wishes
    assert pool.most_alive == BOUND
    assert pool.samples[450] == {"cccccccc": BOUND}


def test_runs_that_no_books_tell_of_count_by_what_they_have_on_the_pool() -> None:
    pool = SharedPool()
    pool.go_on(
        pool.run("aaaaaaaa", clips=4, company=Books().of_a_run()),
        pool.run("cccccccc", clips=20, at=10, dataset="yard", company=Books().of_a_run()),
    )
    assert pool.most_alive == BOUND
    assert pool.samples[60] == {"aaaaaaaa": 4, "cccccccc": 2}
    assert pool.told["cccccccc"].completed.total() == 20


def test_a_service_that_does_not_answer_is_no_empty_pool() -> None:
    desk = Desk(lambda _: Fate(seconds=1000))
    dispatcher = desk.dispatcher(run="run-aaaaaaaa", told=Told(at_pause=lambda: end()), deployment=deployment())
    dispatcher._leave_nothing_running = lambda: None  # type: ignore[method-assign]

    def end() -> None:
        raise Killed

    with pytest.raises(Killed):
        dispatcher.run(works(*(f"clip{number}.mp4" for number in range(BOUND))))
    desk.clock.sleep(5)
    layout = RunLayout(ROOT, "street", "run-bbbbbbbb")
    place = Place("default", "h100")
    room = PoolRoom(desk.osmo, deployment().osmo, place=place, layout=layout, company=Alone(), clock=desk.clock)
    desk.osmo.go_away(3)
    for _ in range(2):
        with pytest.raises(OsmoUnavailable):
            room.for_more((), posting=0, waiting=9)
    desk.clock.sleep(3)
    assert room.for_more((), posting=0, waiting=9) == 0


def test_the_service_is_asked_now_and_then_and_only_while_something_waits() -> None:
    pool = SharedPool(seconds=1000)
    pool.go_on(pool.run("aaaaaaaa", clips=BOUND))
    without = pool.desk.osmo.calls["workflows"]
    pool = SharedPool(seconds=1000)
    pool.go_on(pool.run("aaaaaaaa", clips=BOUND + 1))
    assert without <= 4
    assert pool.desk.osmo.calls["workflows"] <= without + 1000 / 30 + 2


def wish(run: str, *, dataset: str = "street", waiting: int = 9, served: float = 0.0, **more: Priority) -> Wish:
    return Wish(run, dataset, "pool", more.get("priority", "NORMAL"), waiting, served, told=0.0)


@pytest.mark.parametrize(
    ("free", "wishes", "there", "expected"),
    [
        (6, [wish("a")], {}, {"a": 6}),
        (0, [wish("a")], {}, {}),
        (-3, [wish("a")], {}, {}),
        (6, [wish("a", waiting=2)], {}, {"a": 2}),
        (6, [wish("a"), wish("b")], {}, {"a": 3, "b": 3}),
        (6, [wish("a"), wish("b", waiting=1)], {}, {"a": 5, "b": 1}),
        (6, [wish("a"), wish("b")], {"a": 6}, {"b": 6}),
        (6, [wish("a"), wish("b"), wish("c", dataset="yard")], {}, {"a": 2, "b": 1, "c": 3}),
        (1, [wish("a", served=2), wish("b", served=1)], {}, {"b": 1}),
        (5, [wish("a"), wish("b", priority="HIGH", waiting=4)], {"b": 9}, {"a": 1, "b": 4}),
        (2, [wish("a"), wish("b", waiting=0), wish("c", dataset="yard")], {"a": 1, "b": 1}, {"c": 2}),
    ],
)
def test_what_is_free_goes_to_whoever_has_least(
    free: int, wishes: list[Wish], there: dict[str, int], expected: dict[str, int]
) -> None:
    assert turns(free, wishes, there) == expected
    assert turns(free, wishes[::-1], there) == expected

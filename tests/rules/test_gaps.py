"""The heart of the sealer against a model of PostgreSQL: no committed number is ever missed, none comes twice.

The model: a transaction gets its id when it first writes, draws numbers from one sequence, and commits or not. A look
sees what was committed at its snapshot; its horizon is a transaction id drawn a moment later.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sahut.work.log.gaps import Gap, fill


@dataclass
class Database:
    """Transactions, a sequence, and a sealer that looks. `careless`: its horizon is the last completed id + 1."""

    careless: bool = False
    at_most: int = 1000
    gaps_at_once: int = 1000
    next_xid: int = 100
    next_number: int = 1
    last_completed: int = 99
    open: dict[int, list[int]] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    seen: int = 0
    numbered: list[int] = field(default_factory=list)
    snapshot: tuple[list[int], list[int], int, int] | None = None

    def begin(self) -> None:
        self.open[self.next_xid] = []
        self.next_xid += 1

    def draw(self, which: int) -> None:
        if self.open:
            list(self.open.values())[which % len(self.open)].append(self.next_number)
            self.next_number += 1

    def end(self, which: int, *, commits: bool) -> None:
        if not self.open:
            return
        xid = list(self.open)[which % len(self.open)]
        drawn = self.open.pop(xid)
        self.last_completed = max(self.last_completed, xid)
        if commits:
            self.committed.update(drawn)

    def take_snapshot(self) -> None:
        """The statement begins: what it will see is decided now, its own transaction id only later."""
        if self.snapshot is None:
            looked = self.gaps[: self.gaps_at_once]
            late = sorted(n for gap in looked for n in range(gap.first, gap.last + 1) if n in self.committed)
            new = sorted(n for n in self.committed if n > self.seen)
            ended_below = min(self.open, default=self.next_xid)
            self.snapshot = late[: self.at_most], new[: self.at_most], ended_below, self.last_completed + 1

    def finish_look(self) -> None:
        """What the sealer does with the answer; see `Sealer.tick`."""
        if self.snapshot is None:
            return
        late, new, ended_below, careless_horizon = self.snapshot
        horizon, self.next_xid, self.snapshot = self.next_xid, self.next_xid + 1, None
        self.last_completed = max(self.last_completed, horizon)
        looked, others = self.gaps[: self.gaps_at_once], self.gaps[self.gaps_at_once :]
        if not late + new:
            self.gaps = others + looked
            return
        broken_off = len(late) == self.at_most
        arrived = late if broken_off else late + new
        left, self.seen = fill(
            looked,
            self.seen,
            arrived,
            horizon=careless_horizon if self.careless else horizon,
            ended_below=ended_below,
            looked_upto=late[-1] if broken_off else None,
        )
        self.gaps = others + left
        self.numbered += arrived

    def do(self, step: tuple[str, int]) -> None:
        what, which = step
        if what == "begin":
            self.begin()
        elif what == "draw":
            self.draw(which)
        elif what in ("commit", "roll back"):
            self.end(which, commits=what == "commit")
        elif what == "snapshot":
            self.take_snapshot()
        else:
            self.take_snapshot()
            self.finish_look()

    def come_to_rest(self) -> None:
        """All transactions end, and the sealer looks until there is nothing new."""
        while self.open:
            self.end(0, commits=True)
        for _ in range(4 * self.next_number + 4):
            self.do(("look", 0))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "draw", "draw", "commit", "commit", "roll back", "snapshot", "look", "look"]),
        st.integers(0, 5),
    ),
    max_size=120,
)


@settings(max_examples=400)
@given(STEPS, st.sampled_from([1, 2, 1000]), st.sampled_from([1, 2, 1000]))
def test_every_committed_number_is_numbered_exactly_once(
    steps: list[tuple[str, int]], at_most: int, gaps_at_once: int
) -> None:
    database = Database(at_most=at_most, gaps_at_once=gaps_at_once)

    for step in steps:
        database.do(step)
    database.come_to_rest()

    assert sorted(database.numbered) == sorted(database.committed)


@settings(max_examples=100)
@given(STEPS)
def test_gaps_lie_apart_below_what_was_seen_and_hold_nothing_numbered(steps: list[tuple[str, int]]) -> None:
    database = Database()

    for step in steps:
        database.do(step)

    borders = [
        border for gap in sorted(database.gaps, key=lambda gap: gap.first) for border in (gap.first, gap.last + 1)
    ]
    assert borders == sorted(borders)
    assert all(gap.last < database.seen for gap in database.gaps)
    assert not any(gap.first <= number <= gap.last for gap in database.gaps for number in database.numbered)


RACE = ["begin 0", "begin 0", "draw 1", "draw 0", "commit 0", "look 0", "begin 1", "draw 1", "commit 1", "look 0"]


@pytest.mark.parametrize(("careless", "numbered"), [(False, {1, 2, 3}), (True, {2, 3})])
def test_a_horizon_of_the_last_completed_transaction_loses_an_event(careless: bool, numbered: set[int]) -> None:
    """The younger transaction draws first and is still at work when two looks have passed. This is the trap itself."""
    database = Database(careless=careless)

    for step in RACE:
        what, which = step.split()
        database.do((what, int(which)))
    database.come_to_rest()

    assert database.committed == {1, 2, 3}
    assert set(database.numbered) == numbered


def test_a_number_that_never_came_is_dropped_when_all_that_could_bring_it_has_ended() -> None:
    gaps, seen = fill([], 0, [2, 5], horizon=10, ended_below=7)
    assert (gaps, seen) == ([Gap(1, 1, 10), Gap(3, 4, 10)], 5)

    gaps, seen = fill(gaps, seen, [4, 6], horizon=12, ended_below=9)
    assert (gaps, seen) == ([Gap(1, 1, 10), Gap(3, 3, 10)], 6)

    gaps, seen = fill(gaps, seen, [8], horizon=14, ended_below=10)
    assert (gaps, seen) == ([Gap(7, 7, 14)], 8)


def test_a_gap_is_cut_where_something_has_arrived() -> None:
    gaps, seen = fill([Gap(1, 9, 50)], 10, [1, 4, 5, 9], horizon=60, ended_below=40)

    assert (gaps, seen) == ([Gap(2, 3, 50), Gap(6, 8, 50)], 10)


def test_a_look_that_was_broken_off_declares_nothing_dead_beyond_where_it_looked() -> None:
    gaps, seen = fill([Gap(1, 5, 10), Gap(7, 9, 10)], 10, [1, 2], horizon=20, ended_below=15, looked_upto=2)

    assert (gaps, seen) == ([Gap(3, 5, 10), Gap(7, 9, 10)], 10)

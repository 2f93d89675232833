"""Whose turn it is to be told why it waits; the clock is the test's."""

from dataclasses import dataclass, field

from wherry_operator.jobs.waiting_notes import LOOKED_AT, WaitingNotes


@dataclass
class Waiting:
    """Jobs that wait, as the operator would know them."""

    wanting: set[str] = field(default_factory=set)
    looked_at: list[str] = field(default_factory=list)
    queued: dict[str, list[str]] = field(default_factory=dict)
    busy: bool = False
    redis_up: bool = True

    def notes(self) -> WaitingNotes:
        return WaitingNotes(
            wants=self.wanting.__contains__,
            look_at=self.looked_at.append,
            busy=lambda: self.busy,
            redis_up=lambda: self.redis_up,
            jobs_of=lambda pool: self.queued.get(pool, ()),
            pools=lambda: self.queued,
        )


def test_one_job_has_its_turn_at_a_time_in_order() -> None:
    world = Waiting(wanting={"a", "b"})
    notes = world.notes()
    for job in ("a", "b", "a"):
        notes.ask(job)
    notes.give_turn(0)
    assert (notes.has_turn("a"), notes.has_turn("b")) == (True, False)
    notes.told("a", 0)
    assert not notes.has_turn("a")
    notes.give_turn(1)
    notes.give_turn(2)
    assert world.looked_at == ["a", "b"]


def test_those_that_no_longer_wait_lose_no_time() -> None:
    world = Waiting(wanting={"last"})
    notes = world.notes()
    for number in range(LOOKED_AT - 1):
        notes.ask(f"claimed-{number}")
    notes.ask("last")
    notes.give_turn(0)
    assert world.looked_at == ["last"]


def test_decisions_come_first() -> None:
    world = Waiting(wanting={"a"}, busy=True)
    notes = world.notes()
    notes.ask("a")
    notes.give_turn(0)
    assert world.looked_at == []
    world.busy = False
    notes.give_turn(1)
    assert world.looked_at == ["a"]


def test_the_same_job_is_told_something_else_after_a_minute_at_the_earliest() -> None:
    world = Waiting(wanting={"a"})
    notes = world.notes()
    notes.told("a", 10)
    notes.ask("a")
    notes.give_turn(69)
    assert world.looked_at == []
    notes.give_turn(70)
    assert world.looked_at == ["a"]


def test_those_that_were_told_what_no_longer_holds_have_every_other_turn() -> None:
    told = ["t0", "t1"]
    untold = [f"u{number}" for number in range(4)]
    world = Waiting(wanting={*told, *untold}, queued={"pool": told + untold})
    notes = world.notes()
    for job in untold:
        notes.ask(job)
    notes.pool_changed("pool", 0)
    for turn in range(6):
        notes.give_turn(5 + turn)
    assert sorted(world.looked_at[:4]) == ["t0", "t1", "u0", "u1"]
    assert world.looked_at[4:] == ["u2", "u3"]


def test_a_turn_lasts_until_it_is_used_or_needless() -> None:
    world = Waiting(wanting={"a"})
    notes = world.notes()
    notes.ask("a")
    notes.give_turn(0)
    notes.ask("a")
    notes.give_turn(1)
    assert notes.has_turn("a")
    assert world.looked_at == ["a"]
    notes.end_turn("a")
    assert not notes.has_turn("a")


def test_a_change_of_the_pool_is_told_once_it_has_settled() -> None:
    world = Waiting(wanting={"b"}, queued={"pool": ["a", "b"], "other": ["c"]})
    notes = world.notes()
    notes.pool_changed("pool", 0)
    notes.pool_changed("pool", 4)
    notes.give_turn(4.9)
    assert world.looked_at == []
    notes.give_turn(5)
    assert world.looked_at == ["b"]


def test_all_are_looked_at_when_redis_is_away_and_when_it_is_back() -> None:
    world = Waiting(wanting={"a"}, queued={"pool": ["a"]}, redis_up=False)
    notes = world.notes()
    for now in (0, 4.9, 5, 9.9):
        notes.give_turn(now)
        assert (notes.redis_away, world.looked_at) == (now >= 5, [])
    notes.give_turn(10)
    assert world.looked_at == ["a"]
    notes.told("a", 10)
    world.redis_up = True
    notes.give_turn(11)
    assert not notes.redis_away
    notes.give_turn(16)
    notes.give_turn(70)
    assert world.looked_at == ["a", "a"]


def test_a_short_absence_of_redis_is_no_reason_to_wait() -> None:
    world = Waiting(wanting={"a"}, queued={"pool": ["a"]}, redis_up=False)
    notes = world.notes()
    notes.give_turn(0)
    world.redis_up = True
    notes.give_turn(4)
    world.redis_up = False
    notes.give_turn(5)
    notes.give_turn(9)
    assert not notes.redis_away
    notes.give_turn(10)
    assert notes.redis_away

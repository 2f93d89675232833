from datetime import UTC, datetime
from email.utils import format_datetime

from wherry_core.kubernetes.server_clock import ServerClock

START = 1_800_000_000.0


class Machine:
    """A machine whose clock differs from the API server's by ``error`` seconds."""

    def __init__(self, error: float) -> None:
        self.error = error
        self.true_time = START
        self.clock = ServerClock(lambda: self.true_time + self.error)

    def exchange(self, *, seconds: float = 0.02) -> None:
        """Send a request that takes ``seconds``; the server answers in the middle."""
        sent = self.clock.local_time()
        self.true_time += seconds / 2
        date = datetime.fromtimestamp(self.true_time, UTC)
        self.true_time += seconds / 2
        self.clock.observe(format_datetime(date.replace(microsecond=0), usegmt=True), sent)

    def deviation(self) -> float:
        return self.clock.now().timestamp() - self.true_time


def test_the_local_clock_counts_until_a_date_was_seen() -> None:
    machine = Machine(error=120.0)
    assert machine.deviation() == 120.0


def test_a_clock_that_is_right_is_used_as_it_is() -> None:
    machine = Machine(error=0.0)
    for _ in range(20):
        machine.exchange()
        machine.true_time += 0.37
    assert machine.clock.offset_seconds == 0.0


def test_a_clock_that_is_two_minutes_off_is_corrected_to_a_second() -> None:
    for error in (-120.0, 120.0):
        machine = Machine(error)
        machine.exchange()
        assert abs(machine.deviation()) <= 1.0


def test_several_answers_narrow_the_offset() -> None:
    machine = Machine(error=120.3)
    for _ in range(50):
        machine.exchange()
        machine.true_time += 0.37
    assert abs(machine.deviation()) <= 0.1


def test_a_slow_answer_does_not_widen_what_is_known() -> None:
    machine = Machine(error=-90.0)
    for _ in range(50):
        machine.exchange()
        machine.true_time += 0.37
    machine.exchange(seconds=10.0)
    assert abs(machine.deviation()) <= 0.1


def test_a_local_clock_that_is_set_is_followed() -> None:
    machine = Machine(error=0.0)
    for _ in range(10):
        machine.exchange()
    machine.error = 3_600.0
    machine.exchange()
    assert abs(machine.deviation()) <= 1.0
    machine.error = 0.0
    machine.exchange()
    machine.exchange()
    assert abs(machine.deviation()) <= 1.0


def test_answers_without_a_usable_date_change_nothing() -> None:
    machine = Machine(error=5.0)
    machine.clock.observe(None, START)
    machine.clock.observe("yesterday", START)
    assert machine.deviation() == 5.0

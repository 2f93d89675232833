"""Progress moves while parts are read, never back, and ends at the whole."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.jobrunner.archive.sources import MIB, planned, source
from wherry_jobrunner.archive.interface import ArchiveProgress
from wherry_jobrunner.archive.transfer.progress_counter import ProgressCounter


def test_bytes_that_came_in_count_half_until_their_part_is_stored() -> None:
    plan = planned([source(1, 8 * MIB)])
    reported: list[ArchiveProgress] = []
    counter = ProgressCounter(plan, 1, reported.append)
    counter.read(4 * MIB)
    assert reported[-1].completed_bytes == 2 * MIB
    assert reported[-1].completed_files == 0
    for part in plan.parts:
        counter.stored(part)
    assert reported[-1].completed_bytes == reported[-1].total_bytes == 8 * MIB
    assert reported[-1].completed_files == 1


@given(
    sizes=st.lists(st.integers(0, 12 * MIB), min_size=2, max_size=8),
    reads=st.lists(st.integers(1, 6 * MIB), max_size=30),
)
def test_it_never_goes_back_and_ends_at_the_whole(sizes: list[int], reads: list[int]) -> None:
    plan = planned([source(number, size) for number, size in enumerate(sizes)])
    reported: list[ArchiveProgress] = []
    counter = ProgressCounter(plan, len(sizes), reported.append)
    for part, size in itertools.zip_longest(plan.parts, reads):
        if size is not None:
            counter.read(size)
        if part is not None:
            counter.stored(part)
    seen = [each.completed_bytes for each in reported]
    assert seen == sorted(seen)
    assert (seen[-1], reported[-1].completed_files) == (sum(sizes), len(sizes))

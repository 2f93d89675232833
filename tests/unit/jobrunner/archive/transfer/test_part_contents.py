import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.jobrunner.archive.sources import MIB, planned, source
from wherry_jobrunner.archive.transfer.part_contents import (
    WORTH_COMBINING,
    part_buffer,
    part_crc32,
    placed_ranges,
)

SIZES = st.one_of(
    st.integers(0, 3_000),
    st.sampled_from([WORTH_COMBINING - 1, WORTH_COMBINING, WORTH_COMBINING + 1, 6 * MIB]),
)


@given(st.lists(SIZES, min_size=1, max_size=8), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_crc_of_a_part_is_that_of_its_bytes(sizes: list[int], known: bool) -> None:
    plan = planned([source(number, size) for number, size in enumerate(sizes)])
    for part in plan.parts:
        view = part_buffer(part.size)
        for position in range(0, part.size, 997):
            view[position] = (position * 31 + part.number) % 251
        crcs = [zlib.crc32(place) if known else None for _, place in placed_ranges(part, view)]
        assert part_crc32(part, view, crcs) == zlib.crc32(view)


def test_a_buffer_is_zero_and_of_the_size_that_was_asked_for() -> None:
    assert bytes(part_buffer(12_345)) == bytes(12_345)

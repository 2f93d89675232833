import io
import zipfile
import zlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.jobrunner.archive.sources import MIB, planned, source, write
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.plan import Header, Plan, Range
from wherry_jobrunner.archive.plan.planner import MAX_PART, MAX_PARTS, MIN_PART
from wherry_jobrunner.archive.store.objects import SkippedFile, SourceObject

GIB = 1 << 30
TIB = 1 << 40

SIZES = st.one_of(
    st.integers(0, 10_000),
    st.integers(0, 30 * MIB),
    st.integers(0, 6 * GIB),
    st.sampled_from([0, 1, MIN_PART - 1, MIN_PART, MIN_PART + 1, 2 * MIN_PART, 8 * MIB, 4 * GIB]),
    st.sampled_from([0xFFFFFFFE, 0xFFFFFFFF, 0x100000000]),
)


def check(plan: Plan, sources: list[SourceObject]) -> None:
    """Check a plan against S3's limits, and that every byte is in exactly one place."""
    assert 1 <= len(plan.parts) <= MAX_PARTS
    assert [part.number for part in plan.parts] == list(range(1, len(plan.parts) + 1))
    position = 0
    seen = [0] * len(sources)
    for part in plan.parts:
        assert part.offset == position
        assert part.size == sum(segment.size for segment in part.segments)
        assert 0 < part.size <= MAX_PART
        assert part.size >= MIN_PART or part is plan.parts[-1]
        for segment in part.segments:
            if isinstance(segment, Header):
                assert plan.members[segment.member].offset == position
            if isinstance(segment, Range):
                assert segment.start == seen[segment.member]
                seen[segment.member] += segment.size
            position += segment.size
    assert position == plan.size
    assert seen == [item.size for item in sources]


@given(
    st.lists(SIZES, min_size=1, max_size=60),
    st.sampled_from([5 * MIB, 8 * MIB, 64 * MIB]),
    st.sampled_from([5 * MIB, 8 * MIB, 64 * MIB, 2 * GIB]),
)
def test_every_plan_keeps_the_limits(sizes: list[int], part: int, ranges: int) -> None:
    sources = [source(number, size) for number, size in enumerate(sizes)]
    check(planned(sources, part_bytes=part, range_bytes=ranges), sources)


@given(
    st.integers(1, 10_000),
    st.lists(st.one_of(SIZES, st.integers(0, 5 * TIB)), min_size=1, max_size=6),
    st.sampled_from([8 * MIB, 64 * MIB]),
)
@settings(max_examples=25, deadline=None)
def test_every_plan_of_up_to_ten_thousand_files_keeps_the_limits(
    count: int, sizes: list[int], ranges: int
) -> None:
    sources = [source(number, sizes[number % len(sizes)]) for number in range(count)]
    total = sum(item.size for item in sources)
    # In between, the headers decide.
    assume(total > 5 * TIB or total < 5 * TIB - 10 * MIB)
    if total > 5 * TIB:
        with pytest.raises(ArchiveError, match="5 TiB"):
            planned(sources, range_bytes=ranges)
        return
    check(planned(sources, range_bytes=ranges), sources)


@pytest.mark.parametrize(
    ("count", "size"),
    [
        (10_000, 0),
        (10_000, 4096),
        (10_000, 10 * MIB),
        (10_000, 10 * MIB + 100),
        (10_000, 400 * MIB),
        (5_001, 1 * GIB),
        (1, 5 * TIB - 10_000),
        (3, 1700 * GIB),
        (9_999, 524 * MIB),
    ],
)
def test_extreme_archives_keep_the_limits(count: int, size: int) -> None:
    sources = [source(number, size) for number in range(count)]
    check(planned(sources), sources)


def test_an_archive_over_five_tebibytes_is_refused_with_what_to_do() -> None:
    with pytest.raises(ArchiveError, match="fewer files") as refused:
        planned([source(1, 3 * TIB), source(2, 3 * TIB)])
    assert not refused.value.retryable


def test_a_held_header_part_stays_small_however_large_the_file() -> None:
    plan = planned([source(1, 4 * TIB)], range_bytes=8 * MIB)
    assert plan.parts[0].size <= 2 * MIN_PART
    assert all(part.copyable for part in plan.parts[1:-1])


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=12), st.data())
@settings(max_examples=60)
def test_archives_open_and_hold_what_was_put_in(sizes: list[int], data: st.DataObject) -> None:
    names = [data.draw(st.text(max_size=12)) for _ in sizes]
    sources = [source(n, size, names[n]) for n, size in enumerate(sizes)]
    contents = [bytes([n]) * size for n, size in enumerate(sizes)]
    plan = planned(sources)
    file = io.BytesIO()
    write(plan, file, lambda member: contents[member], [zlib.crc32(c) for c in contents])
    with zipfile.ZipFile(file) as opened:
        assert opened.testzip() is None
        assert [item.filename for item in opened.infolist()] == [m.name for m in plan.members]
        assert [opened.read(m.name) for m in plan.members[:-1]] == contents
        assert all(item.flag_bits == 0x800 for item in opened.infolist())


def test_equal_input_gives_equal_plans_and_any_difference_another_digest() -> None:
    sources = [source(1, 100), source(2, 20 * MIB)]
    plan = planned(sources)
    assert plan == planned(list(sources))
    others = [
        planned(sources[::-1]),
        planned([source(1, 101), sources[1]]),
        planned(sources, (SkippedFile("3", "gone"),)),
        planned([source(1, 100, "other.bin"), sources[1]]),
        planned(sources, range_bytes=5 * MIB),
    ]
    assert len({plan.digest, *(other.digest for other in others)}) == 6

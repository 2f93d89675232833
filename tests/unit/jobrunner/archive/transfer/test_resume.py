from dataclasses import replace

import pytest

from tests.unit.jobrunner.archive.sources import MIB, planned, source
from wherry_jobrunner.archive.plan.plan import Plan
from wherry_jobrunner.archive.store.multipart_upload import Upload
from wherry_jobrunner.archive.store.requests import StoredPart
from wherry_jobrunner.archive.transfer.part_journal import Journal, JournalPart
from wherry_jobrunner.archive.transfer.resume import usable_parts


def plan() -> Plan:
    return planned([source(number, 9 * MIB) for number in range(4)])


def journal(made: Plan) -> Journal:
    """Return the journal of an attempt that uploaded every part."""
    parts = {
        part.number: JournalPart(
            StoredPart(part.number, f'"{part.number}"', part.size, None), 1, ()
        )
        for part in made.parts
    }
    return Journal(made.digest, Upload("b", "k", "u", with_crc32=True), parts)


def listed(made: Plan) -> dict[int, tuple[str, int]]:
    return {part.number: (str(part.number), part.size) for part in made.parts}


def test_all_parts_but_the_last_are_used_where_journal_and_store_agree() -> None:
    made = plan()
    numbers = [part.number for part in made.parts]
    assert len(numbers) > 2
    assert usable_parts(made, journal(made), listed(made)) == numbers[:-1]


def test_nothing_is_used_of_another_plan() -> None:
    made = plan()
    other = replace(journal(made), digest="another")
    assert usable_parts(made, other, listed(made)) == []


@pytest.mark.parametrize("there", [None, ("other etag", None), ("1", 7)])
def test_a_part_that_the_store_has_not_or_has_otherwise_is_not_used(
    there: tuple[str, int | None] | None,
) -> None:
    made = plan()
    found = listed(made)
    del found[1]
    if there is not None:
        found[1] = (there[0], there[1] or made.parts[0].size)
    assert 1 not in usable_parts(made, journal(made), found)

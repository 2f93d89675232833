"""Where a download goes on, and what each answer of a store means."""

import pytest

from wherry_client.download_plan import (
    FROM_THE_BEGINNING,
    PartRecord,
    Start,
    Step,
    StoreAnswer,
    Verdict,
    judge,
    start_at,
)

ETAG = '"abc"'
RECORD = PartRecord("job", ETAG, 1000)
RESUMED = Start(400, (("Range", "bytes=400-"), ("If-Range", ETAG)))


@pytest.mark.parametrize(
    ("written", "record", "expected"),
    [
        (0, RECORD, FROM_THE_BEGINNING),
        (400, None, FROM_THE_BEGINNING),
        (400, RECORD, RESUMED),
        (400, PartRecord("other job", ETAG, 1000), FROM_THE_BEGINNING),
        (400, PartRecord("job", None, 1000), FROM_THE_BEGINNING),
        (400, PartRecord("job", 'W/"abc"', 1000), FROM_THE_BEGINNING),
        (1001, RECORD, FROM_THE_BEGINNING),
        (400, PartRecord("job", ETAG, None), RESUMED),
    ],
)
def test_start(written: int, record: PartRecord | None, expected: Start) -> None:
    assert start_at(written, record, "job") == expected


@pytest.mark.parametrize(
    ("start", "answer", "expected"),
    [
        (FROM_THE_BEGINNING, StoreAnswer(200, ETAG, None, 1000), Verdict(Step.WRITE, 0, 1000)),
        (FROM_THE_BEGINNING, StoreAnswer(200), Verdict(Step.WRITE, 0, None)),
        (RESUMED, StoreAnswer(206, ETAG, "bytes 400-999/1000"), Verdict(Step.WRITE, 400, 1000)),
        (RESUMED, StoreAnswer(206, None, "bytes 400-999/*"), Verdict(Step.WRITE, 400, None)),
        # The store does not know ranges, or the archive is another one.
        (RESUMED, StoreAnswer(200, '"new"', None, 2000), Verdict(Step.WRITE, 0, 2000)),
        # The store knows ranges and not If-Range.
        (RESUMED, StoreAnswer(206, '"new"', "bytes 400-999/1000"), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(206, ETAG, "bytes 400-1999/2000"), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(206, ETAG, "bytes 0-999/1000"), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(206, ETAG), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(416, None, "bytes */400"), Verdict(Step.DONE, 400, 400)),
        (RESUMED, StoreAnswer(416, None, "bytes */300"), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(416), Verdict(Step.START_OVER)),
        (RESUMED, StoreAnswer(412), Verdict(Step.START_OVER)),
        (FROM_THE_BEGINNING, StoreAnswer(416), Verdict(Step.GIVE_UP)),
        (FROM_THE_BEGINNING, StoreAnswer(206, ETAG, "bytes 5-9/10"), Verdict(Step.GIVE_UP)),
        (RESUMED, StoreAnswer(403), Verdict(Step.FRESH_URL)),
        (RESUMED, StoreAnswer(400), Verdict(Step.FRESH_URL)),
        (RESUMED, StoreAnswer(404), Verdict(Step.FRESH_URL)),
        (RESUMED, StoreAnswer(503), Verdict(Step.WAIT)),
        (RESUMED, StoreAnswer(429), Verdict(Step.WAIT)),
        (RESUMED, StoreAnswer(418), Verdict(Step.GIVE_UP)),
    ],
)
def test_judge(start: Start, answer: StoreAnswer, expected: Verdict) -> None:
    assert judge(start, RECORD, answer) == expected


def test_a_record_survives_being_kept() -> None:
    for record in (RECORD, PartRecord("job", None, None)):
        assert PartRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"job_id":"a","etag":"b","size":"x"}'])
def test_a_record_that_cannot_be_read_is_none(text: str) -> None:
    assert PartRecord.from_json(text) is None

"""Where a download resumes, and what each response of the store leads to."""

import pytest

from wherry_client.resume import (
    FROM_THE_BEGINNING,
    Action,
    Decision,
    PartRecord,
    ResumePoint,
    StoreResponse,
    decide,
    resume_point,
)

ETAG = '"abc"'
RECORD = PartRecord("job", ETAG, 1000)
RESUMED = ResumePoint(400, (("Range", "bytes=400-"), ("If-Range", ETAG)))


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
def test_resume_point(written: int, record: PartRecord | None, expected: ResumePoint) -> None:
    assert resume_point(written, record, "job") == expected


@pytest.mark.parametrize(
    ("point", "response", "expected"),
    [
        (FROM_THE_BEGINNING, StoreResponse(200, ETAG, None, 1000), Decision(Action.WRITE, 0, 1000)),
        (FROM_THE_BEGINNING, StoreResponse(200), Decision(Action.WRITE, 0, None)),
        (
            RESUMED,
            StoreResponse(206, ETAG, "bytes 400-999/1000"),
            Decision(Action.WRITE, 400, 1000),
        ),
        (RESUMED, StoreResponse(206, None, "bytes 400-999/*"), Decision(Action.WRITE, 400, None)),
        # The store does not support ranges, or the archive has changed.
        (RESUMED, StoreResponse(200, '"new"', None, 2000), Decision(Action.WRITE, 0, 2000)),
        # The store supports ranges but not If-Range.
        (RESUMED, StoreResponse(206, '"new"', "bytes 400-999/1000"), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(206, ETAG, "bytes 400-1999/2000"), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(206, ETAG, "bytes 0-999/1000"), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(206, ETAG), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(416, None, "bytes */400"), Decision(Action.DONE, 400, 400)),
        (RESUMED, StoreResponse(416, None, "bytes */300"), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(416), Decision(Action.START_OVER)),
        (RESUMED, StoreResponse(412), Decision(Action.START_OVER)),
        (FROM_THE_BEGINNING, StoreResponse(416), Decision(Action.GIVE_UP)),
        (FROM_THE_BEGINNING, StoreResponse(206, ETAG, "bytes 5-9/10"), Decision(Action.GIVE_UP)),
        (RESUMED, StoreResponse(403), Decision(Action.FRESH_URL)),
        (RESUMED, StoreResponse(400), Decision(Action.FRESH_URL)),
        (RESUMED, StoreResponse(404), Decision(Action.FRESH_URL)),
        (RESUMED, StoreResponse(503), Decision(Action.WAIT)),
        (RESUMED, StoreResponse(429), Decision(Action.WAIT)),
        (RESUMED, StoreResponse(418), Decision(Action.GIVE_UP)),
    ],
)
def test_decide(point: ResumePoint, response: StoreResponse, expected: Decision) -> None:
    assert decide(point, RECORD, response) == expected


def test_a_record_survives_a_round_trip() -> None:
    for record in (RECORD, PartRecord("job", None, None)):
        assert PartRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"job_id":"a","etag":"b","size":"x"}'])
def test_an_unreadable_record_is_none(text: str) -> None:
    assert PartRecord.from_json(text) is None

"""The model check must catch every kind of bad run, and let a good one pass."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.harness.history import Change
from tests.harness.model import (
    COMPLETED,
    Answers,
    Facts,
    SourceVersion,
    StoredObject,
    broken_promises,
)
from wherry_core.resources import DownloadJob, Phase
from wherry_core.settings import StoreSettings

STORE = StoreSettings.model_validate(
    {"WHERRY_SOURCE_BUCKET": "bucket", "WHERRY_ARCHIVE_BUCKET": "bucket"}
)
KEY = "archives/team/uid-1/1/a.zip"
MANIFEST = "archives/team/uid-1/1/manifest.json"
ARCHIVE = {
    "bucket": "bucket",
    "key": KEY,
    "name": "a.zip",
    "size": 10,
    "checksum": "CRC32:AAAAAA==",
    "manifestKey": MANIFEST,
}
GOOD = StoredObject(10, "etag", "AAAAAA==")
POOL = "pool-uid"


def version(**status: Any) -> DownloadJob:
    return DownloadJob.model_validate(
        {
            "metadata": {"name": "job", "namespace": "team", "uid": "uid-1"},
            "spec": {"fileIDs": ["1", "2"]},
            "status": status,
        }
    )


QUEUED = version(phase="Queued", attempt=1)
CLAIMED = version(phase="Processing", attempt=1, runner="r-0", step=1)
HALF = version(phase="Processing", attempt=1, runner="r-0", step=2, progress=50)
DONE = version(phase="Completed", attempt=1, runner="r-0", step=3, progress=100, archive=ARCHIVE)
AGAIN = version(phase="Queued", attempt=2)


def history(*versions: DownloadJob) -> tuple[Change, ...]:
    return tuple(Change("MODIFIED", each) for each in versions)


def good() -> Facts:
    return Facts(
        asked={"team/job": COMPLETED},
        changes=history(QUEUED, CLAIMED, HALF, DONE),
        jobs=(DONE,),
        store=STORE,
        objects={KEY: GOOD, MANIFEST: StoredObject(2), "files/1": StoredObject(5)},
        pods=({"metadata": {"name": "r-0", "ownerReferences": [{"uid": POOL}]}},),
        pool_uids=frozenset({POOL}),
    )


def archive(**changes: Any) -> DownloadJob:
    return version(phase="Completed", attempt=1, step=3, archive={**ARCHIVE, **changes})


def test_a_good_run_passes() -> None:
    assert broken_promises(good()) == []


def test_an_attempt_that_was_lost_and_done_again_is_a_good_run() -> None:
    second = "archives/team/uid-1/2/a.zip"
    taken = version(phase="Processing", attempt=2, runner="r-1", step=1)
    done = version(phase="Completed", attempt=2, archive={**ARCHIVE, "key": second})
    facts = dataclasses.replace(
        good(),
        changes=history(QUEUED, CLAIMED, HALF, AGAIN, taken, done),
        jobs=(done,),
        objects={second: GOOD, MANIFEST: StoredObject(2)},
    )
    assert broken_promises(facts) == []


def test_a_job_that_was_deleted_after_its_end_is_not_lost() -> None:
    facts = dataclasses.replace(
        good(), changes=(*good().changes, Change("DELETED", DONE)), jobs=(), objects={}
    )
    assert broken_promises(facts) == []


BAD_HISTORIES = {
    "attempt fell from 2 to 1": (AGAIN, CLAIMED),
    "ended as Completed, then became Queued": (DONE, AGAIN),
    "ended as Completed, then became Processing": (DONE, CLAIMED),
    "ended as Cancelled, then became Completed": (version(phase="Cancelled", attempt=1), DONE),
    "progress fell from 50 to 0": (HALF, CLAIMED),
    "step fell from 2 to 1": (HALF, CLAIMED),
    "attempt 1 claimed by r-0 and by r-1": (
        CLAIMED,
        version(phase="Processing", attempt=1, runner="r-1", step=1),
    ),
    "the archive changed after the job was completed": (DONE, archive(key="another")),
    "completed with 2 archives": (DONE, archive(key="another")),
}


@pytest.mark.parametrize("sentence", BAD_HISTORIES)
def test_a_bad_history_is_caught(sentence: str) -> None:
    facts = dataclasses.replace(good(), changes=history(*BAD_HISTORIES[sentence]))
    assert any(sentence in found for found in broken_promises(facts))


FAILED = version(
    phase="Failed",
    attempt=3,
    failures=[
        {
            "attempt": 3,
            "reason": "StoreAway",
            "message": "no answer",
            "time": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        }
    ],
)
BAD_ENDS: dict[str, dict[str, Any]] = {
    "team/job: lost: it was acknowledged and does not exist": {"jobs": ()},
    "team/job: lost: it stays Processing (attempt 1)": {"jobs": (HALF,)},
    "team/job: lost: it stays None (attempt 0)": {"jobs": (version(),)},
    "team/job: ended as Failed, not Completed: StoreAway: no answer": {"jobs": (FAILED,)},
    "team/job: it was never asked for": {"asked": {}},
    "team/job: Completed without an archive": {"jobs": (version(phase="Completed", attempt=1),)},
    "team/job: Failed, but it has an archive": {
        "jobs": (version(phase="Failed", attempt=1, archive=ARCHIVE),),
        "asked": {"team/job": frozenset({Phase.FAILED})},
    },
    f"team/job: Completed, but {KEY} is not in the bucket": {"objects": {}},
    f"team/job: its manifest {MANIFEST} is not in the bucket": {"objects": {KEY: GOOD}},
    f"team/job: {KEY} has 9 bytes, not 10": {"objects": {KEY: dataclasses.replace(GOOD, size=9)}},
    f"team/job: {KEY} does not have the checksum 'CRC32:AAAAAA=='": {
        "objects": {KEY: dataclasses.replace(GOOD, crc32="BBBBBB==")}
    },
    f"team/job: {KEY} does not have the checksum 'ETag:\"other\"'": {
        "jobs": (archive(checksum='ETag:"other"'),)
    },
    f"team/job: {KEY} does not have the checksum ''": {"jobs": (archive(checksum=""),)},
    f"team/job: {KEY} is damaged: no central directory": {
        "objects": {KEY: dataclasses.replace(GOOD, damage="no central directory")}
    },
    "object without an owner: archives/team/uid-1/2/a.zip": {
        "objects": {**good().objects, "archives/team/uid-1/2/a.zip": GOOD}
    },
    f"upload without an owner: {KEY}": {"uploads": (KEY,)},
    "pod without an owner: r-0": {"pool_uids": frozenset()},
    "written although no job was at work: patch downloadjobs": {
        "writes_when_quiet": ("patch downloadjobs",)
    },
}


@pytest.mark.parametrize("sentence", BAD_ENDS)
def test_a_bad_end_is_caught(sentence: str) -> None:
    assert sentence in broken_promises(dataclasses.replace(good(), **BAD_ENDS[sentence]))


def test_a_job_that_vanished_before_its_end_is_lost() -> None:
    changes = (*history(QUEUED, CLAIMED), Change("DELETED", CLAIMED))
    facts = dataclasses.replace(good(), changes=changes, jobs=(), objects={})
    assert broken_promises(facts) == ["team/job: lost: it was acknowledged and does not exist"]


def test_the_upload_of_a_job_that_still_runs_has_an_owner() -> None:
    facts = dataclasses.replace(good(), jobs=(HALF,), uploads=(KEY,))
    assert not any("upload" in found for found in broken_promises(facts))


def test_a_deleted_job_may_be_gone_before_its_end() -> None:
    changes = (*history(QUEUED, CLAIMED), Change("DELETED", CLAIMED))
    facts = dataclasses.replace(
        good(),
        changes=changes,
        jobs=(),
        objects={},
        deleted=frozenset({"team/job"}),
        answers={"team/job": Answers(404, 410)},
    )
    assert broken_promises(facts) == []


BAD_ANSWERS = {
    "team/job: it exists, but its status is answered with 404": ((DONE,), Answers(404, 302)),
    "team/job: Completed, but its download is answered with 410": ((DONE,), Answers(200, 410)),
    "team/job: gone, but its status is answered with 200": ((), Answers(200, 404)),
    "team/job: gone, but its download is answered with 302": ((), Answers(404, 302)),
}


@pytest.mark.parametrize("sentence", BAD_ANSWERS)
def test_a_wrong_answer_of_the_api_is_caught(sentence: str) -> None:
    jobs, answers = BAD_ANSWERS[sentence]
    facts = dataclasses.replace(
        good(), jobs=jobs, deleted=frozenset({"team/job"}), answers={"team/job": answers}
    )
    assert sentence in broken_promises(facts)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def created_at_noon(**status: Any) -> DownloadJob:
    job = version(**status)
    metadata = job.metadata.model_copy(update={"creation_timestamp": NOON})
    return job.model_copy(update={"metadata": metadata})


TIMED = created_at_noon(
    phase="Completed",
    attempt=1,
    archive=ARCHIVE,
    startTime="2026-01-01T12:00:10Z",
    completionTime="2026-01-01T12:00:20Z",
)


def test_times_of_one_clock_are_right() -> None:
    changes = (Change("MODIFIED", TIMED, seen=at(20.4)),)
    assert broken_promises(dataclasses.replace(good(), changes=changes, jobs=(TIMED,))) == []


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("startTime", "2026-01-01T11:58:10Z", "11:58:10+00:00 is before its creation"),
        ("completionTime", "2026-01-01T12:02:20Z", "12:02:20+00:00 is in the future"),
    ],
)
def test_a_time_of_a_clock_that_is_off_is_caught(field: str, value: str, sentence: str) -> None:
    wrong = created_at_noon(phase="Completed", attempt=1, archive=ARCHIVE, **{field: value})
    changes = (Change("MODIFIED", wrong, seen=at(20.4)),)
    found = broken_promises(dataclasses.replace(good(), changes=changes, jobs=(wrong,)))
    assert f"team/job: {field} 2026-01-01 {sentence}" in found


OLD, NEW = SourceVersion(1, at(-60), replaced=at(5)), SourceVersion(2, at(4))
BEFORE_NOON = SourceVersion(1, at(-60), replaced=at(-10))
SECOND = (SourceVersion(9, at(-60)),)
HOLDS_OTHER_BYTES = "team/job: the archive holds bytes for 1 that the file did not have"


@pytest.mark.parametrize(
    ("versions", "members", "found"),
    [
        ((OLD, NEW), {"1": 1, "2": 9}, []),
        ((OLD, NEW), {"1": 2, "2": 9}, []),
        ((OLD, NEW), {"1": 3, "2": 9}, [HOLDS_OTHER_BYTES]),
        ((BEFORE_NOON, NEW), {"1": 1, "2": 9}, [HOLDS_OTHER_BYTES]),
        ((OLD, SourceVersion(2, at(60))), {"1": 2, "2": 9}, [HOLDS_OTHER_BYTES]),
        ((OLD, NEW), {"2": 9}, [HOLDS_OTHER_BYTES]),
    ],
    ids=["old bytes", "new bytes", "damaged", "replaced before", "stored after", "no member"],
)
def test_a_member_must_have_bytes_that_its_source_had(
    versions: tuple[SourceVersion, ...], members: dict[str, int], found: list[str]
) -> None:
    stored = dataclasses.replace(GOOD, members=members)
    facts = dataclasses.replace(
        good(),
        changes=(Change("MODIFIED", TIMED, seen=at(20)),),
        jobs=(TIMED,),
        objects={KEY: stored, MANIFEST: StoredObject(2)},
        sources={"1": versions, "2": SECOND},
    )
    assert broken_promises(facts) == found

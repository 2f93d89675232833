"""What needs no Redis: the messages on a job's channel, and for how long an end is remembered."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob
from wherry_core.settings import LifetimeSettings, RedisSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def client_of(release: str) -> Redis:
    # Never connected to: a client sends nothing before its first command.
    return redis_client.connect(RedisSettings.model_validate({"WHERRY_RELEASE": release}))


def message(release: str | None) -> str:
    snapshot = JobSnapshot(
        namespace="team-a",
        name="job-1",
        uid="u1",
        status=JobStatus.PROCESSING,
        created_at=NOW,
        updated_at=NOW,
        release=release,
    )
    return snapshot.model_dump_json(by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    ("own", "of_message", "accepted"),
    [
        ("wherry/main", "wherry/main", True),
        ("wherry/main", "wherry/other", False),
        ("wherry/main", None, True),  # Published by version 0.1.
        ("", None, True),
        ("", "wherry/main", False),
    ],
)
async def test_messages_of_another_release_are_dropped(
    own: str, of_message: str | None, accepted: bool
) -> None:
    snapshot = job_states.received(client_of(own), message(of_message))
    assert (snapshot is not None) is accepted


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "archived"}'])
async def test_a_message_that_cannot_be_read_is_dropped(text: str) -> None:
    assert job_states.received(client_of(""), text) is None


def job(ttl_seconds: int) -> DownloadJob:
    metadata: dict[str, Any] = {"name": "j", "namespace": "n", "uid": "u"}
    return DownloadJob.model_validate(
        {"metadata": metadata, "spec": {"fileIDs": ["1"], "ttlSecondsAfterFinished": ttl_seconds}}
    )


def test_the_longest_life_of_an_ended_job_is_that_of_the_crd() -> None:
    assert job(job_states.LONGEST_TTL_SECONDS)
    with pytest.raises(ValidationError):
        job(job_states.LONGEST_TTL_SECONDS + 1)


def test_the_longest_default_lifetime() -> None:
    assert LifetimeSettings().longest == 604_800
    longer = LifetimeSettings.model_validate({"JOB_TTL_SECONDS": 31_536_000})
    assert longer.longest == 31_536_000

"""The cache: newest wins, what is deleted stays deleted, counts follow."""

from typing import Any

import pytest

from tests.unit.operator.builders import ended, job, pod, processing, queued
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.cache import ClusterCache, is_older
from wherry_operator.intake.job_view import JobView, read_job


def view(seen: DownloadJob, version: str = "7", uid: str = "u") -> JobView:
    metadata = seen.metadata.model_copy(update={"resource_version": version, "uid": uid})
    return JobView(job=seen.model_copy(update={"metadata": metadata}), files=1)


def test_an_older_version_is_ignored() -> None:
    cache = ClusterCache()
    assert cache.put_job(view(queued(), "10"))[0]
    assert not cache.put_job(view(job(), "9"))[0]
    assert not cache.put_job(view(job(), "10"))[0]
    assert cache.put_job(view(processing(), "11"))[0]
    assert cache.jobs["tenant/job"].claimed_by == "default-runner-0"


def test_a_job_of_the_same_name_with_another_uid_takes_the_place() -> None:
    cache = ClusterCache()
    cache.put_job(view(queued(), "10", "first"))
    assert cache.put_job(view(job(), "12", "second"))[0]
    assert cache.drop_job("tenant/job", "first") is None
    assert "tenant/job" in cache.jobs


def test_a_late_word_of_a_job_that_is_gone_does_not_drive_out_its_namesake() -> None:
    """Events of two uids come in any order: the watch has a worker for each."""
    cache = ClusterCache()
    cache.put_job(view(queued(), "10", "first"))
    cache.put_job(view(job(), "12", "second"))
    assert not cache.put_job(view(processing(), "11", "first"))[0]
    assert cache.drop_job("tenant/job", "first") is None
    assert cache.jobs["tenant/job"].uid == "second"


def test_what_was_deleted_does_not_come_back() -> None:
    cache = ClusterCache()
    cache.put_job(view(queued()))
    assert cache.drop_job("tenant/job", "u")
    assert not cache.put_job(view(queued(), "99"))[0]
    cache.put_pod(pod())
    assert cache.drop_pod("default-runner-0", "uid-0")
    assert not cache.put_pod(pod())[0]


def test_an_object_that_was_seen_after_its_deletion_comes_back() -> None:
    cache = ClusterCache()
    cache.drop_pod("default-runner-0", "uid-0")
    cache.allow("uid-0")
    assert cache.put_pod(pod())[0]


@pytest.mark.parametrize(
    ("seen", "waiting", "parked", "claimed"),
    [
        (job(), 1, 0, 0),
        (queued(), 1, 0, 0),
        (queued(spec={"suspend": True}), 1, 1, 0),
        (queued(spec={"cancel": True}), 0, 0, 0),
        (processing(), 0, 0, 1),
        (processing(runner=None), 1, 0, 0),
        (ended(Phase.COMPLETED), 0, 0, 0),
    ],
)
def test_jobs_are_counted_for_their_pool(
    seen: DownloadJob, waiting: int, parked: int, claimed: int
) -> None:
    cache = ClusterCache()
    cache.put_job(view(queued(), "1"))
    cache.put_job(view(seen, "2"))
    jobs = cache.jobs_of("default")
    assert (len(jobs.queued), len(jobs.parked), len(jobs.claimed)) == (waiting, parked, claimed)
    assert sum(len(each) for each in jobs.by_runner.values()) == claimed
    cache.drop_job("tenant/job", "u")
    assert cache.pools_with_jobs() == []


def test_ended_jobs_are_counted_by_phase() -> None:
    cache = ClusterCache()
    cache.put_job(view(processing(), "1"))
    cache.put_job(view(ended(Phase.FAILED), "2"))
    assert cache.ended[Phase.FAILED] == 1
    cache.drop_job("tenant/job", "u")
    assert cache.ended[Phase.FAILED] == 0


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("9", "10", True), ("10", "9", False), ("10", "10", False), ("x", "10", False)],
)
def test_versions_are_compared_as_numbers_only_where_they_are_some(
    version: str, than: str, older: bool
) -> None:
    assert is_older(version, than) is older


def test_a_view_keeps_the_count_and_not_the_ids() -> None:
    raw: dict[str, Any] = {
        "metadata": {
            "name": "n",
            "namespace": "t",
            "uid": "u",
            "annotations": {"wherry.dev/retry": "x", "other": "y"},
        },
        "spec": {"fileIDs": ["1", "2", "2"], "pool": "big"},
    }
    seen = read_job(raw)
    assert (seen.files, len(seen.job.spec.file_ids), seen.pool) == (2, 1, "big")
    assert seen.job.metadata.annotations == {"wherry.dev/retry": "x"}

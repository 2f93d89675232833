"""A job completes although its runner pod is deleted; at rest nothing is written."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localcluster import paths
from tests.e2e.release import RUNNERS, Release
from tests.harness.recording import AuditLog, writes_when_quiet
from tests.harness.waiting import eventually, eventually_blocking
from trial.first_job import check_archive, fetch, run_job
from trial.sample_files import sample_files

DELAY_MS = 15_000
"""Longer than kubectl needs on a busy machine to delete the runner of a job that was claimed."""
QUIET_SECONDS = 30


@pytest.fixture(scope="module")
def slow_release(release: Release) -> Iterator[Release]:
    """The own release with runners that wait before each archive."""
    delay = {"enabled": True, "minMs": DELAY_MS, "maxMs": DELAY_MS + 1}
    release.install({"runner.downloadDelay": delay})
    yield release
    release.install({})


@pytest.mark.parametrize("how", [["--grace-period=0", "--force"], []], ids=["killed", "terminated"])
def test_a_job_whose_runner_is_deleted_still_completes(
    slow_release: Release, http: httpx.Client, tmp_path: Path, how: list[str]
) -> None:
    release = slow_release
    files = list(sample_files())
    ids = [file.id for file in files]
    job_id = http.post("/v1/download/initiate", json={"file_ids": ids}).json()["jobId"]
    eventually_blocking(
        "the job to be claimed",
        lambda: release.job(job_id).get("status", {}).get("phase"),
        lambda phase: phase == "Processing",
        within=120,
    )

    # An idle runner may leave by itself between kubectl's list and its deletion.
    release.kubectl("delete", "pods", "--selector", RUNNERS, "--ignore-not-found", *how)

    done = eventually_blocking(
        "the job to end",
        lambda: release.job(job_id),
        lambda job: job["status"]["phase"] in ("Completed", "Failed"),
        within=240,
    )
    assert done["status"]["phase"] == "Completed", done["status"]
    if how:
        # Until its process ends, which takes a while on a busy machine, a killed runner may claim
        # the job again and is found lost again.
        assert done["status"]["attempt"] >= 2, done["status"]
        assert done["status"].get("failedAttempts", 0) == 0
    path = fetch(http, job_id, tmp_path)
    check_archive(path, files, done["status"]["archive"]["size"])


async def test_at_rest_there_are_no_runners_and_no_writes(release: Release, tmp_path: Path) -> None:
    if release.cluster.kind != "bare":
        pytest.skip("only the audit log of the bare node shows writes by namespace")
    audit_log = paths.state_dir() / "logs" / "audit.log"
    log = AuditLog(audit_log, release.namespace)
    run_job(release.api_url, list(sample_files(2)), tmp_path, print)
    assert any(by_wherry(write) for write in log.writes()), "the job's own writes are not in it"

    await eventually(
        "all runners to be gone", lambda: release.pods(RUNNERS), lambda left: not left, within=120
    )

    # The kubelet of a busy machine writes too: a pod's status and Events when a probe is slow.
    found = await writes_when_quiet(
        audit_log, release.namespace, counts=by_wherry, watched=QUIET_SECONDS
    )
    assert found == ()


def by_wherry(write: str) -> bool:
    """Return whether a write ("verb resource by user") is one of Wherry's own accounts'."""
    return write.rpartition(" by ")[2] in {"wherry-api", "wherry-operator", "wherry-runner"}

"""Runner pods die in the middle of a job, and the job completes; at rest nothing happens."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Trial
from trial import chart
from trial.first_job import check_archive, fetch
from trial.sample_files import sample_files

QUIET_SECONDS = 30
WRITES = re.compile(
    r'^apiserver_request_total\{(?=[^}]*resource="(?:downloadjobs|runnerpools|pods|events)")'
    r'(?=[^}]*verb="(?:POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION)")[^}]*\} (\S+)$',
    re.MULTILINE,
)


def wait_for(what: str, seconds: float, look: Callable[[], Any]) -> Any:
    """Return the first true answer of ``look``; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return answer


def runner_pods(trial: Trial) -> list[str]:
    return trial.kubectl(
        "get", "pods", "--selector", "app.kubernetes.io/component=runner", "--output", "name"
    ).split()


def job(trial: Trial, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trial.kubectl("get", "dlj", job_id, "--output", "json"))
    return found


@pytest.fixture(scope="module")
def slow_trial(trial: Trial) -> Iterator[Trial]:
    """The trial with runners that wait eight seconds before each archive."""
    delay = {"enabled": True, "minMs": 8_000, "maxMs": 8_001}
    chart.install(trial.cluster, {"runner.downloadDelay": delay}, print)
    yield trial
    chart.install(trial.cluster, {}, print)


@pytest.mark.parametrize("how", [["--grace-period=0", "--force"], []], ids=["killed", "asked"])
def test_deleting_the_pool_s_pods_still_ends_with_a_completed_job(
    slow_trial: Trial, http: httpx.Client, tmp_path: Path, how: list[str]
) -> None:
    files = list(sample_files())
    ids = [file.id for file in files]
    job_id = http.post("/v1/download/initiate", json={"file_ids": ids}).json()["jobId"]
    wait_for(
        "the job is claimed",
        60,
        lambda: job(slow_trial, job_id).get("status", {}).get("phase") == "Processing",
    )
    deleted = runner_pods(slow_trial)
    slow_trial.kubectl("delete", *deleted, *how)
    done = wait_for(
        "the job has ended",
        120,
        lambda: (
            (found := job(slow_trial, job_id))["status"]["phase"] in ("Completed", "Failed")
            and found
        ),
    )
    assert done["status"]["phase"] == "Completed", done["status"]
    if how:
        # Until its process ends, which on a busy machine takes its time, a killed runner may take
        # the job again, and is found gone again.
        assert done["status"]["attempt"] >= 2, done["status"]
        assert done["status"].get("failedAttempts", 0) == 0
    path = fetch(http, job_id, tmp_path)
    check_archive(path, files, done["status"]["archive"]["size"])


def test_at_rest_there_are_no_runners_and_no_writes(trial: Trial) -> None:
    wait_for("all runner pods are gone", 120, lambda: not runner_pods(trial))

    def writes() -> float:
        metrics = trial.tools.kubectl("get", "--raw", "/metrics")
        return sum(float(value) for value in WRITES.findall(metrics))

    time.sleep(5)
    before = writes()
    assert before > 0, "the API server counts writes under other names"
    time.sleep(QUIET_SECONDS)
    assert writes() == before

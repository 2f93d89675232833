"""`helm uninstall` on a real node: what ends, what stays, and that it is said."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Trial
from trial import chart
from trial.first_job import run_job
from trial.sample_files import sample_files


@pytest.fixture
def installed(trial: Trial) -> Iterator[Trial]:
    """The trial; installed again afterwards, if need be."""
    yield trial
    chart.install(trial.cluster, {}, print)


def test_jobs_archives_and_crds_stay_and_the_next_install_goes_on(
    installed: Trial, tmp_path: Path
) -> None:
    trial = installed
    files = list(sample_files(3))
    archive = run_job(trial.cluster.api_url, files, tmp_path, print)
    with httpx.Client(base_url=trial.cluster.api_url) as http:
        signed = http.get(f"/v1/download/{archive.job_id}").headers["location"]

    notes = trial.tools.helm("status", chart.RELEASE, "--namespace", chart.NAMESPACE)
    assert "helm uninstall ends the runners and keeps the CRDs and every job" in notes
    words = ("uninstall", chart.RELEASE, "--namespace", chart.NAMESPACE)
    told = trial.tools.helm(*words, "--wait", "--timeout", "120s")
    assert "[CustomResourceDefinition] downloadjobs.wherry.dev" in told
    assert "[CustomResourceDefinition] runnerpools.wherry.dev" in told
    trial.kubectl("wait", "--for=delete", "pods", "--all", "--timeout=90s")
    assert trial.kubectl("get", "runnerpools", "--output", "name") == ""
    assert archive.job_id in trial.kubectl("get", "dlj", "--output", "name")
    assert httpx.get(signed).content == archive.path.read_bytes()

    chart.install(trial.cluster, {}, print)
    with httpx.Client(base_url=trial.cluster.api_url) as http:
        status = http.get(f"/v1/download/status/{archive.job_id}").json()
        assert (status["status"], status["size"]) == ("completed", archive.size)
        again = http.get(f"/v1/download/{archive.job_id}").headers["location"]
    assert httpx.get(again).content == archive.path.read_bytes()
    run_job(trial.cluster.api_url, files, tmp_path, print)

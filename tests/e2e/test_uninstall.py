"""`helm uninstall` on a real node: what ends, what stays, and that the notes say it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.release import Release
from trial import chart
from trial.first_job import run_job
from trial.sample_files import sample_files


@pytest.fixture
def installed(release: Release) -> Iterator[Release]:
    """The own release; installed again afterwards, whatever the test did to it."""
    yield release
    release.install({})


def test_jobs_and_archives_stay_and_the_next_install_goes_on(
    installed: Release, tmp_path: Path
) -> None:
    release = installed
    files = list(sample_files(3))
    archive = run_job(release.api_url, files, tmp_path, print)
    with httpx.Client(base_url=release.api_url) as http:
        signed = http.get(f"/v1/download/{archive.job_id}").headers["location"]
    notes = release.helm("status", chart.RELEASE)
    assert "helm uninstall deletes the runners and keeps the CRDs and every job" in notes

    release.uninstall()

    assert release.kubectl("get", "runnerpools", "--output", "name") == ""
    assert archive.job_id in release.kubectl("get", "dlj", "--output", "name")
    assert httpx.get(signed).content == archive.path.read_bytes()

    release.install({})

    with httpx.Client(base_url=release.api_url) as http:
        status = http.get(f"/v1/download/status/{archive.job_id}").json()
        assert (status["status"], status["size"]) == ("completed", archive.size)
        again = http.get(f"/v1/download/{archive.job_id}").headers["location"]
    assert httpx.get(again).content == archive.path.read_bytes()
    run_job(release.api_url, files, tmp_path, print)

"""`make up` on a real node: what it promises, and what an admin and a developer see of it."""

import json
import re

import httpx
import pytest

from tests.e2e.conftest import MAKE_UP_TIMEOUT_SECONDS, Trial, make
from tests.e2e.release import Release


def test_make_up_ends_with_a_checked_archive_and_prints_the_addresses(trial: Trial) -> None:
    assert "unzip -t passes, every byte matches" in trial.output
    for part in ("API", "export KUBECONFIG=", "make down", trial.cluster.api_url):
        assert part in trial.output


def test_a_second_make_up_builds_nothing(trial: Trial) -> None:
    again = make("up", MAKE_UP_TIMEOUT_SECONDS)
    assert "unzip -t passes, every byte matches" in again
    assert not re.search(r"building|installing", again), again


def test_kubectl_shows_the_first_job(trial: Trial) -> None:
    (job_id,) = re.findall(r"submitted job (\S+) with 40 files", trial.output)
    header, row = trial.kubectl("get", "dlj", job_id).splitlines()
    assert header.split() == ["NAME", "PHASE", "PROGRESS", "DONE", "FILES", "ATTEMPT", "WHY", "AGE"]
    # A job whose runner is lost on a busy node completes in a later attempt.
    attempt = trial.kubectl("get", "dlj", job_id, "--output", "jsonpath={.status.attempt}")
    assert row.split()[:7] == [job_id, "Completed", "100", "40", "40", attempt, "ArchiveStored"]


def test_the_answers_have_their_exact_shapes(http: httpx.Client) -> None:
    answer = http.post("/v1/download/initiate", json={"file_ids": [70000, 70001, 70002]})
    assert answer.status_code == 200
    body = answer.json()
    job_id = body.pop("jobId")
    # The estimate follows the jobs that this API process has seen end.
    assert body.pop("estimatedTimeSeconds") > 0
    assert body == {"status": "queued", "totalFileIds": 3}
    with http.stream("GET", f"/v1/download/stream/{job_id}") as stream:
        text = "".join(stream.iter_text())
    assert text.startswith(("event: connected", "retry:", "id:"))
    assert "event: completed" in text or '"status":"completed"' in text
    status = http.get(f"/v1/download/status/{job_id}").json()
    assert status["status"] == "completed"
    assert {"jobId", "status", "progress", "completedFiles", "totalFiles", "downloadUrl", "size",
            "error", "createdAt", "updatedAt", "completedAt"} <= set(status)  # fmt: skip
    assert http.get(f"/v1/download/{job_id}").status_code == 302


def test_health_and_docs(trial_http: httpx.Client) -> None:
    assert trial_http.get("/health").status_code == 200
    assert trial_http.get("/docs").status_code == 200


def test_the_chart_s_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.helm("test", "wherry")


@pytest.mark.parametrize(
    ("account", "verb", "resource", "allowed"),
    [
        ("wherry-runner", "get", "downloadjobs.wherry.dev", "yes"),
        ("wherry-runner", "patch", "downloadjobs.wherry.dev/status", "yes"),
        ("wherry-runner", "patch", "downloadjobs.wherry.dev", "no"),
        ("wherry-runner", "get", "secrets", "no"),
        ("wherry-runner", "list", "pods", "no"),
        ("wherry-runner", "create", "pods", "no"),
        ("wherry-operator", "list", "secrets", "no"),
        ("wherry-operator", "create", "pods", "yes"),
        ("wherry-api", "create", "downloadjobs.wherry.dev", "yes"),
        ("wherry-api", "list", "secrets", "no"),
        ("wherry-api", "patch", "downloadjobs.wherry.dev/status", "no"),
        ("wherry-api", "create", "pods", "no"),
    ],
)
def test_each_component_may_do_what_it_needs_and_no_more(
    trial: Trial, account: str, verb: str, resource: str, allowed: str
) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:wherry:{account}",
            "resourceAttributes": attributes(verb, resource),
        },
    }
    answer = json.loads(
        trial.tools.kubectl("create", "-f", "-", "--output", "json", stdin=json.dumps(review))
    )
    assert answer["status"].get("allowed", False) is (allowed == "yes"), answer["status"]


def attributes(verb: str, resource: str) -> dict[str, str]:
    """Return the attributes of a request on ``resource[.group][/subresource]``."""
    kind, _, subresource = resource.partition("/")
    plural, _, group = kind.partition(".")
    return {
        "namespace": "wherry",
        "verb": verb,
        "resource": plural,
        "group": group,
        "subresource": subresource,
    }

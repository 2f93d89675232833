"""An upgrade and a rollback end no running job; the programs have the chart's permissions."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import jobs
from tests.harness.api import Api, Resource
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.process_node import process_node
from tests.harness.processes import ProcessGroup, health_variables
from tests.harness.waiting import eventually
from tests.integration.chart.conftest import Admin
from tests.unit.chart.renders import CHART, RELEASE, Values, container, merged
from wherry_core.resources import Phase

FILES = {"1": b"one" * 1_000, "2": b"two" * 2_000}
DELAY_MS = 25_000


def secret(name: str, data: dict[str, str]) -> str:
    """Return a Secret as JSON."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    return json.dumps(body)


def chart_values(redis_env: dict[str, str], bucket: Bucket) -> Values:
    """Return what an admin writes for this Redis and this store."""
    return {
        "redis": {
            "host": redis_env["REDIS_HOST"],
            "port": int(redis_env["REDIS_PORT"]),
            "database": int(redis_env["REDIS_DB"]),
            "existingSecret": "redis",
        },
        "s3": {
            "endpointUrl": bucket.store.endpoint,
            "region": bucket.store.region,
            "existingSecret": "s3",
            "sourceBucket": bucket.name,
            "archiveBucket": bucket.name,
        },
        "defaultPool": {"idleSeconds": 1},
        "runner": {
            "downloadDelay": {"enabled": True, "minMs": DELAY_MS, "maxMs": DELAY_MS},
            # The runners are processes on one machine, so that a fixed port would collide.
            "extraEnv": [{"name": "WHERRY_HEALTH_PORT", "value": "0"}],
        },
    }


def operator_environment(admin: Admin, known: dict[str, str]) -> dict[str, str]:
    """Return the variables of the operator's pod; ``known`` are those from Secrets."""
    deployment = admin.get("deployment", "wherry-operator")
    found = {}
    for each in container(deployment["spec"]["template"], "operator")["env"]:
        name = each["name"]
        if "value" in each:
            found[name] = each["value"]
        else:
            found[name] = admin.namespace if name == "WHERRY_NAMESPACE" else known[name]
    return found


async def change(admin: Admin, folder: Path, *words: str, values: Values | None = None) -> None:
    """Upgrade or roll back, and apply the pool as the operator's new pod does."""

    def work() -> None:
        done = admin.helm(*words, values=values)
        assert done.returncode == 0, done.stderr
        applied = admin.apply_pool(folder)
        assert "is applied" in applied.stderr, applied.stderr

    await asyncio.to_thread(work)


@pytest.mark.asyncio
async def test_no_running_job_is_ended(
    admin: Admin,
    processes: ProcessGroup,
    redis_env: dict[str, str],
    versitygw_bucket: Bucket,
    tmp_path: Path,
) -> None:
    await versitygw_bucket.put_files(FILES)
    secrets = redis_env | versitygw_bucket.environment
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    admin.kubectl(
        "create", "-f", "-", stdin=secret("redis", {"redis-password": redis_env["REDIS_PASSWORD"]})
    )
    admin.kubectl("create", "-f", "-", stdin=secret("s3", {key: secrets[key] for key in keys}))
    values = chart_values(redis_env, versitygw_bucket)
    admin.install(values)
    admin.apply_pool(tmp_path)

    plane = admin.plane
    authority = (plane.state / "pki" / "ca.crt").read_bytes()
    cluster = Cluster(plane.kubeconfig, plane.url, authority, plane)
    kubeconfig = cluster.token_kubeconfig(
        tmp_path / "operator.kubeconfig",
        namespace=admin.namespace,
        token=admin.kubectl("create", "token", "wherry-operator").strip(),
    )
    health, url = health_variables()
    environment = operator_environment(admin, secrets)
    environment |= {"KUBECONFIG": str(kubeconfig), **health}

    async with await Api.connect(plane.kubeconfig) as api:

        async def runners() -> list[Resource]:
            selector = "app.kubernetes.io/component=runner"
            return await api.list_all("pods", admin.namespace, selector=selector)

        processes.start("wherry-operator", environment, ready_url=f"{url}/readyz")
        async with process_node(api, cluster, tmp_path / "node", [admin.namespace]):
            job = await jobs.create_job(api, admin.namespace, sorted(FILES))
            await jobs.job_becomes(api, job, Phase.PROCESSING)
            (before,) = await runners()

            labelled = merged(values, {"runner": {"podLabels": {"team": "files"}}})
            await change(admin, tmp_path, "upgrade", RELEASE, str(CHART), values=labelled)
            (during,) = await runners()
            await change(admin, tmp_path, "rollback", RELEASE, "1")
            (after,) = await runners()
            uids = {each["metadata"]["uid"] for each in (before, during, after)}
            assert len(uids) == 1, "the busy runner was replaced"
            assert (await jobs.read_job(api, job)).status.phase is Phase.PROCESSING

            done = await jobs.job_becomes(api, job, Phase.COMPLETED, Phase.FAILED)
            assert done.status.phase is Phase.COMPLETED
            assert done.status.attempt == 1
            assert not done.status.failures
            await eventually("the pool to return to zero", runners, _empty, within=60)


def _empty(seen: Any) -> bool:
    return not seen

"""Streams through a real nginx with the configuration in docs/nginx/nginx.conf."""

import asyncio
import os
import shutil
from pathlib import Path

import httpx
import pytest

from localcluster import ports
from tests.harness.api import Api
from tests.harness.jobs import create_job, queue_job
from tests.harness.processes import ProcessGroup, answers
from tests.harness.waiting import eventually
from tests.integration.api.conftest import MakeApi
from tests.integration.api.streams import open_stream
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

CONFIGURATION = Path(__file__).parents[3] / "docs" / "nginx" / "nginx.conf"
CLIENTS = 100
DEFAULT_READ_TIMEOUT_SECONDS = 60
"""Seconds without a byte after which nginx closes an upstream by default."""


@pytest.fixture
def nginx(processes: ProcessGroup, tmp_path: Path) -> "Nginx":
    if shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.fail("nginx is not installed: apt-get install --no-install-recommends nginx-light")
    return Nginx(processes, tmp_path)


class Nginx:
    def __init__(self, processes: ProcessGroup, folder: Path) -> None:
        self._processes = processes
        self._folder = folder

    async def before(self, upstream: str) -> str:
        """Start nginx before the API at ``upstream`` and return its URL."""
        port = ports.free_port()
        text = CONFIGURATION.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:3000", upstream.removeprefix("http://"))
        text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
        folders = "\n".join(
            f"{name}_temp_path {self._folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = text.replace("http {", f"http {{\n{folders}", 1)
        file = self._folder / "nginx.conf"
        # nginx would change to another user, who cannot read the test's folders.
        user = "user root;\n" if os.geteuid() == 0 else ""
        file.write_text(f"daemon off;\n{user}pid {self._folder}/nginx.pid;\n{text}")
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
        self._processes.start(
            str(program),
            {},
            name="nginx",
            arguments=["-e", "stderr", "-c", str(file)],
        )
        url = f"http://127.0.0.1:{port}"

        # In a thread, because the API behind nginx runs in this loop.
        async def ready() -> bool:
            return await asyncio.to_thread(answers, f"{url}/health")

        await eventually("nginx to answer", ready)
        return url


@pytest.fixture
async def job(api: Api, redis: Redis, namespace: str) -> DownloadJob:
    return await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))


async def test_a_hundred_streams_through_nginx(
    make_api: MakeApi, nginx: Nginx, redis: Redis, job: DownloadJob
) -> None:
    wherry = await make_api(stream_heartbeat_seconds=1.0)
    url = await nginx.before(wherry.url)
    name = job.metadata.name
    limits = httpx.Limits(max_connections=CLIENTS + 10)
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, limits=limits, timeout=30
    ) as client:
        beaten, advanced = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def follow() -> list[str]:
            async with open_stream(client, name) as (answer, stream):
                assert answer.headers["transfer-encoding"] == "chunked"
                assert answer.headers["content-type"].startswith("text/event-stream")
                seen = [(await stream.next()).name, (await stream.named("heartbeat")).name]
                beaten.release()
                seen.append((await stream.named("progress")).name)
                advanced.release()
                completed = await stream.named("failed")
                assert await stream.ended()
                again = await client.get(
                    f"/v1/download/stream/{name}",
                    headers={"Last-Event-ID": str(completed.id)},
                )
                assert again.status_code == 204
                return seen

        subscribers = [asyncio.create_task(follow()) for _ in range(CLIENTS)]
        hub = wherry.components.hub
        await eventually("all streams to be open", lambda: hub.streams == CLIENTS)
        for _ in subscribers:
            await beaten.acquire()
        running = snapshot_of(job).model_copy(
            update={"status": JobStatus.PROCESSING, "attempt": 1, "step": 1, "progress": 50}
        )
        # Each event arrives at once; a buffering proxy would keep this one until the end.
        await job_states.publish(redis, running, 3600)
        for _ in subscribers:
            await advanced.acquire()
        over = running.model_copy(update={"status": JobStatus.FAILED, "error": "It broke."})
        await job_states.publish(redis, over, 3600)
        for seen in await asyncio.gather(*subscribers):
            assert seen == ["connected", "heartbeat", "progress"]


async def test_a_quiet_stream_outlives_the_default_timeout(
    make_api: MakeApi, nginx: Nginx, redis: Redis, job: DownloadJob
) -> None:
    # Not even a heartbeat: only the configured timeout keeps the stream.
    wherry = await make_api(stream_heartbeat_seconds=3_600)
    url = await nginx.before(wherry.url)
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=120) as client,
        open_stream(client, job.metadata.name) as (_, stream),
    ):
        await stream.named("connected")
        await asyncio.sleep(DEFAULT_READ_TIMEOUT_SECONDS + 3)
        over = snapshot_of(job).model_copy(
            update={"status": JobStatus.FAILED, "attempt": 1, "error": "It broke."}
        )
        await job_states.publish(redis, over, 3600)
        assert (await stream.next()).name == "failed"


async def test_a_large_request_passes(make_api: MakeApi, nginx: Nginx) -> None:
    wherry = await make_api()
    url = await nginx.before(wherry.url)
    ids = ["a" * 120 + str(index) for index in range(9_000)]
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        answer = await client.post("/v1/download/initiate", json={"file_ids": ids})
        assert answer.status_code == 200
        assert answer.json()["totalFileIds"] == 9_000

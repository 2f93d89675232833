"""Two processes of the API on one Redis share the quota of a tenant."""

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest

from localcluster import ports
from localcluster.redisserver import Redis as RedisServer
from tests.harness.fixtures import redis_environment
from tests.harness.processes import ProcessGroup

QUOTA = 60


@pytest.fixture
def environment(
    api_environment: dict[str, str], own_redis_server: RedisServer, namespace: str
) -> dict[str, str]:
    return {
        **api_environment,
        **redis_environment(own_redis_server),
        "WHERRY_DEFAULT_TENANT": namespace,
        "WHERRY_RATE_LIMIT_REQUESTS": str(QUOTA),
        # So long that nothing is refilled during the test.
        "WHERRY_RATE_LIMIT_SECONDS": "86400",
        "WHERRY_SHUTDOWN_DELAY_SECONDS": "0",
    }


def start(processes: ProcessGroup, environment: dict[str, str], name: str) -> str:
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    processes.start(
        "wherry-api",
        {**environment, "WHERRY_HTTP_PORT": str(port)},
        name=name,
        ready_url=f"{url}/health",
    )
    return url


def left(answer: httpx.Response) -> int:
    assert answer.headers["ratelimit-policy"] == f'"tenant";q={QUOTA};w=86400'
    found = re.fullmatch(r'"tenant";r=(\d+);t=\d+', answer.headers["ratelimit"])
    assert found is not None
    return int(found[1])


async def test_two_processes_share_one_quota_and_work_without_redis(
    processes: ProcessGroup, environment: dict[str, str], own_redis_server: RedisServer
) -> None:
    urls = [await asyncio.to_thread(start, processes, environment, name) for name in ("one", "two")]
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
            )
            for url in urls
        ]

        assert left(await one.get("/v1/download")) == QUOTA - 1
        assert left(await two.get("/v1/download")) == QUOTA - 2
        answers = await asyncio.gather(
            *(client.get("/v1/download") for client in (one, two) for _ in range(QUOTA))
        )
        # The first two are spent, and the rest of the quota is shared.
        assert Counter(a.status_code for a in answers) == {200: QUOTA - 2, 429: QUOTA + 2}
        refused = next(a for a in answers if a.status_code == 429)
        assert left(refused) == 0
        assert 0 < int(refused.headers["retry-after"]) <= 86_400 // QUOTA

        own_redis_server.kill()
        # Both know when the next request is due, and do not draw before.
        assert [(await client.get("/v1/download")).status_code for client in (one, two)] == [
            429
        ] * 2


async def test_without_redis_each_process_counts_by_itself(
    processes: ProcessGroup, environment: dict[str, str], own_redis_server: RedisServer
) -> None:
    own_redis_server.kill()
    urls = [await asyncio.to_thread(start, processes, environment, name) for name in ("one", "two")]
    for url in urls:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            answers = [await client.get("/v1/download") for _ in range(QUOTA + 1)]
        assert [left(answer) for answer in answers[:QUOTA]] == list(range(QUOTA - 1, -1, -1))
        assert answers[QUOTA].status_code == 429
        assert left(answers[QUOTA]) == 0

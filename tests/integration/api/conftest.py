"""The API as a real server in the test's own loop, over a real API server, Redis and store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.waiting import eventually
from wherry_api.app import create_app
from wherry_api.components import Components
from wherry_api.http.server import listen, make_server
from wherry_api.settings import ApiSettings, Settings
from wherry_core.redis.client import Redis
from wherry_core.settings import LifetimeSettings, LogSettings, RedisSettings, StoreSettings


@dataclass(frozen=True)
class RunningApi:
    """A server, its components, and a client for it."""

    url: str
    components: Components
    client: httpx.AsyncClient


MakeApi = Callable[..., Awaitable[RunningApi]]


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[RunningApi]:
    app = create_app(settings)
    listener = listen("127.0.0.1", 0, settings.api.stream_send_timeout_seconds)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = make_server(app, settings)
    server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await eventually("the API to start", lambda: server.started or task.done(), every=0.01)
        if task.done():
            await task
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            yield RunningApi(url, app.state.components, client)
    finally:
        server.should_exit = True
        if server.started:
            await app.state.components.hub.drain(0)
        await task


@pytest.fixture
def api_environment(
    cluster: Cluster,
    redis: Redis,
    redis_env: dict[str, str],
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The environment of the API, independent of the tests' own."""
    environment = {"KUBECONFIG": str(cluster.kubeconfig), **redis_env, **bucket.environment}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
async def make_api(api_environment: dict[str, str], namespace: str) -> AsyncIterator[MakeApi]:
    """Call it with settings that differ from the defaults; the tenant is ``namespace``."""
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> RunningApi:
            api = ApiSettings(**{"default_tenant": namespace, **settings})
            return await stack.enter_async_context(
                serving(
                    Settings(
                        api=api,
                        redis=RedisSettings.model_validate(api_environment),
                        store=StoreSettings.model_validate(api_environment),
                        lifetimes=LifetimeSettings(),
                        logs=LogSettings(),
                    )
                )
            )

        yield make


@pytest.fixture
async def wherry(make_api: MakeApi) -> RunningApi:
    """The API with its defaults, in the auth mode none."""
    return await make_api()

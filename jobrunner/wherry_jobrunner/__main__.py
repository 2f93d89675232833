"""Starts a runner: ``wherry-jobrunner``."""

import asyncio
import logging
import signal
import sys

import aiohttp
import uvloop

from wherry_core import logs, object_store, tracing
from wherry_core.redis import client as redis_client
from wherry_core.settings import (
    LifetimeSettings,
    LogSettings,
    RedisSettings,
    StoreSettings,
    load,
)
from wherry_jobrunner import health
from wherry_jobrunner.api_endpoint import NoEndpointError, find_endpoint
from wherry_jobrunner.archive import bundle
from wherry_jobrunner.dependencies import Tools
from wherry_jobrunner.kubernetes_client import ApiServer
from wherry_jobrunner.redis_link import RedisLink
from wherry_jobrunner.settings import RunnerSettings
from wherry_jobrunner.worker import Worker

log = logging.getLogger(__name__)


async def run(settings: RunnerSettings, redis_settings: RedisSettings) -> int:
    """Work until told to leave; return the exit status. Raises NoEndpointError."""
    store_settings, lifetimes = load(StoreSettings), load(LifetimeSettings)
    endpoint = find_endpoint()
    # One connection for the blocking pop, the others for heartbeats and progress.
    redis = redis_client.connect(redis_settings, max_connections=settings.concurrency + 8)
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        object_store.connect(store_settings) as store,
    ):
        tools = Tools(
            settings=settings,
            store_settings=store_settings,
            lifetimes=lifetimes,
            api=ApiServer(endpoint, session),
            redis=RedisLink(redis),
            store=store,
            bundle=bundle,
        )
        worker = Worker(tools)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.leave, signal.Signals(number).name)
        async with health.serving(worker, tools.redis, settings.health_port):
            log.info(
                "runner %s of pool %s takes %d jobs at once",
                settings.name,
                settings.pool,
                settings.concurrency,
            )
            await worker.run(settings.stop_grace_seconds)
    await redis.aclose()
    log.info("runner ended")
    return 1 if worker.gave_up else 0


def main() -> None:
    """Run the runner and end the process with its exit status."""
    logs.set_up(load(LogSettings))
    settings, redis_settings = load(RunnerSettings), load(RedisSettings)
    tracing.set_up("jobrunner")
    try:
        status = uvloop.run(run(settings, redis_settings))
    except NoEndpointError as error:
        sys.stderr.write(f"{error}\n")
        status = 2
    finally:
        tracing.shut_down()
    sys.exit(status)


if __name__ == "__main__":
    main()

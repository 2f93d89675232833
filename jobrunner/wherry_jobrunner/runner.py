"""The runner's program: reads the settings, connects, works, and ends in time."""

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import Final, NoReturn

import uvloop

from wherry_core import logs, object_store, tracing
from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.kubernetes.errors import CredentialsError
from wherry_core.redis import client as redis_client
from wherry_core.redis.link import LinkHooks, LinkPolicy, RedisLink
from wherry_core.settings import (
    LifetimeSettings,
    LogSettings,
    RedisSettings,
    StoreSettings,
    load,
)
from wherry_jobrunner import health, metrics
from wherry_jobrunner.archive import bundle
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.dependencies import Dependencies
from wherry_jobrunner.kubernetes_client import JobClient
from wherry_jobrunner.settings import RunnerSettings
from wherry_jobrunner.simulated_delay import delayed
from wherry_jobrunner.worker import Worker

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 5.0
"""Seconds for closing connections and exporting spans once the last job has ended."""
IDLE_CLOSE_SECONDS: Final = 0.2
"""The same for a runner without jobs, which ends within a second of SIGTERM."""
UNUSABLE: Final = 2
"""Exit status for an environment with which the runner can never work."""


async def run(
    settings: RunnerSettings,
    redis_settings: RedisSettings,
    store_settings: StoreSettings,
    lifetimes: LifetimeSettings,
) -> int:
    """Work until asked to leave; return the exit status. Raises CredentialsError."""
    # One connection for the blocking pop, the others for heartbeats and progress.
    redis = redis_client.connect(redis_settings, max_connections=settings.concurrency + 8)
    link = RedisLink(
        redis,
        LinkPolicy(consequence="claimed jobs continue without it"),
        LinkHooks(on_lost=lambda _: metrics.REDIS_LOST.inc()),
    )
    async with (
        await kubernetes_client.connect(max_connections=settings.concurrency + 8) as kubernetes,
        object_store.connect(store_settings) as store,
    ):
        worker = Worker(
            Dependencies(
                settings=settings,
                store_settings=store_settings,
                lifetimes=lifetimes,
                jobs=JobClient(kubernetes),
                redis=link,
                store=store,
                bundle=delayed(bundle, settings),
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.leave, signal.Signals(number).name)
        async with health.serving(worker, link, settings.health_port):
            log.info(
                "runner %s of pool %s takes up to %d jobs at once",
                settings.name,
                settings.pool,
                settings.concurrency,
            )
            await worker.run(settings.stop_grace_seconds)
            status = 1 if worker.gave_up else 0
            log.info("runner ended")
            exit_after(IDLE_CLOSE_SECONDS if worker.left_idle else CLOSE_SECONDS, status)
    await redis.aclose()
    return status


def exit_after(seconds: float, status: int) -> None:
    """Have the process exit with ``status`` after ``seconds``, whatever it still waits for.

    That may be a server that does not answer, or a thread of the standard library in a call that
    cannot be cancelled.
    """
    timer = threading.Timer(seconds, os._exit, [status])
    timer.daemon = True
    timer.start()


def main() -> NoReturn:
    """Run the runner and end the process with its exit status."""
    logs.set_up(load(LogSettings))
    loaded = load(RunnerSettings), load(RedisSettings), load(StoreSettings), load(LifetimeSettings)
    # Read again for every archive; checked here, so that an unusable value shows at once.
    load(ArchiveSettings)
    tracing.set_up("jobrunner")
    try:
        status = uvloop.run(run(*loaded))
    except CredentialsError as error:
        sys.stderr.write(f"{error}\n")
        status = UNUSABLE
    tracing.shut_down()
    logging.shutdown()
    # Python's own finalization takes longer on a busy node than everything else: over a second.
    os._exit(status)

"""The components of a running API: created from the settings, and closed again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from wherry_api.auth.caller import Authenticator
from wherry_api.auth.modes import authenticator
from wherry_api.auth.tickets import Tickets
from wherry_api.http.request_bodies import RequestBodies
from wherry_api.http.slots import Slots
from wherry_api.metrics import (
    BACKGROUND,
    DEPENDENCY_UP,
    FAULTS,
    REDIS_FAILURES,
    KubernetesTimes,
)
from wherry_api.services.estimates import Estimates
from wherry_api.services.job_resources import JobResources
from wherry_api.services.jobs import Jobs
from wherry_api.services.presigning import Presigner
from wherry_api.services.rate_limits import RateLimits, shared_quota
from wherry_api.services.readiness import Readiness, store_fault
from wherry_api.services.snapshots import Snapshots
from wherry_api.settings import Settings
from wherry_api.stream.hub import Hub
from wherry_api.stream.refresher import Refresher
from wherry_core import object_store
from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.redis import client as redis_client
from wherry_core.redis.link import LinkHooks, LinkPolicy, RedisLink

log = logging.getLogger(__name__)

RESTART_SECONDS: Final = 1.0
"""Pause before a background task that failed is started again."""
KUBERNETES_CONNECTIONS: Final = 64
REDIS_CONNECTIONS: Final = 10
"""Connections of one process: one is the subscription, one is for the readiness check."""
REDIS_POLICY: Final = LinkPolicy(
    patience_seconds=1.0,
    pause_seconds=1.0,
    commands_at_once=REDIS_CONNECTIONS - 2,
    consequence="jobs are read from Kubernetes",
)
REDIS_HOOKS: Final = LinkHooks(
    on_failure=lambda _: REDIS_FAILURES.inc(),
    on_lost=lambda _: DEPENDENCY_UP.labels("redis").set(0),
    on_recovered=lambda: DEPENDENCY_UP.labels("redis").set(1),
)
CREATES_WAITING: Final = 2_000
"""Creates that may wait for a slot: about what the API server processes in a few seconds."""
CREATE_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Components:
    """The objects that the routes use."""

    settings: Settings
    authenticator: Authenticator
    tickets: Tickets
    jobs: Jobs
    snapshots: Snapshots
    presigner: Presigner
    estimates: Estimates
    limits: RateLimits
    bodies: RequestBodies
    hub: Hub
    readiness: Readiness

    async def drain(self, seconds: float) -> None:
        """Report not ready, and end the streams within ``seconds``."""
        self.readiness.draining = True
        await self.hub.drain(seconds)


async def run_forever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run ``run`` until cancelled; log and count a fault in it, and start it again.

    A background task that ended unseen would leave streams without updates, or readiness with an
    old answer, in a process that looks healthy.
    """
    while True:
        try:
            await run()
        except Exception:
            FAULTS.labels(BACKGROUND).inc()
            log.exception("the background task %s failed and is restarted", name)
        await asyncio.sleep(RESTART_SECONDS)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Components]:
    """Create all components and run the background tasks.

    Sends nothing to Redis, Kubernetes or the store, so that the API starts without them. Raises
    OSError or ValueError when a file that the settings name cannot be used, CredentialsError
    without usable credentials for the cluster.
    """
    api = settings.api
    async with AsyncExitStack() as stack:
        kubernetes = await stack.enter_async_context(
            await kubernetes_client.connect(
                max_connections=KUBERNETES_CONNECTIONS, observer=KubernetesTimes()
            )
        )
        redis = redis_client.connect(settings.redis, max_connections=REDIS_CONNECTIONS)
        stack.push_async_callback(redis.aclose)
        signer = await stack.enter_async_context(object_store.connect(settings.store, public=True))
        store = signer
        if settings.store.public_endpoint_url:
            # Checked at its internal endpoint, because pods may not reach the public one.
            store = await stack.enter_async_context(
                object_store.connect(settings.store, max_connections=1)
            )

        link = RedisLink(redis, REDIS_POLICY, REDIS_HOOKS)
        estimates = Estimates(api.estimate_seconds_per_file)
        creates = Slots(
            api.creates_at_once, waiting=CREATES_WAITING, patience_seconds=CREATE_PATIENCE_SECONDS
        )
        resources = JobResources(kubernetes, creates)
        snapshots = Snapshots(link, resources, estimates)
        hub = Hub(
            redis,
            public_url=api.public_url,
            max_streams=api.max_streams,
            max_streams_per_tenant=api.max_streams_per_tenant,
            heartbeat_seconds=api.stream_heartbeat_seconds,
            send_timeout_seconds=api.stream_send_timeout_seconds,
        )
        components = Components(
            settings=settings,
            authenticator=authenticator(api, kubernetes),
            tickets=Tickets(link),
            jobs=Jobs(resources, snapshots, link, estimates, api.default_pool),
            snapshots=snapshots,
            presigner=Presigner(snapshots, signer, settings.store, settings.lifetimes),
            estimates=estimates,
            limits=RateLimits(
                api.rate_limit_requests,
                api.rate_limit_seconds,
                shared_quota(link, api.rate_limit_requests, api.rate_limit_seconds),
            ),
            bodies=RequestBodies(api.max_body_bytes),
            hub=hub,
            readiness=Readiness(
                kubernetes, link, partial(store_fault, store, settings.store.archive_bucket)
            ),
        )
        refresher = Refresher(hub, link, resources, snapshots, api.stream_fallback_reads_per_second)
        background = [
            asyncio.create_task(run_forever(name, run), name=name)
            for name, run in (
                ("subscription", hub.subscription.run),
                ("heartbeats", hub.heartbeats.run),
                ("refresher", refresher.run),
                ("check of Kubernetes and Redis", components.readiness.run),
                ("check of the store", components.readiness.run_store),
            )
        ]
        try:
            yield components
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

"""One run of the operator: the object graph from top to bottom, and the tasks that run on it."""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

from wherry_core import object_store
from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.redis.link import LinkHooks, LinkPolicy, RedisLink
from wherry_core.settings import LifetimeSettings, RedisSettings, StoreSettings
from wherry_operator import handlers, metrics
from wherry_operator.cluster_metrics import ClusterMetrics, exported
from wherry_operator.event_recorder import EventRecorder
from wherry_operator.fault_points import FaultPoints, ObservedArchiveStore
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.cache_sweep import CacheSweep
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.unreadable import UnreadableObjects
from wherry_operator.jobs.completions import Completions
from wherry_operator.jobs.controller import JobController
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.explanations import StaleExplanations
from wherry_operator.jobs.plan import JobRules
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.leadership import Leadership, Lease
from wherry_operator.pools.controller import PoolController
from wherry_operator.pools.executor import PoolExecutor
from wherry_operator.probes import serve_probes
from wherry_operator.reconciler import Reconciler, WorkQueue
from wherry_operator.repair.deleted_jobs import DeletedJobs
from wherry_operator.repair.index_repair import IndexRepair
from wherry_operator.repair.orphan_sweep import OrphanSweep
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.lost_runners import LostRunners
from wherry_operator.runners.runner_watch import RunnerWatch
from wherry_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)

POOL_WORKERS: Final = 4
DELETION_WORKERS: Final = 8
REDIS_CONNECTIONS: Final = 64


class Operator:
    """The object graph of one run. Its state is only what can be read again from the cluster."""

    def __init__(
        self,
        settings: OperatorSettings,
        lifetimes: LifetimeSettings,
        store_settings: StoreSettings,
        *,
        kubernetes: KubernetesClient,
        redis: Redis,
        store_client: Any,
        points: FaultPoints,
        end: Callable[[], None],
    ) -> None:
        namespace, tenants = settings.namespace, settings.tenants
        identity = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self.settings = settings

        # Leadership, work queues and cache.
        self.lease = (
            Lease(kubernetes, namespace, identity, lease_seconds=settings.lease_seconds)
            if settings.leader_election
            else None
        )
        self.leadership = Leadership(self.lease)
        self.jobs = WorkQueue("job")
        self.pools = WorkQueue("pool")
        self.cache = ClusterCache()

        # Redis, the store and Events.
        link = RedisLink(
            redis,
            LinkPolicy(
                starts_up=False, recovers_by_itself=False, consequence="continuing without it"
            ),
            LinkHooks(on_lost=_count_outage, reach=points.reach),
        )
        self.index = QueueIndex(link, state_ttl_seconds=lifetimes.completed)
        store = ObservedArchiveStore(store_client, store_settings, kubernetes.clock, points)
        self.events = EventRecorder(kubernetes, identity)

        # Intake.
        self.deleted_jobs = DeletedJobs(
            kubernetes, self.cache, link, self.index, store, self.leadership, tenants=tenants
        )
        self.unreadable = UnreadableObjects(
            kubernetes, self.events, self.leadership, namespace, WorkQueue("unreadable")
        )
        tenant_limit = TenantLimit(settings.tenant_running_limit, self.jobs)
        self.intake = ClusterIntake(
            self.cache,
            namespace=namespace,
            jobs=self.jobs,
            pools=self.pools,
            index=self.index,
            tenant_limit=tenant_limit,
            deleted_jobs=self.deleted_jobs,
            unreadable=self.unreadable,
        )
        self.watched = handlers.Watched(
            kubernetes, self.intake, settings.watch_silence_seconds, end
        )
        self.sweep = CacheSweep(
            kubernetes, self.cache, self.intake, namespace=namespace, tenants=tenants
        )
        self.runner_watch = RunnerWatch(
            kubernetes,
            self.cache,
            self.index,
            namespace=namespace,
            jobs=self.jobs,
            pools=self.pools,
            timeout_seconds=settings.heartbeat_timeout_seconds,
        )

        # Decisions about jobs.
        self.completions = Completions(
            kubernetes,
            self.cache,
            self.index,
            store,
            self.events,
            self.leadership,
            jobs=self.jobs,
        )
        self.explanations = StaleExplanations(self.cache, self.index, self.jobs)
        job_controller = JobController(
            kubernetes=kubernetes,
            cache=self.cache,
            intake=self.intake,
            executor=JobExecutor(
                kubernetes=kubernetes,
                index=self.index,
                events=self.events,
                store=store,
                intake=self.intake,
            ),
            completions=self.completions,
            rules=JobRules(
                completed_ttl=lifetimes.completed,
                failed_ttl=lifetimes.failed,
                dead_letter_ttl=lifetimes.dead_lettered,
                lost_attempts_limit=settings.lost_attempts_limit,
                explain_after=settings.explain_after_seconds,
            ),
            tenant_limit=tenant_limit,
            lost_runners=LostRunners(
                kubernetes=kubernetes,
                cache=self.cache,
                intake=self.intake,
                runners=self.runner_watch,
                namespace=namespace,
                heartbeat_timeout=settings.heartbeat_timeout_seconds,
            ),
            stale=self.explanations,
            leadership=self.leadership,
            pools=self.pools,
        )

        # Decisions about pools.
        pool_controller = PoolController(
            kubernetes=kubernetes,
            cache=self.cache,
            index=self.index,
            executor=PoolExecutor(
                kubernetes=kubernetes,
                index=self.index,
                events=self.events,
                intake=self.intake,
                namespace=namespace,
                release=redis.keyspace.release,
            ),
            tenant_limit=tenant_limit,
            runners=self.runner_watch,
            leadership=self.leadership,
        )

        # Repair of Redis and the store.
        self.index_repair = IndexRepair(
            link,
            self.index,
            self.cache,
            kubernetes.clock,
            on_recovery=(
                self.runner_watch.restart,
                pool_controller.evict_drains,
                self.deleted_jobs.scan_soon,
                self.intake.requeue_pools,
            ),
        )
        self.orphans = OrphanSweep(
            kubernetes, self.cache, store, tenants, age_seconds=settings.orphan_age_seconds
        )

        # Reconcilers and metrics.
        may_act = self.leadership.may_act
        self.reconcilers = (
            Reconciler(
                self.jobs, job_controller.reconcile, workers=settings.workers, measured=may_act
            ),
            Reconciler(
                self.pools, pool_controller.reconcile, workers=POOL_WORKERS, measured=may_act
            ),
            Reconciler(
                self.deleted_jobs.queue,
                self.deleted_jobs.reconcile,
                workers=DELETION_WORKERS,
                measured=may_act,
            ),
            Reconciler(
                self.unreadable.queue, self.unreadable.reconcile, workers=1, measured=may_act
            ),
        )
        self.metrics = ClusterMetrics(
            self.cache, self.index, self.leadership, pool_controller, kubernetes.clock
        )

    async def run(self) -> None:
        """Work until cancelled. Raises what a part ended with, if one ends."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                serve_probes(self.settings.health_port, ready=self.leadership.synced.is_set)
            )
            stack.enter_context(exported(self.metrics))
            if self.lease is not None:
                stack.push_async_callback(self.lease.release)
            async with asyncio.TaskGroup() as tasks:
                for name, work in self._parts():
                    tasks.create_task(work, name=name)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        settings, leading = self.settings, self.leadership.run_when_leading
        yield "watch of jobs", handlers.run(handlers.JOBS, settings.tenants, self.watched)
        yield (
            "watch of pools",
            handlers.run(handlers.RUNNERS, (settings.namespace,), self.watched),
        )
        yield "first load", self._load()
        if self.lease is not None:
            yield "lease", self.lease.run()
        yield "leadership", self.leadership.watch()
        for reconciler in self.reconcilers:
            yield "reconciler", reconciler.run()
        yield "events", self.events.run()
        yield "sweep", self.sweep.run(settings.sweep_seconds)
        parts: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("take-over", self._take_over),
            ("index", self.index_repair.run),
            ("explanations", self.explanations.run),
            ("runners", self.runner_watch.run),
            ("operator mark", self.runner_watch.keep_operator_mark),
            ("deleted jobs", self.deleted_jobs.run),
        )
        for name, work in parts:
            yield name, leading(work)
        yield (
            "orphans",
            self.orphans.run(settings.archive_sweep_seconds, self.leadership.leading),
        )

    async def _load(self) -> None:
        started = time.monotonic()
        await self.sweep.wait_loaded()
        self.leadership.synced.set()
        logger.info(
            "loaded %d jobs, %d pools and %d runner pods in %.1f s",
            len(self.cache.jobs),
            len(self.cache.pools),
            len(self.cache.pods),
            time.monotonic() - started,
        )

    async def _take_over(self) -> None:
        """Have everything reconciled, and announce what completed while no operator acted."""
        self.intake.requeue_everything()
        await self.completions.run()
        # Runs until this replica no longer acts.
        await asyncio.Event().wait()


def _count_outage(_: Exception) -> None:
    metrics.FAULTS.labels(kind="redis").inc()


async def run_operator(settings: OperatorSettings, end: Callable[[], None]) -> None:
    """Connect to everything and work until cancelled; ``end`` is called to end the process.

    Raises CredentialsError, and whatever a part ends with.
    """
    lifetimes, store_settings, points = LifetimeSettings(), StoreSettings(), FaultPoints()
    async with AsyncExitStack() as stack:
        kubernetes = await stack.enter_async_context(
            await kubernetes_client.connect(
                max_connections=settings.workers * 2 + 16, observer=points
            )
        )
        redis = redis_client.connect(RedisSettings(), max_connections=REDIS_CONNECTIONS)
        stack.push_async_callback(redis.aclose)
        store_client = await stack.enter_async_context(object_store.connect(store_settings))
        operator = Operator(
            settings,
            lifetimes,
            store_settings,
            kubernetes=kubernetes,
            redis=redis,
            store_client=store_client,
            points=points,
            end=end,
        )
        logger.info("the operator starts, process %d", os.getpid())
        await operator.run()

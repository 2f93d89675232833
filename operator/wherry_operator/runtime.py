"""One run of the operator: all parts, wired together."""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import kopf
from kubernetes.aio.client import ApiClient

from wherry_core import kubernetes_client, object_store
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.settings import LifetimeSettings, RedisSettings, StoreSettings
from wherry_operator import clock
from wherry_operator.cluster_metrics import ClusterMetrics, exported
from wherry_operator.event_recorder import EventRecorder
from wherry_operator.intake import watches
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.cache_sweep import CacheSweep
from wherry_operator.intake.discovery import wait_until_served
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.swept_kinds import swept_kinds
from wherry_operator.jobs.controller import JobController
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.plan import JobRules
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.jobs.waiting_notes import WaitingNotes
from wherry_operator.kubernetes_api import KubernetesApi
from wherry_operator.leadership import Leadership
from wherry_operator.pools.controller import PoolController
from wherry_operator.pools.executor import PoolExecutor
from wherry_operator.probes import serve_probes
from wherry_operator.reconciler import Reconciler
from wherry_operator.redis_link import RedisLink
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.repair.index_repair import IndexRepair
from wherry_operator.repair.orphan_sweep import OrphanSweep
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.role import Role
from wherry_operator.runners.runner_watch import RunnerWatch
from wherry_operator.settings import OperatorSettings

logger = logging.getLogger(__name__)

POOL_WORKERS = 4


class Operator:
    """Everything of one run. State is only what can be read again from the cluster."""

    def __init__(
        self,
        settings: OperatorSettings,
        lifetimes: LifetimeSettings,
        store_settings: StoreSettings,
        *,
        client: ApiClient,
        redis: Redis,
        store_client: Any,
        on_watches_started: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._on_watches_started = on_watches_started
        self.role = Role(lambda: not settings.leader_election or self.leadership.holding)
        self._client = client
        self.cache = ClusterCache()
        self.api = KubernetesApi(client)
        identity = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        link = RedisLink(redis)
        self.index = QueueIndex(link, state_ttl_seconds=lifetimes.completed)
        self.index_repair = IndexRepair(link, self.index, self.cache)
        self.events = EventRecorder(self.api, identity)
        self.store = ArchiveStore(store_client, store_settings)
        self.jobs = Reconciler(
            "job", self._reconcile_job, workers=settings.workers, measured=self.role.may_act
        )
        self.pools = Reconciler(
            "pool", self._reconcile_pool, workers=POOL_WORKERS, measured=self.role.may_act
        )
        self.tenant_limit = TenantLimit(settings.tenant_running_limit, self.jobs.add)
        self.leadership = Leadership(
            self.api,
            settings.namespace,
            identity,
            lease_seconds=settings.lease_seconds,
            on_gain=self._take_over,
        )
        self.notes = WaitingNotes(
            wants=lambda key: self._job_controller.wants_note(key),
            look_at=self.jobs.add,
            busy=lambda: self.jobs.waiting > settings.workers,
            redis_up=lambda: self.index.up,
            jobs_of=lambda pool: self.cache.jobs_of(pool).queued,
            pools=self.cache.pools_with_jobs,
        )
        self.intake = ClusterIntake(
            self.cache,
            namespace=settings.namespace,
            jobs=self.jobs,
            pools=self.pools,
            index=self.index,
            tenant_limit=self.tenant_limit,
            clear_up=self._clear_up,
            explain_again=lambda pool: self.notes.pool_changed(pool, time.monotonic()),
        )
        self._runner_watch = RunnerWatch(
            self.cache,
            self.index,
            settings.heartbeat_timeout_seconds,
            on_change=self.intake.look_at_runner,
            on_draining=self._note_draining,
        )
        executor = JobExecutor(
            api=self.api,
            index=self.index,
            events=self.events,
            archives=self.store,
            take_job=self.intake.take_job,
            drop_job=lambda view: self.intake.drop_job(view.key, view.uid),
            plan_again=self.jobs.add,
        )
        self._job_controller = JobController(
            api=self.api,
            cache=self.cache,
            executor=executor,
            rules=JobRules(
                completed_ttl=lifetimes.completed,
                failed_ttl=lifetimes.failed,
                dead_letter_ttl=lifetimes.dead_lettered,
                lost_attempts_limit=settings.lost_attempts_limit,
                explain_after=settings.explain_after_seconds,
            ),
            tenant_limit=self.tenant_limit,
            namespace=settings.namespace,
            heartbeat_timeout=settings.heartbeat_timeout_seconds,
            silent_runners=self._runner_watch.silent,
            may_act=self.role.may_act,
            take_pod=lambda raw: self.intake.take_pod(False, raw),
            plan_pool=self.pools.add,
            notes=self.notes,
            completed=self.intake.completed,
        )
        self._pool_controller = PoolController(
            cache=self.cache,
            index=self.index,
            executor=PoolExecutor(
                api=self.api,
                index=self.index,
                events=self.events,
                namespace=settings.namespace,
                take_pool=lambda raw: self.intake.take_pool(False, raw),
                take_pod=lambda raw: self.intake.take_pod(False, raw),
                drop_pod=lambda pod: self.intake.drop_pod(pod.name, pod.uid),
            ),
            tenant_limit=self.tenant_limit,
            silent_runners=self._runner_watch.silent,
            may_act=self.role.may_act,
        )
        self.sweep = CacheSweep(
            self.api,
            swept_kinds(self.cache, self.intake, settings.namespace, settings.tenants),
        )
        self.orphans = OrphanSweep(
            self.api,
            self.cache,
            self.store,
            settings.tenants,
            age_seconds=settings.orphan_age_seconds,
        )
        self.index_repair.on_recovery.append(self._after_redis_recovery)

    def _take_over(self) -> None:
        self._job_controller.forget_announced(self.leadership.other_acted_until)
        self.intake.look_at_everything()

    async def _reconcile_job(self, key: str) -> float | None:
        return await self._job_controller.reconcile(key)

    async def _reconcile_pool(self, name: str) -> float | None:
        return await self._pool_controller.reconcile(name)

    async def _clear_up(self, view: JobView) -> None:
        if not self.role.may_act():
            return
        runner = view.claimed_by
        if runner is not None:
            await self.index.stop(view.pool, runner, view.key)
        await self.index.forget(view)
        await self.store.remove(view)

    def _note_draining(self, pool: str, runners: set[str]) -> None:
        self._pool_controller.note_draining(pool, runners)

    def _after_redis_recovery(self) -> None:
        self._runner_watch.start_over()
        self._pool_controller.forget_drains()
        for name in self.cache.pools:
            self.pools.add(name)

    # The tasks.

    async def run(self) -> None:
        """Work until cancelled. Raises what a part ended with, if one ends."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                serve_probes(
                    self.settings.health_port,
                    alive=lambda: True,
                    ready=self.role.synced.is_set,
                )
            )
            figures = ClusterMetrics(
                self.cache,
                acting=self.role.may_act,
                pools=self._pool_controller.figures,
                redis_up=lambda: self.index.up,
                now=clock.now,
            )
            stack.enter_context(exported(figures))
            stack.push_async_callback(self.leadership.release)
            async with asyncio.TaskGroup() as tasks:
                for name, work in self._parts():
                    tasks.create_task(work, name=name)

    def _parts(self) -> list[tuple[str, Any]]:
        configuration = self._client.configuration
        job_watch = watches.job_watch(configuration, self.intake.on_job)
        pool_watch = watches.pool_watch(configuration, self.intake.take_pool, self.intake.take_pod)
        parts = [
            ("watch of jobs", self._watch(job_watch, self.settings.tenants)),
            ("watch of pools", self._watch(pool_watch, (self.settings.namespace,))),
            ("first load", self._load()),
            ("jobs", self.jobs.run()),
            ("pools", self.pools.run()),
            ("events", self.events.run()),
            ("index", self.role.run_when_leading(self.index_repair.run)),
            ("notes", self.role.run_when_leading(self.notes.run)),
            ("heartbeats", self.role.run_when_leading(self._runner_watch.run)),
            ("sweep", self.sweep.run(self.settings.sweep_seconds)),
            (
                "orphans",
                self.orphans.run(self.settings.archive_sweep_seconds, self.role.leading),
            ),
            ("role", self.role.watch()),
        ]
        if self.settings.leader_election:
            parts.append(("lease", self.leadership.run()))
        return parts

    async def _watch(
        self, registry: kopf.OperatorRegistry, namespaces: tuple[str, ...] | None
    ) -> None:
        await wait_until_served(self.api)
        await watches.run_watch(
            registry,
            namespaces,
            watches.kopf_settings(self.settings.watch_silence_seconds),
            self._on_watches_started,
        )

    async def _load(self) -> None:
        started = time.monotonic()
        await self.sweep.wait_loaded()
        self.role.synced.set()
        logger.info(
            "loaded %d jobs, %d pools and %d runner pods in %.1f s",
            len(self.cache.jobs),
            len(self.cache.pools),
            len(self.cache.pods),
            time.monotonic() - started,
        )
        self.intake.look_at_everything()


async def run_operator(
    settings: OperatorSettings, on_watches_started: Callable[[], None] = lambda: None
) -> None:
    """Connect to everything and work until cancelled."""
    lifetimes, store_settings = LifetimeSettings(), StoreSettings()
    async with AsyncExitStack() as stack:
        client = await kubernetes_client.connect(max_connections=settings.workers * 2 + 16)
        stack.push_async_callback(client.close)
        redis = redis_client.connect(RedisSettings(), max_connections=64)
        stack.push_async_callback(redis.aclose)
        store_client = await stack.enter_async_context(object_store.connect(store_settings))
        operator = Operator(
            settings,
            lifetimes,
            store_settings,
            client=client,
            redis=redis,
            store_client=store_client,
            on_watches_started=on_watches_started,
        )
        logger.info("the operator starts, process %d", os.getpid())
        await operator.run()

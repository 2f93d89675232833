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
from pydantic import ValidationError

from wherry_core import kubernetes_client, object_store
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.resources import Phase, RunnerPool
from wherry_core.settings import LifetimeSettings, RedisSettings, StoreSettings
from wherry_operator import clock, metrics, watches
from wherry_operator.archive_store import ArchiveStore
from wherry_operator.cache import ClusterCache, PoolView
from wherry_operator.cache_sweep import CacheSweep, SweptKind
from wherry_operator.cluster_metrics import ClusterMetrics, exported
from wherry_operator.event_recorder import EventRecorder
from wherry_operator.heartbeats import HeartbeatWatch
from wherry_operator.job_controller import JobController
from wherry_operator.job_execution import JobExecutor
from wherry_operator.job_plan import JobRules
from wherry_operator.job_view import JobView, read_job
from wherry_operator.kubernetes_api import (
    KubernetesApi,
    jobs_path,
    pods_path,
    pools_path,
)
from wherry_operator.leadership import Leadership
from wherry_operator.orphan_sweep import OrphanSweep
from wherry_operator.pod_view import POOL_LABEL, PodView, read_pod
from wherry_operator.pool_controller import PoolController
from wherry_operator.probes import serve_probes
from wherry_operator.queue_index import QueueIndex
from wherry_operator.reconciler import Reconciler
from wherry_operator.settings import OperatorSettings
from wherry_operator.tenant_limit import TenantLimit

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
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
        self.synced = asyncio.Event()
        self.leading = asyncio.Event()
        self._client = client
        self._heartbeats = HeartbeatWatch(settings.heartbeat_timeout_seconds)
        self._silent: frozenset[str] = frozenset()
        self._side_tasks: set[asyncio.Task[None]] = set()
        self.cache = ClusterCache()
        self.api = KubernetesApi(client)
        identity = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self.index = QueueIndex(redis, self.cache, state_ttl_seconds=lifetimes.completed)
        self.events = EventRecorder(self.api, identity)
        self.store = ArchiveStore(store_client, store_settings)
        self.jobs = Reconciler(
            "job", self._reconcile_job, workers=settings.workers, measured=self._may_act
        )
        self.pools = Reconciler(
            "pool", self._reconcile_pool, workers=POOL_WORKERS, measured=self._may_act
        )
        self.tenant_limit = TenantLimit(settings.tenant_running_limit, self.jobs.add)
        self.leadership = Leadership(
            self.api,
            settings.namespace,
            identity,
            lease_seconds=settings.lease_seconds,
            on_gain=self._take_over,
        )
        executor = JobExecutor(
            api=self.api,
            index=self.index,
            events=self.events,
            archives=self.store,
            take_job=self.take_job,
            drop_job=lambda view: self.drop_job(view.key, view.uid),
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
            ),
            tenant_limit=self.tenant_limit,
            namespace=settings.namespace,
            heartbeat_timeout=settings.heartbeat_timeout_seconds,
            silent_runners=lambda: self._silent,
            may_act=self._may_act,
            take_pod=lambda raw: self.take_pod(False, raw),
            plan_pool=self.pools.add,
        )
        self._pool_controller = PoolController(
            api=self.api,
            cache=self.cache,
            index=self.index,
            events=self.events,
            tenant_limit=self.tenant_limit,
            namespace=settings.namespace,
            silent_runners=lambda: self._silent,
            may_act=self._may_act,
            take_pool=lambda raw: self.take_pool(False, raw),
            take_pod=lambda raw: self.take_pod(False, raw),
            drop_pod=lambda pod: self.drop_pod(pod.name, pod.uid),
        )
        self.sweep = CacheSweep(self.api, self._swept_kinds())
        self.orphans = OrphanSweep(
            self.api,
            self.cache,
            self.store,
            settings.tenants,
            age_seconds=settings.orphan_age_seconds,
        )
        self.index.on_recovery.append(self._after_redis_recovery)

    # What the watches, the sweeps and the answers to own writes bring.

    def take_job(self, raw: dict[str, Any]) -> JobView:
        """Take a job into the cache and have what depends on it looked at."""
        view = read_job(raw)
        news, before = self.cache.put_job(view)
        if news:
            self._job_changed(before, view)
        return self.cache.jobs.get(view.key, view)

    def on_job(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a watch event of a job."""
        metadata = raw["metadata"]
        if deleted:
            self.drop_job(f"{metadata['namespace']}/{metadata['name']}", metadata["uid"])
            return
        try:
            self.take_job(raw)
        except ValidationError as error:
            metrics.FAULTS.labels(kind="unreadable").inc()
            logger.error(
                "this job cannot be read, it is left alone: %s",
                error,
                extra={"job": f"{metadata['namespace']}/{metadata['name']}"},
            )

    def drop_job(self, key: str, uid: str) -> None:
        """Forget a job that is gone, and what lies in Redis and in the store for it."""
        view = self.cache.drop_job(key, uid)
        if view is None:
            return
        self.tenant_limit.update(view, wants_work=False)
        self.jobs.forget(key)
        self.pools.add(view.pool)
        self._job_controller.completed.discard(key)
        self._start(self._clear_up(view), f"clearing up after {key}")

    def take_pool(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a pool."""
        metadata = raw["metadata"]
        if metadata["namespace"] != self.settings.namespace:
            return
        name = metadata["name"]
        if deleted:
            self.drop_pool(name, metadata["uid"])
            return
        view = PoolView(RunnerPool.model_validate(raw))
        news, before = self.cache.put_pool(view)
        if news:
            self.pools.add(name)
            if before is None:
                self._look_at_waiting(name)

    def drop_pool(self, name: str, uid: str) -> None:
        """Forget a pool that is gone."""
        if self.cache.drop_pool(name, uid) is not None:
            self.pools.add(name)
            self.pools.forget(name)
            self._look_at_waiting(name)

    def take_pod(self, deleted: bool, raw: dict[str, Any]) -> None:
        """Take in a runner pod."""
        view = read_pod(raw)
        if deleted:
            self.drop_pod(view.name, view.uid)
            return
        news, _ = self.cache.put_pod(view)
        if news:
            self._pod_changed(view, judge_jobs=view.ended)

    def drop_pod(self, name: str, uid: str) -> None:
        """Forget a pod that is gone."""
        view = self.cache.drop_pod(name, uid)
        if view is not None:
            self._pod_changed(view, judge_jobs=True)

    def _pod_changed(self, pod: PodView, *, judge_jobs: bool) -> None:
        self.pools.add(pod.pool)
        if judge_jobs:
            for key in self.cache.jobs_of(pod.pool).by_runner.get(pod.name, ()):
                self.jobs.add(key)

    def _job_changed(self, before: JobView | None, after: JobView) -> None:
        job = after.job
        waits = job.status.phase in {None, Phase.QUEUED}
        deleted = job.metadata.deletion_timestamp is not None
        if not waits and self.index.left_queue(after.key) and after.claimed_by:
            self._measure_wait(after)
        wants_work = not job.ended and not deleted and not (waits and job.spec.suspend)
        self.tenant_limit.update(after, wants_work=wants_work)
        became_complete = (
            job.status.phase is Phase.COMPLETED
            and before is not None
            and before.uid == after.uid
            and not before.job.ended
        )
        if became_complete:
            self._job_controller.completed.add(after.key)
        self.jobs.add(after.key)
        if before is None or _scaling_facts(before) != _scaling_facts(after):
            self.pools.add(after.pool)

    @staticmethod
    def _measure_wait(view: JobView) -> None:
        status = view.job.status
        if status.queued_time and status.attempt_start_time:
            seconds = (status.attempt_start_time - status.queued_time).total_seconds()
            metrics.QUEUE_SECONDS.observe(max(0.0, seconds))

    def _look_at_waiting(self, pool: str) -> None:
        for key in self.cache.jobs_of(pool).queued:
            self.jobs.add(key)

    def _take_over(self) -> None:
        self._job_controller.forget_announced(self.leadership.other_acted_until)
        self._look_at_everything()

    def _look_at_everything(self) -> None:
        for key in self.cache.jobs:
            self.jobs.add(key)
        for name in {*self.cache.pools, *self.cache.pools_with_jobs()}:
            self.pools.add(name)

    # What may be done, and by whom.

    def _may_act(self) -> bool:
        if not self.synced.is_set():
            return False
        return not self.settings.leader_election or self.leadership.holding

    async def _reconcile_job(self, key: str) -> float | None:
        return await self._job_controller.reconcile(key)

    async def _reconcile_pool(self, name: str) -> float | None:
        return await self._pool_controller.reconcile(name)

    async def _clear_up(self, view: JobView) -> None:
        if not self._may_act():
            return
        runner = view.claimed_by
        if runner is not None:
            await self.index.stop(view.pool, runner, view.key)
        await self.index.forget(view)
        await self.store.remove(view)

    def _after_redis_recovery(self) -> None:
        self._heartbeats.start_over(time.monotonic())
        self._silent = frozenset()
        self._pool_controller.forget_drains()
        for name in self.cache.pools:
            self.pools.add(name)

    # The tasks.

    def _start(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work, name), name=name)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    @staticmethod
    async def _guarded(work: Any, name: str) -> None:
        try:
            await work
        except Exception:
            metrics.FAULTS.labels(kind="clean_up").inc()
            logger.exception("failed: %s; the sweep of the store does it later", name)

    async def run(self) -> None:
        """Work until cancelled. Raises what a part ended with, if one ends."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                serve_probes(
                    self.settings.health_port,
                    alive=lambda: True,
                    ready=self.synced.is_set,
                )
            )
            figures = ClusterMetrics(
                self.cache,
                acting=self._may_act,
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
        job_watch = watches.job_watch(configuration, self.on_job)
        pool_watch = watches.pool_watch(configuration, self.take_pool, self.take_pod)
        parts = [
            ("watch of jobs", self._watch(job_watch, self.settings.tenants)),
            ("watch of pools", self._watch(pool_watch, (self.settings.namespace,))),
            ("first load", self._load()),
            ("jobs", self.jobs.run()),
            ("pools", self.pools.run()),
            ("events", self.events.run()),
            ("index", self._run_when_leading(self.index.run)),
            ("heartbeats", self._run_when_leading(self._watch_heartbeats)),
            ("sweep", self.sweep.run(self.settings.sweep_seconds)),
            (
                "orphans",
                self.orphans.run(self.settings.archive_sweep_seconds, self.leading),
            ),
            ("role", self._watch_role()),
        ]
        if self.settings.leader_election:
            parts.append(("lease", self.leadership.run()))
        return parts

    async def _watch(
        self, registry: kopf.OperatorRegistry, namespaces: tuple[str, ...] | None
    ) -> None:
        await watches.run_watch(
            registry,
            namespaces,
            watches.kopf_settings(self.settings.watch_silence_seconds),
            self._on_watches_started,
        )

    async def _load(self) -> None:
        started = time.monotonic()
        await self.sweep.wait_loaded()
        self.synced.set()
        logger.info(
            "loaded %d jobs, %d pools and %d runner pods in %.1f s",
            len(self.cache.jobs),
            len(self.cache.pools),
            len(self.cache.pods),
            time.monotonic() - started,
        )
        self._look_at_everything()

    async def _watch_role(self) -> None:
        """Keep the event ``leading`` as the role is; losing it stops what runs for leaders."""
        while True:
            if self._may_act():
                self.leading.set()
            else:
                self.leading.clear()
            await asyncio.sleep(0.1)

    async def _run_when_leading(self, work: Callable[[], Any]) -> None:
        while True:
            await self.leading.wait()
            task = asyncio.ensure_future(work())
            try:
                while self.leading.is_set() and not task.done():
                    await asyncio.wait({task}, timeout=0.2)
            finally:
                if not task.done():
                    task.cancel()
                    await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    async def _watch_heartbeats(self) -> None:
        """Read the heartbeats every 2 s; have the jobs of silent runners looked at."""
        while True:
            now, answered = time.monotonic(), True
            counts: dict[str, int] = {}
            runners: set[str] = set()
            for pool in {*self.cache.pools, *self.cache.pools_with_jobs()}:
                names = {pod.name for pod in self.cache.pods_of(pool) if pod.running}
                names |= self.cache.jobs_of(pool).by_runner.keys()
                if not names:
                    continue
                runners |= names
                records = await self.index.records(pool, sorted(names))
                if records is None:
                    answered = False
                    break
                counts |= {name: record.heartbeat for name, record in records.items()}
                leaving = {name for name, record in records.items() if record.draining}
                self._pool_controller.note_draining(pool, leaving)
            if answered:
                self._heartbeats.note(runners, counts, now)
            else:
                self._heartbeats.start_over(now)
            self._note_silent(self._heartbeats.silent(now))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _note_silent(self, silent: frozenset[str]) -> None:
        changed = silent ^ self._silent
        self._silent = silent
        for name in changed:
            pod = self.cache.pods.get(name)
            if pod is not None:
                self._pod_changed(pod, judge_jobs=True)
            else:
                for pool in self.cache.pools_with_jobs():
                    for key in self.cache.jobs_of(pool).by_runner.get(name, ()):
                        self.jobs.add(key)

    def _swept_kinds(self) -> tuple[SweptKind, ...]:
        namespace, tenants = self.settings.namespace, self.settings.tenants

        def job_path(key: str) -> str:
            where, _, name = key.partition("/")
            return jobs_path(where, name)

        return (
            SweptKind(
                name="pool",
                list_paths=(pools_path(namespace),),
                selector="",
                views=self.cache.pools,
                key_of=lambda metadata: str(metadata["name"]),
                path_of=lambda name: pools_path(namespace, name),
                take=self.take_pool,
                drop=self.drop_pool,
            ),
            SweptKind(
                name="pod",
                list_paths=(pods_path(namespace),),
                selector=POOL_LABEL,
                views=self.cache.pods,
                key_of=lambda metadata: str(metadata["name"]),
                path_of=lambda name: pods_path(namespace, name),
                take=self.take_pod,
                drop=self.drop_pod,
            ),
            SweptKind(
                name="job",
                list_paths=tuple(jobs_path(each) for each in tenants or (None,)),
                selector="",
                views=self.cache.jobs,
                key_of=lambda metadata: f"{metadata['namespace']}/{metadata['name']}",
                path_of=job_path,
                take=self.on_job,
                drop=self.drop_job,
            ),
        )


def _scaling_facts(view: JobView) -> tuple[object, ...]:
    job = view.job
    return (
        job.status.phase,
        job.status.runner,
        job.status.next_attempt_time,
        job.spec.suspend,
        job.spec.cancel,
        job.metadata.deletion_timestamp,
    )


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

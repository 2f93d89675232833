"""What each kind of fault does. Each repairs in the end what it broke."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Container
from typing import Any, Final

from localcluster.stores import start_store
from tests.chaos.persistence import persist
from tests.chaos.schedule import Kind, Strike
from tests.chaos.world import CHANGING, FILES, Replica, World
from tests.harness.api import JOBS, POOLS, ApiError, Resource
from tests.harness.clocks import clock_environment
from tests.harness.fault_proxy import Fault, FaultProxy, Rule
from tests.harness.newer_release import unreadable_job, unreadable_pool
from tests.harness.pod_process import PodProcess
from tests.harness.tcp_proxy import Link, TcpProxy
from tests.harness.waiting import TooLateError

WRITE_POINTS: Final = [
    f"{side}-{what}"
    for what in (
        "patch-downloadjobs/status",
        "post-pods",
        "delete-pods",
        "patch-runnerpools/status",
        "post-events",
        "put-leases",
        "redis-enqueue",
        "redis-publish",
        "redis-mark",
        "redis-remove",
        "redis-stop",
        "redis-drain",
        "redis-retire",
        "redis-forget-runner",
        "redis-forget-job",
        "store-remove",
    )
    for side in ("before", "after")
]
FAULT_POINT: Final = "WHERRY_FAULT_POINT"
POINT_PATIENCE_SECONDS: Final = 12.0
RESTART_SECONDS: Final = 0.5
CLOCK_OFF_SECONDS: Final = 120
OPEN: Final = frozenset({None, "Queued", "Processing"})
ANY: Final = OPEN | {"Completed", "Failed", "Cancelled"}


def _pick(things: list[Any], chance: float) -> Any:
    return things[int(chance * len(things))]


async def _kill_and_restart(replica: Replica) -> None:
    replica.process.kill()
    await asyncio.sleep(RESTART_SECONDS)
    replica.process.start()


async def operator_killed(world: World, strike: Strike) -> None:
    async with world.operator_lock:
        leaders = await world.leaders()
        await _kill_and_restart(leaders[0] if leaders else _pick(world.replicas, strike.chance))


async def operator_killed_at_a_write(world: World, strike: Strike) -> None:
    """Both replicas crash; the first to restart dies again at a certain write."""
    doomed, other = world.replicas
    async with world.operator_lock:
        for each in (doomed, other):
            each.process.kill()
        doomed.process.environment[FAULT_POINT] = _pick(WRITE_POINTS, strike.chance)
        doomed.process.start()
        del doomed.process.environment[FAULT_POINT]
        with contextlib.suppress(TooLateError):
            await doomed.process.wait_ended(POINT_PATIENCE_SECONDS)
        doomed.process.kill()
        for each in (doomed, other):
            each.process.start()


async def operator_frozen(world: World, strike: Strike) -> None:
    victim = _pick(world.replicas, strike.chance).process
    victim.pause()
    await asyncio.sleep(min(strike.seconds, world.times.lease * 2))
    victim.resume()


async def operator_disconnected(world: World, strike: Strike) -> None:
    proxy = _pick(world.replicas, strike.chance).proxy
    proxy.disconnect()
    await asyncio.sleep(strike.seconds)
    proxy.reconnect()


async def api_server_restarted(world: World, strike: Strike) -> None:
    plane = world.cluster.control_plane
    if plane is None:
        raise RuntimeError("the tests may not stop the API server of an existing cluster")
    async with world.api_lock:
        await asyncio.to_thread(plane.restart_apiserver, kill=strike.chance < 0.5)


def error_rules(strike: Strike) -> list[Rule]:
    """Return one rule for each error, for the next requests that write jobs, pods or pools."""

    def write(method: str, path: str) -> bool:
        return method != "GET" and "leases" not in path

    def read(method: str, path: str) -> bool:
        return method == "GET" and "watch=" not in path

    return [
        Rule(write, Fault.ANSWER, status=409),
        Rule(write, Fault.ANSWER, status=429, retry_after_seconds=1),
        Rule(write, Fault.ANSWER, status=500),
        Rule(write, Fault.RESET),
        Rule(write, Fault.LOSE_ANSWER),
        Rule(read, Fault.ANSWER, status=500),
        Rule(read, Fault.RESET),
    ] * (1 + int(strike.chance * 3))


async def api_errors(world: World, strike: Strike) -> None:
    for each in world.replicas:
        rules = error_rules(strike)
        each.proxy.rules += [
            Rule(rule.matches, rule.fault, 1, rule.status, rule.retry_after_seconds)
            for rule in rules
        ]
    await asyncio.sleep(strike.seconds)
    for each in world.replicas:
        each.proxy.rules.clear()


def _on_all_proxies(change: Callable[[FaultProxy], None]) -> "Inject":
    async def inject(world: World, strike: Strike) -> None:
        del strike
        for each in world.replicas:
            change(each.proxy)

    return inject


async def delete_swallowed(world: World, strike: Strike) -> None:
    """A pod is deleted, and neither replica's watch reports it."""

    def of_a_pod(kind: str, body: dict[str, Any]) -> bool:
        return kind == "DELETED" and body["kind"] == "Pod"

    for each in world.replicas:
        each.proxy.swallow = of_a_pod
    await runner_vanished(world, strike)
    await asyncio.sleep(2)
    for each in world.replicas:
        each.proxy.swallow = None


def _runner(world: World, strike: Strike) -> PodProcess | None:
    running = world.node.running()
    return _pick(running, strike.chance) if running else None


def _on_a_runner(act: Callable[[PodProcess], None]) -> "Inject":
    async def inject(world: World, strike: Strike) -> None:
        if victim := _runner(world, strike):
            act(victim)

    return inject


async def runner_frozen(world: World, strike: Strike) -> None:
    if victim := _runner(world, strike):
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(strike.seconds)
        victim.send(signal.SIGCONT)


async def runner_terminated(world: World, strike: Strike) -> None:
    if victim := _runner(world, strike):
        name = victim.name
        await persist(lambda: world.api.delete("pods", world.namespace, name))


async def runner_vanished(world: World, strike: Strike) -> None:
    if victim := _runner(world, strike):
        name = victim.name
        await persist(lambda: world.node.vanish(name))


def _disconnected_runner(link: Callable[[Any], TcpProxy]) -> "Inject":
    async def inject(world: World, strike: Strike) -> None:
        victim = _runner(world, strike)
        if victim is None:
            return
        proxy = link(world.links.links[victim.pod["metadata"]["uid"]])
        proxy.set(Link.SILENT if strike.chance < 0.5 else Link.REFUSED)
        await asyncio.sleep(strike.seconds)
        proxy.set(Link.WHOLE)

    return inject


async def runner_clock_off(world: World, strike: Strike) -> None:
    """A runner is lost, and for a while new ones start on a node whose clock is off."""
    clock = clock_environment(CLOCK_OFF_SECONDS if strike.chance < 0.5 else -CLOCK_OFF_SECONDS)
    world.node.environment |= clock
    if victim := _runner(world, strike):
        victim.send(signal.SIGKILL)
    await asyncio.sleep(strike.seconds)
    for name in clock:
        world.node.environment.pop(name, None)


async def redis_flushed(world: World, strike: Strike) -> None:
    del strike
    await world.redis.flush()


async def redis_restarted_empty(world: World, strike: Strike) -> None:
    del strike
    await world.redis.restart_empty()


async def redis_failed_over(world: World, strike: Strike) -> None:
    await world.redis.fail_over(1 + 4 * strike.chance)


async def redis_unavailable(world: World, strike: Strike) -> None:
    await world.redis.be_unavailable(
        strike.seconds, Link.SILENT if strike.chance < 0.5 else Link.REFUSED
    )


async def store_restarted(world: World, strike: Strike) -> None:
    async with world.store_lock:
        world.store.kill()
        await asyncio.sleep(strike.seconds)
        await asyncio.to_thread(start_store, world.store.kind, world.store.state)


async def source_replaced(world: World, strike: Strike) -> None:
    """Other bytes, possibly none, are stored under the key of a source file."""
    file_id = _pick(list(CHANGING), strike.chance)
    body = f"{file_id} as of {strike.at}\n".encode() * int(strike.chance * 60)
    async with world.store_lock:
        await world.bucket.put_files({file_id: body})


async def _chosen_job(world: World, strike: Strike, phases: Container[str | None]) -> str | None:
    found = await persist(lambda: world.api.list_all(JOBS, world.namespace))
    names = [
        each["metadata"]["name"]
        for each in found
        if each.get("status", {}).get("phase") in phases
        and f"{world.namespace}/{each['metadata']['name']}" not in world.unreadable
    ]
    return _pick(sorted(names), strike.chance) if names else None


async def _patch_job(world: World, name: str, **spec: Any) -> None:
    try:
        await persist(lambda: world.api.patch(JOBS, world.namespace, name, {"spec": spec}))
    except ApiError as error:
        # Another fault may have deleted it meanwhile.
        if error.status != 404:
            raise


async def job_cancelled(world: World, strike: Strike) -> None:
    if name := await _chosen_job(world, strike, OPEN):
        world.may_be_cancelled.add(f"{world.namespace}/{name}")
        await _patch_job(world, name, cancel=True)


async def job_deleted(world: World, strike: Strike) -> None:
    if name := await _chosen_job(world, strike, ANY):
        world.deleted.add(f"{world.namespace}/{name}")
        await persist(lambda: world.api.delete(JOBS, world.namespace, name))


async def job_deleted_unseen(world: World, strike: Strike) -> None:
    async with world.no_operator():
        await job_deleted(world, strike)


async def resource_unreadable(world: World, strike: Strike) -> None:
    """A job and a pool appear that this release cannot read, as in the middle of an upgrade."""
    del strike
    name = f"unreadable-{len(world.unreadable)}"
    world.unreadable.add(f"{world.namespace}/{name}")
    await _create(world, JOBS, unreadable_job(name, list(FILES)[:2]))
    await _create(world, POOLS, unreadable_pool(name))


async def _create(world: World, plural: str, body: Resource) -> None:
    try:
        await persist(lambda: world.api.create(plural, world.namespace, body))
    except ApiError as error:
        # A request whose answer was lost has created it.
        if error.status != 409:
            raise


async def job_suspended(world: World, strike: Strike) -> None:
    if name := await _chosen_job(world, strike, OPEN):
        await _patch_job(world, name, suspend=True)
        await asyncio.sleep(strike.seconds)
        await _patch_job(world, name, suspend=False)


Inject = Callable[[World, Strike], Awaitable[None]]

FAULTS: Final[dict[Kind, Inject]] = {
    Kind.OPERATOR_KILLED: operator_killed,
    Kind.OPERATOR_KILLED_AT_A_WRITE: operator_killed_at_a_write,
    Kind.OPERATOR_FROZEN: operator_frozen,
    Kind.OPERATOR_DISCONNECTED: operator_disconnected,
    Kind.API_SERVER_RESTARTED: api_server_restarted,
    Kind.API_ERRORS: api_errors,
    Kind.WATCHES_EXPIRED: _on_all_proxies(FaultProxy.expire_watches),
    Kind.WATCHES_RESET: _on_all_proxies(FaultProxy.reset_watches),
    Kind.WATCHES_SILENT: _on_all_proxies(FaultProxy.silence_watches),
    Kind.DELETE_SWALLOWED: delete_swallowed,
    Kind.RUNNER_KILLED: _on_a_runner(lambda victim: victim.send(signal.SIGKILL)),
    Kind.RUNNER_FROZEN: runner_frozen,
    Kind.RUNNER_TERMINATED: runner_terminated,
    Kind.RUNNER_EVICTED: _on_a_runner(PodProcess.evict),
    Kind.RUNNER_OUT_OF_MEMORY: _on_a_runner(PodProcess.oom_kill),
    Kind.RUNNER_VANISHED: runner_vanished,
    Kind.RUNNER_CLOCK_OFF: runner_clock_off,
    Kind.RUNNER_WITHOUT_REDIS: _disconnected_runner(lambda links: links.redis),
    Kind.RUNNER_WITHOUT_API: _disconnected_runner(lambda links: links.api),
    Kind.RUNNER_WITHOUT_STORE: _disconnected_runner(lambda links: links.store),
    Kind.REDIS_FLUSHED: redis_flushed,
    Kind.REDIS_RESTARTED_EMPTY: redis_restarted_empty,
    Kind.REDIS_FAILED_OVER: redis_failed_over,
    Kind.REDIS_UNAVAILABLE: redis_unavailable,
    Kind.STORE_RESTARTED: store_restarted,
    Kind.SOURCE_REPLACED: source_replaced,
    Kind.JOB_CANCELLED: job_cancelled,
    Kind.JOB_DELETED: job_deleted,
    Kind.JOB_DELETED_UNSEEN: job_deleted_unseen,
    Kind.JOB_SUSPENDED: job_suspended,
    Kind.RESOURCE_UNREADABLE: resource_unreadable,
}

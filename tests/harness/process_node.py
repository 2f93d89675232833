"""The process node: scheduler and kubelet without a node, for pods that are plain processes.

It binds the pods of its namespaces, runs each one's container named ``runner`` as a process of
this machine with the pod's own environment and its service account's rights, and keeps the pod's
status as a kubelet would. As a program: ``python -m tests.harness.process_node --help``.
"""

import argparse
import asyncio
import base64
import contextlib
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import pod_plan
from tests.harness.api import Api, ApiError
from tests.harness.cluster import Cluster, open_kubeconfig
from tests.harness.pod_plan import Pod
from tests.harness.pod_process import PodProcess
from tests.harness.waiting import eventually

log = logging.getLogger("process_node")

NODE_NAME = "process-node"

Connect = Callable[[Pod, dict[str, str]], Awaitable[dict[str, str]]]
"""Called with a pod and its environment; returns the environment, possibly with proxies in it."""


class ProcessNode:
    """Acts as scheduler and kubelet for all pods of some namespaces. Use :func:`process_node`."""

    def __init__(
        self,
        api: Api,
        cluster: Cluster,
        folder: Path,
        *,
        capacity: int = 1_000,
        environment: Mapping[str, str] | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.api = api
        self.cluster = cluster
        self.folder = folder
        self.environment = dict(environment or {})
        """Variables that every process gets beneath its pod's own."""
        self.connect = connect
        """Changes the environment of a pod before its process starts."""
        self.processes: dict[str, PodProcess] = {}
        """Every process that was started, by pod uid."""
        self._capacity = capacity
        self._pods: dict[str, Pod] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._lookups: dict[tuple[str, str, str], Mapping[str, str] | None] = {}

    # Used by tests.

    def running(self) -> list[PodProcess]:
        """Return the processes that run now, oldest first."""
        return [each for each in self.processes.values() if each.running]

    def process(self, pod_name: str) -> PodProcess:
        """Return the newest process of the pod with this name. Raises KeyError."""
        found = [each for each in self.processes.values() if each.name == pod_name]
        if not found:
            raise KeyError(f"no process was ever started for pod {pod_name}")
        return found[-1]

    def pids(self) -> dict[str, int]:
        """Return the pids of the running processes by pod name, to kill and freeze them."""
        return {each.name: each.pid for each in self.running()}

    async def wait_running(self, count: int, within: float = 30.0) -> list[PodProcess]:
        """Wait until exactly ``count`` processes run and return them."""
        return await eventually(
            f"{count} runner processes",
            self.running,
            lambda seen: len(seen) == count,
            within=within,
        )

    def set_capacity(self, capacity: int) -> None:
        """Change how many pods fit; those that run stay."""
        self._capacity = capacity
        self._schedule()

    async def vanish(self, pod_name: str) -> None:
        """Lose the pod with its node: kill the process and delete the object at once."""
        process = self.process(pod_name)
        process.abandoned = True
        process.send(signal.SIGKILL)
        await self.api.delete("pods", process.namespace, pod_name, grace_seconds=0)

    async def cut_off(self, pod_name: str) -> PodProcess:
        """Force-delete the pod as if its node were unreachable; return its process, which stays."""
        process = self.process(pod_name)
        process.outlives_pod = True
        await self.api.delete("pods", process.namespace, pod_name, grace_seconds=0)
        return process

    # The loop.

    async def run(self, namespaces: Sequence[str], started: asyncio.Event | None = None) -> None:
        """Watch and serve ``namespaces`` until cancelled; then kill every process."""
        try:
            async with asyncio.TaskGroup() as group:
                ready = [asyncio.Event() for _ in namespaces]
                for namespace, event in zip(namespaces, ready, strict=True):
                    group.create_task(self._watch(namespace, event))
                for event in ready:
                    await event.wait()
                if started is not None:
                    started.set()
        finally:
            await self._end()

    async def _end(self) -> None:
        for process in self.running():
            process.abandoned = True
            process.send(signal.SIGKILL)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, namespace: str, ready: asyncio.Event) -> None:
        version = ""
        while True:
            try:
                if not version:
                    pods, version = await self.api.list_with_version("pods", namespace)
                    gone = {
                        uid
                        for uid, pod in self._pods.items()
                        if pod["metadata"]["namespace"] == namespace
                    } - {pod["metadata"]["uid"] for pod in pods}
                    for pod in pods:
                        self._seen(pod)
                    for uid in gone:
                        self._gone(uid)
                    ready.set()
                async for kind, pod in self.api.watch("pods", namespace, version):
                    version = pod["metadata"]["resourceVersion"]
                    if kind == "DELETED":
                        self._gone(pod["metadata"]["uid"])
                    elif kind != "BOOKMARK":
                        self._seen(pod)
            except (aiohttp.ClientError, OSError, TimeoutError, ApiError) as error:
                log.warning("watch of pods in %s broke: %s", namespace, error)
                version = ""
                await asyncio.sleep(0.3)

    def _seen(self, pod: Pod) -> None:
        uid = pod["metadata"]["uid"]
        self._pods[uid] = pod
        process = self.processes.get(uid)
        if process is not None:
            process.observe(pod)
        self._schedule()

    def _gone(self, uid: str) -> None:
        self._pods.pop(uid, None)
        process = self.processes.get(uid)
        if process is not None:
            process.abandoned = True
            if not process.outlives_pod:
                process.send(signal.SIGKILL)
        self._schedule()

    def _schedule(self) -> None:
        """Start waiting pods, the oldest first, as far as there is room."""
        alive = [
            pod
            for pod in self._pods.values()
            if pod.get("status", {}).get("phase") not in pod_plan.TERMINAL
        ]
        alive.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        room = self._capacity - sum(pod["metadata"]["uid"] in self.processes for pod in alive)
        for pod in alive:
            uid = pod["metadata"]["uid"]
            if uid in self.processes or "deletionTimestamp" in pod["metadata"]:
                if uid not in self.processes and pod["spec"].get("nodeName"):
                    self._spawn(self.delete_object(pod))
                continue
            if pod.get("status", {}).get("phase") == "Running":
                # Started by a process node before this one, and killed with it.
                started = pod["status"].get("startTime", pod["metadata"]["creationTimestamp"])
                lost = pod_plan.ended_status(pod, started, pod_plan.outcome_of(137))
                self._spawn(self.set_status(pod, lost))
            elif room > 0:
                room -= 1
                process = PodProcess(self, pod)
                self.processes[uid] = process
                self._spawn(process.run())
            elif not pod.get("status", {}).get("conditions"):
                self._spawn(self.set_status(pod, pod_plan.unschedulable_status()))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("serving a pod failed", exc_info=error)

    # Used by pod processes.

    async def set_status(self, pod: Pod, status: dict[str, object]) -> bool:
        """Write a pod's status; False when the pod is gone. Retries until the server answers."""
        meta = pod["metadata"]
        body = {"metadata": {"uid": meta["uid"]}, "status": status}
        while True:
            try:
                await self.api.patch("pods", meta["namespace"], meta["name"], body, sub="status")
            except ApiError as error:
                if error.status in {404, 409}:
                    return False
                if error.status < 500 and error.status != 429:
                    raise
            except (aiohttp.ClientError, OSError, TimeoutError):
                log.warning("could not write the status of pod %s yet", meta["name"])
            else:
                return True
            await asyncio.sleep(0.3)

    async def delete_object(self, pod: Pod) -> None:
        """Delete a pod's object, as the kubelet does once its process has ended."""
        meta = pod["metadata"]
        with contextlib.suppress(ApiError):
            await self.api.delete(
                "pods", meta["namespace"], meta["name"], grace_seconds=0, uid=meta["uid"]
            )

    async def data_of(self, plural: str, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a secret or config map as text, or None when it does not exist."""
        found = await self.api.find(plural, namespace, name)
        if found is None:
            return None
        data = found.get("data") or {}
        if plural == "configmaps":
            return dict(data)
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


@asynccontextmanager
async def process_node(
    api: Api,
    cluster: Cluster,
    folder: Path,
    namespaces: Sequence[str],
    *,
    capacity: int = 1_000,
    environment: Mapping[str, str] | None = None,
    connect: Connect | None = None,
) -> AsyncIterator[ProcessNode]:
    """Run a process node while the context is open."""
    node = ProcessNode(
        api, cluster, folder, capacity=capacity, environment=environment, connect=connect
    )
    started = asyncio.Event()
    task = asyncio.create_task(node.run(namespaces, started))
    waiter = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        yield node
    finally:
        waiter.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _serve(options: argparse.Namespace, cluster: Cluster) -> None:
    folder = Path(options.folder or tempfile.mkdtemp(prefix="wherry-process-node-"))
    log.info("logs of runners are in %s", folder)
    async with await Api.connect(cluster.kubeconfig) as api:
        node = ProcessNode(api, cluster, folder, capacity=options.capacity)
        task = asyncio.ensure_future(node.run(options.namespace))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main() -> None:
    """Run the process node as a program, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="process_node", description=__doc__)
    parser.add_argument("--kubeconfig", required=True, help="kubeconfig of an administrator")
    parser.add_argument(
        "--namespace", required=True, action="append", help="namespace to serve; may be repeated"
    )
    parser.add_argument("--capacity", type=int, default=100, help="pods that fit on the node")
    parser.add_argument("--folder", help="folder for the runners' logs and kubeconfigs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    cluster = open_kubeconfig(Path(options.kubeconfig).expanduser())
    asyncio.run(_serve(options, cluster))


if __name__ == "__main__":
    main()

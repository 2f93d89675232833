"""One pod of a process node: its process, from the binding to the exit."""

import asyncio
import contextlib
import logging
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from localcluster import ports
from tests.harness import pod_plan, tenants
from tests.harness.api import ApiError
from tests.harness.pod_plan import Pod, PodNotRunnableError
from tests.harness.processes import answers, base_environment, die_with_parent
from tests.harness.waiting import eventually
from wherry_core.resources.base import format_time

if TYPE_CHECKING:
    from tests.harness.process_node import ProcessNode

log = logging.getLogger("process_node")

TOKEN_SECONDS = 7 * 86_400
RETRY_SECONDS = 0.5


class PodProcess:
    """The process of one pod. Tests use ``pid``, ``send`` and the like."""

    def __init__(self, node: "ProcessNode", pod: Pod) -> None:
        self.pod = pod
        self.name: str = pod["metadata"]["name"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.uid: str = pod["metadata"]["uid"]
        self.health_port = 0
        """Port of its /healthz, /readyz and /metrics."""
        self.abandoned = False
        """True: no status is written and the object is not touched when the process ends."""
        self.outlives_pod = False
        """True: the process continues after the deletion of its pod, as on an unreachable node."""
        self._node = node
        self._child: asyncio.subprocess.Process | None = None
        self._deletion = asyncio.Event()
        self._oom = False
        self._evicted = False
        self._node_name = "process-node"
        self.observe(pod)

    @property
    def folder(self) -> Path:
        """Folder of the pod's token, kubeconfig and log."""
        # By uid, because the names of runners are reused.
        return self._node.folder / f"{self.namespace}-{self.name}-{self.uid[:8]}"

    @property
    def log_file(self) -> Path:
        """The container's log file."""
        return self.folder / "log"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """The pid of its process. Raises RuntimeError when it was not started."""
        if self._child is None:
            raise RuntimeError(f"pod {self.name} has no process yet")
        return self._child.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def logged(self, pattern: str) -> int:
        """Return how many times a regular expression matches in its log."""
        return len(re.findall(pattern, self.log_file.read_text(errors="replace")))

    async def wait_logged(self, pattern: str, within: float = 30.0) -> None:
        """Wait until a regular expression matches in its log. Raises TooLateError."""
        what = f"pod {self.name} to log {pattern!r}"
        await eventually(what, lambda: self.logged(pattern), within=within)

    def oom_kill(self) -> None:
        """Kill it as the kernel does when memory is short; the status has the reason OOMKilled."""
        self._oom = True
        self.send(signal.SIGKILL)

    def evict(self) -> None:
        """End it as a kubelet under pressure does; the pod fails with reason Evicted."""
        self._evicted = True
        self.send(signal.SIGKILL)

    def observe(self, pod: Pod) -> None:
        """Store the newest version of the pod."""
        self.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deletion.set()

    async def run(self) -> None:
        """Bind the pod, run its process to the end, and keep its status up to date."""
        if not await self._bind():
            return
        started = format_time(datetime.now(UTC))
        while not self.running:
            try:
                await self._start()
            except (PodNotRunnableError, ApiError) as error:
                log.warning("pod %s cannot start yet: %s", self.name, error)
                reason = "CreateContainerConfigError"
                status = pod_plan.waiting_status(self.pod, reason, str(error))
                if not await self._node.set_status(self.pod, status):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._deletion.wait(), RETRY_SECONDS)
                    await self._node.delete_object(self.pod)
                    return
        if self._child is None:
            return
        ended = asyncio.ensure_future(self._child.wait())
        helpers = [
            asyncio.ensure_future(self._report_running(started)),
            asyncio.ensure_future(self._end_when_deleted()),
        ]
        try:
            code = await ended
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        log.info("pod %s ended with %s", self.name, code)
        if code > 0:
            # Probably an error in the sources, which a user of `make dev` wants to see at once.
            words = await asyncio.to_thread(last_line, self.log_file)
            log.warning("the end of %s: %s", self.log_file, words)
        if self.abandoned:
            return
        outcome = pod_plan.outcome_of(code, oom=self._oom, evicted=self._evicted)
        await self._node.set_status(self.pod, pod_plan.ended_status(self.pod, started, outcome))
        await self._deletion.wait()
        await self._node.delete_object(self.pod)

    async def _bind(self) -> bool:
        bound = self.pod["spec"].get("nodeName")
        if bound:
            self._node_name = bound
            return True
        body = {
            "metadata": {"name": self.name, "uid": self.pod["metadata"]["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node_name},
        }
        try:
            await self._node.api.create("pods", self.namespace, body, name=self.name, sub="binding")
        except ApiError as error:
            if error.status in {404, 409}:
                log.info("pod %s was gone or bound before: %s", self.name, error)
                return False
            raise
        return True

    async def _start(self) -> None:
        environment = await self._environment()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *pod_plan.command_of(self.pod),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    cwd=self.folder,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            except OSError as error:
                raise PodNotRunnableError(f"the command cannot be started: {error}") from error
        log.info("pod %s runs as pid %s", self.name, self._child.pid)

    async def _environment(self) -> dict[str, str]:
        found = {
            (plural, name): await self._node.data_of(plural, self.namespace, name)
            for plural, name in sorted(pod_plan.references(self.pod))
        }
        own = pod_plan.environment_of(
            self.pod, self._node_name, lambda plural, name: found[(plural, name)]
        )
        account = self.pod["spec"].get("serviceAccountName", "default")
        token = await tenants.request_token(
            self._node.api, self.namespace, account, seconds=TOKEN_SECONDS
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        token_file = self.folder / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        kubeconfig = self._node.cluster.token_kubeconfig(
            self.folder / "kubeconfig", namespace=self.namespace, token_file=token_file
        )
        if not self.health_port:
            self.health_port = ports.free_port()
        environment = {
            **base_environment(),
            **self._node.environment,
            **own,
            "KUBECONFIG": str(kubeconfig),
            "WHERRY_HEALTH_PORT": str(self.health_port),
        }
        if self._node.connect is not None:
            return await self._node.connect(self.pod, environment)
        return environment

    async def _report_running(self, started: str) -> None:
        probe = pod_plan.runner_container(self.pod).get("readinessProbe", {})
        if "httpGet" in probe:
            status = pod_plan.running_status(self.pod, started, ready=False)
            await self._node.set_status(self.pod, status)
            url = f"http://127.0.0.1:{self.health_port}{probe['httpGet'].get('path', '/')}"
            await eventually(
                f"pod {self.name} to be ready",
                lambda: asyncio.to_thread(answers, url),
                within=float("inf"),
                every=0.2,
            )
        status = pod_plan.running_status(self.pod, started, ready=True)
        await self._node.set_status(self.pod, status)

    async def _end_when_deleted(self) -> None:
        await self._deletion.wait()
        grace = self.pod["metadata"].get(
            "deletionGracePeriodSeconds", pod_plan.DEFAULT_GRACE_SECONDS
        )
        self.send(signal.SIGTERM)
        await asyncio.sleep(grace)
        self.send(signal.SIGKILL)


def last_line(path: Path) -> str:
    """Return the last line of a log."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it is empty"

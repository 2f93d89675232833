"""``make dev``: API, operator, runners and page on a local control plane, with hot reload.

The quick form of the trial in a state directory of its own, with a supervisor that restarts a
program when its sources change. Ctrl-C stops everything and deletes the data.
"""

import argparse
import asyncio
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from localcluster import addresses, assets, clusters, jaeger, paths, say, shell
from localcluster.cluster import Cluster
from trial import fast
from trial.__main__ import store_files
from trial.chart import NAMESPACE, Tools
from trial.sample_files import sample_files

POLL_SECONDS: Final = 0.5
STOP_SECONDS: Final = 15.0
PAGE_PORT: Final = 5173
SOURCES: Final[Mapping[str, Sequence[str]]] = {
    "wherry-api": ("api/wherry_api", "core/wherry_core"),
    "wherry-operator": ("operator/wherry_operator", "core/wherry_core"),
    "runners": ("jobrunner/wherry_jobrunner", "core/wherry_core"),
    "process-node": ("tests/harness",),
}
"""The folders whose changes restart a program."""
WITHOUT_DRAIN: Final = {"WHERRY_SHUTDOWN_DELAY_SECONDS": "0", "WHERRY_DRAIN_SECONDS": "0"}
"""Restart at once: no load balancer and no client needs a grace period here."""
SUFFIXES: Final = (".py", ".html", ".css", ".js", ".svg")

Stamps = dict[Path, tuple[int, int]]


def stamps(root: Path, folders: Sequence[str]) -> Stamps:
    """Return the modification time and size of every source file below ``folders``."""
    found: Stamps = {}
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.suffix not in SUFFIXES:
                continue
            try:
                known = path.stat()
            except FileNotFoundError:
                # An editor replaces files; the next poll finds the new one.
                continue
            found[path] = (known.st_mtime_ns, known.st_size)
    return found


def changed(before: Stamps, after: Stamps) -> list[Path]:
    """Return the files that were added, removed or modified, sorted."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


class SourceWatch:
    """Detects changed source files by polling."""

    def __init__(self, root: Path, sources: Mapping[str, Sequence[str]]) -> None:
        self._root = root
        self._sources = sources
        self._seen = {name: stamps(root, folders) for name, folders in sources.items()}

    def poll(self) -> dict[str, list[Path]]:
        """Return the files changed since the last poll, by the program that they belong to."""
        found = {}
        for name, folders in self._sources.items():
            now = stamps(self._root, folders)
            if files := changed(self._seen[name], now):
                found[name] = files
                self._seen[name] = now
        return found


@dataclass
class Child:
    """A running program; each line of its output is printed with its name."""

    component: fast.Component
    folder: Path
    running: subprocess.Popen[str] | None = None
    exit_reported: bool = field(default=False)

    def start(self) -> None:
        """Start the program."""
        self.exit_reported = False
        self.running = subprocess.Popen(
            self.component.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=shell.environment({"PYTHONUNBUFFERED": "1", **self.component.environment}),
            cwd=self.folder,
            # Ctrl-C must reach only the supervisor, which stops the programs in order.
            start_new_session=True,
        )
        threading.Thread(target=self._print_output, args=(self.running,), daemon=True).start()

    def _print_output(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            print(f"{self.component.name:<15} | {line}", end="", flush=True)

    def stop(self) -> None:
        """Stop the program and everything that it has started."""
        if self.running is None:
            return
        if self.running.poll() is None:
            os.killpg(self.running.pid, signal.SIGTERM)
            try:
                self.running.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.running.pid, signal.SIGKILL)
                self.running.wait()
        self.running = None

    def report_exit(self) -> None:
        """Print once that the program has exited by itself, as after an error in its sources."""
        if self.running is not None and self.running.poll() is not None and not self.exit_reported:
            self.exit_reported = True
            code = self.running.returncode
            say.line(
                f"{self.component.name} exited with status {code}; the next change restarts it"
            )


def children(cluster: Cluster, root: Path) -> Iterator[Child]:
    """Yield the programs to run."""
    for component in fast.components(cluster):
        yield Child(replace(component, environment=component.environment | WITHOUT_DRAIN), root)
    web = root / "web"
    npm = shutil.which("npm")
    if npm and (web / "node_modules").exists():
        words = [npm, "run", "dev", "-w", "app", "--", "--host", "127.0.0.1"]
        words += ["--port", str(PAGE_PORT), "--strictPort"]
        yield Child(fast.Component("page", words, {}), web)
    else:
        say.line("the API serves the built page; for hot reload first run: npm --prefix web ci")


def restart_runners(cluster: Cluster) -> None:
    """Delete the runners; the operator starts new ones, which run the changed sources."""
    Tools(cluster.kubeconfig).kubectl(
        "delete", "pods", "--namespace", NAMESPACE, "--selector", "wherry.dev/pool", "--wait=false"
    )


def supervise(cluster: Cluster, running: Sequence[Child]) -> None:
    """Restart the programs whose sources change, until interrupted."""
    by_name = {child.component.name: child for child in running}
    watch = SourceWatch(paths.REPOSITORY, SOURCES)
    while True:
        time.sleep(POLL_SECONDS)
        for name, files in watch.poll().items():
            say.line(f"{files[0].relative_to(paths.REPOSITORY)} changed; restarting {name}")
            if name == "runners":
                restart_runners(cluster)
            else:
                by_name[name].stop()
                by_name[name].start()
        for child in running:
            child.report_exit()


@contextmanager
def only_instance(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``. Raises SetupError when another process holds it."""
    paths.ensure_dir(path.parent)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise say.SetupError(
                "Another `make dev` is running in this tree. Use it, or stop it with Ctrl-C first."
            ) from None
        yield


def require_no_trial() -> None:
    """Raise SetupError when a trial or another program uses the API's port."""
    url = f"http://localhost:{addresses.WEB_PORT}"
    # With WHERRY_STATE set, the state directory is not that of the trial.
    if "WHERRY_STATE" not in os.environ and clusters.present(paths.state_dir()) is not None:
        raise say.SetupError(
            f"The trial of `make up` uses {url}, which `make dev` needs. Run `make down` first."
        )
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", addresses.WEB_PORT)) == 0:
            raise say.SetupError(
                f"Another program answers on {url}, which `make dev` needs. Stop it; "
                f"`ss -ltnp sport = :{addresses.WEB_PORT}` shows what it is."
            )


def run(*, traces: bool) -> None:
    """Start everything, supervise it, and stop it on Ctrl-C or SIGTERM. Raises SetupError."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running: list[Child] = []
    try:
        clusters.up("process")
        if traces and (server := jaeger.offer(paths.state_dir())):
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = server.otlp_endpoint
            say.line(f"traces: {server.query_url}/api/traces?service=wherry-operator")
        cluster = fast.prepare()
        samples = list(sample_files())
        asyncio.run(store_files(cluster, samples))
        for child in children(cluster, paths.REPOSITORY):
            child.start()
            running.append(child)
        say.line(f"API and page: {cluster.api_url}; file ids {samples[0].id} to {samples[-1].id}")
        if any(child.component.name == "page" for child in running):
            say.line(f"page with hot reload: http://127.0.0.1:{PAGE_PORT}")
        Tools(cluster.kubeconfig).set_default_namespace()
        say.line(f"export KUBECONFIG={cluster.kubeconfig} PATH={assets.bin_dir()}:$PATH")
        say.line("Ctrl-C stops everything")
        supervise(cluster, running)
    except KeyboardInterrupt:
        say.line("stopping everything")
    finally:
        for child in reversed(running):
            child.stop()
        clusters.down()


def main() -> int:
    """Run until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="dev", description=__doc__)
    parser.add_argument(
        "--traces", action="store_true", help="send traces to Jaeger, if it is built"
    )
    options = parser.parse_args()
    folder = paths.REPOSITORY / ".wherry"
    try:
        with only_instance(folder / "dev.lock"):
            require_no_trial()
            os.environ.setdefault("WHERRY_STATE", str(folder / "dev"))
            run(traces=options.traces)
    except say.SetupError as error:
        say.line(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

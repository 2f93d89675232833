"""``make dev``: API, operator, runners and page against a local control plane, with hot reload.

The quick form of the trial in a state directory of its own, and a supervisor that restarts a
program when its sources change. Ctrl-C ends all of it and deletes its data.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from localcluster import assets, clusters, jaeger, paths, say, shell
from localcluster.cluster import Cluster
from trial import fast
from trial.__main__ import store_files
from trial.chart import NAMESPACE, Tools
from trial.sample_files import sample_files

LOOK_SECONDS: Final = 0.5
END_SECONDS: Final = 15.0
PAGE_PORT: Final = 5173
SOURCES: Final[Mapping[str, Sequence[str]]] = {
    "wherry-api": ("api/wherry_api", "core/wherry_core"),
    "wherry-operator": ("operator/wherry_operator", "core/wherry_core"),
    "runners": ("jobrunner/wherry_jobrunner", "core/wherry_core"),
    "process-node": ("tests/harness",),
}
"""What is started anew when something below these folders changes."""
AT_ONCE: Final = {"WHERRY_SHUTDOWN_DELAY_SECONDS": "0", "WHERRY_DRAIN_SECONDS": "0"}
"""A restart waits for no load balancer and no client."""
SUFFIXES: Final = (".py", ".html", ".css", ".js", ".svg")

Stamps = dict[Path, tuple[int, int]]


def stamps(root: Path, folders: Sequence[str]) -> Stamps:
    """Return time and size of every source file below ``folders``."""
    found: Stamps = {}
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.suffix not in SUFFIXES:
                continue
            try:
                known = path.stat()
            except FileNotFoundError:
                # An editor replaces files; the next look finds the new one.
                continue
            found[path] = (known.st_mtime_ns, known.st_size)
    return found


def changed(before: Stamps, after: Stamps) -> list[Path]:
    """Return the files that are new, gone or different, sorted."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


class Watch:
    """Tells what has to start anew since the last look."""

    def __init__(self, root: Path, sources: Mapping[str, Sequence[str]]) -> None:
        self._root = root
        self._sources = sources
        self._seen = {name: stamps(root, folders) for name, folders in sources.items()}

    def look(self) -> dict[str, list[Path]]:
        """Return the changed files by the name of what they belong to."""
        found = {}
        for name, folders in self._sources.items():
            now = stamps(self._root, folders)
            if files := changed(self._seen[name], now):
                found[name] = files
                self._seen[name] = now
        return found


@dataclass
class Child:
    """A program whose output comes line by line under its name."""

    component: fast.Component
    folder: Path
    running: subprocess.Popen[str] | None = None
    told: bool = field(default=False)

    def start(self) -> None:
        """Start it."""
        self.told = False
        self.running = subprocess.Popen(
            self.component.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=shell.environment({"PYTHONUNBUFFERED": "1", **self.component.environment}),
            cwd=self.folder,
            # Ctrl-C in the terminal is for the supervisor, which ends the others in order.
            start_new_session=True,
        )
        threading.Thread(target=self._pass_on, args=(self.running,), daemon=True).start()

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            print(f"{self.component.name:<15} | {line}", end="", flush=True)

    def stop(self) -> None:
        """End it and everything that it started."""
        if self.running is None:
            return
        if self.running.poll() is None:
            os.killpg(self.running.pid, signal.SIGTERM)
            try:
                self.running.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.running.pid, signal.SIGKILL)
                self.running.wait()
        self.running = None

    def tell_if_ended(self) -> None:
        """Say once that it ended by itself, as with a mistake in its sources."""
        if self.running is not None and self.running.poll() is not None and not self.told:
            self.told = True
            code = self.running.returncode
            say.line(f"{self.component.name} ended with {code}; it starts anew at the next change")


def children(cluster: Cluster, root: Path) -> Iterator[Child]:
    """Yield the programs to run."""
    for component in fast.components(cluster):
        yield Child(replace(component, environment=component.environment | AT_ONCE), root)
    web = root / "web"
    npm = shutil.which("npm")
    if npm and (web / "node_modules").exists():
        words = [npm, "run", "dev", "-w", "app", "--", "--host", "127.0.0.1"]
        words += ["--port", str(PAGE_PORT), "--strictPort"]
        yield Child(fast.Component("page", words, {}), web)
    else:
        say.line("the page is served as it was built; for its sources: npm --prefix web ci")


def restart_runners(cluster: Cluster) -> None:
    """Have the runners end; the operator starts others, which run the new sources."""
    Tools(cluster.kubeconfig).kubectl(
        "delete", "pods", "--namespace", NAMESPACE, "--selector", "wherry.dev/pool", "--wait=false"
    )


def supervise(cluster: Cluster, running: Sequence[Child]) -> None:
    """Restart what changes, for ever."""
    by_name = {child.component.name: child for child in running}
    watch = Watch(paths.REPOSITORY, SOURCES)
    while True:
        time.sleep(LOOK_SECONDS)
        for name, files in watch.look().items():
            say.line(f"{files[0].relative_to(paths.REPOSITORY)} changed; starting anew: {name}")
            if name == "runners":
                restart_runners(cluster)
            else:
                by_name[name].stop()
                by_name[name].start()
        for child in running:
            child.tell_if_ended()


def run(*, traces: bool) -> None:
    """Start everything, supervise it, and end it at Ctrl-C or SIGTERM. Raises SetupError."""
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
        say.line(f"API and page {cluster.api_url}; files {samples[0].id} to {samples[-1].id}")
        if any(child.component.name == "page" for child in running):
            say.line(f"the page with hot reload http://127.0.0.1:{PAGE_PORT}")
        Tools(cluster.kubeconfig).work_in_the_namespace()
        say.line(f"export KUBECONFIG={cluster.kubeconfig} PATH={assets.bin_dir()}:$PATH")
        say.line("Ctrl-C ends everything")
        supervise(cluster, running)
    except KeyboardInterrupt:
        say.line("ending everything")
    finally:
        for child in reversed(running):
            child.stop()
        clusters.down()


def main() -> int:
    """Run until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(prog="dev", description=__doc__)
    parser.add_argument("--traces", action="store_true", help="with Jaeger, if it is built")
    options = parser.parse_args()
    # Beside a trial of `make up`, whose data stay.
    os.environ.setdefault("WHERRY_STATE", str(paths.REPOSITORY / ".wherry" / "dev"))
    try:
        run(traces=options.traces)
    except say.SetupError as error:
        say.line(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

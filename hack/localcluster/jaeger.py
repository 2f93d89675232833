"""Jaeger as a process of this machine: receives traces by OTLP over HTTP and serves queries.

The Go module contains Jaeger's server without its web page, which needs other build tools. The
query address serves Jaeger's API (/api/traces) and a page that says that the web page is missing.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster import assets, credentials, paths, ports, processes, say

NAME = "jaeger"
QUERY_PORT = 16686
KEPT_TRACES = 20_000


@dataclass(frozen=True)
class Jaeger:
    """A running Jaeger that keeps traces in memory."""

    state: Path
    otlp_endpoint: str
    """Value for OTEL_EXPORTER_OTLP_ENDPOINT."""
    query_url: str
    pid: int

    def get(self, path: str) -> Any:
        """Return the data of a query API response, such as /api/traces/ID; None for a 404."""
        try:
            with _open(f"{self.query_url}{path}", 10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def stop(self) -> None:
        """Stop Jaeger. Its traces are lost, because they are only in memory."""
        processes.stop(self.state, NAME)


def is_built() -> bool:
    """Return whether Jaeger is built; a build takes several minutes."""
    return (assets.bin_dir() / NAME).exists()


def offer(state: Path, *, otlp_bind: str = "127.0.0.1") -> Jaeger | None:
    """Start Jaeger with its query API on port 16686 if it is built and the port is free.

    ``otlp_bind`` is an address of this machine that the traced programs can reach. Pods of the bare
    cluster can reach the bridge's.
    """
    runs = processes.find(state, NAME) is not None
    if not is_built() or not (runs or ports.is_free(QUERY_PORT)):
        return None
    return start_jaeger(state, query_port=QUERY_PORT, otlp_bind=otlp_bind)


def start_jaeger(
    state: Path,
    *,
    bind: str = "127.0.0.1",
    otlp_bind: str = "",
    otlp_port: int | None = None,
    query_port: int | None = None,
) -> Jaeger:
    """Start Jaeger, or return the one that already runs in this state directory.

    The default ports are free ones, and stay the same for a state directory. The first start on a
    machine builds Jaeger, which takes minutes.
    """
    program = assets.program(NAME)
    state = paths.ensure_dir(state.resolve(), 0o700)
    otlp_bind = otlp_bind or bind
    free = ports.free_port(otlp_bind)
    otlp = otlp_port or credentials.remembered_port(state, f"{NAME}-otlp", free)
    query = query_port or credentials.remembered_port(state, f"{NAME}-query", ports.free_port(bind))
    running = processes.find(state, NAME)
    for address, port in ((otlp_bind, otlp), (bind, query)):
        if running is None and not ports.is_free(port, address):
            raise say.SetupError(
                f"Another program listens on {address}:{port}, which Jaeger needs. Stop it "
                "(`ss -ltnp` shows which), or choose another port."
            )
    # JSON is valid YAML.
    wanted = _configuration(
        query=f"{bind}:{query}",
        query_grpc=f"{bind}:{ports.free_port(bind)}",
        otlp=f"{otlp_bind}:{otlp}",
    )
    text = json.dumps(wanted, indent=1)
    config = state / "jaeger.yaml"
    if running is None:
        paths.write(config, text)
    process, _ = processes.ensure(state, NAME, [program, "--config", config])
    query_url = f"http://{bind}:{query}"
    processes.wait_until(
        "Jaeger answers",
        lambda: _answers(f"{query_url}/api/services"),
        process=process,
        patience=30,
        every=0.1,
    )
    return Jaeger(state, f"http://{otlp_bind}:{otlp}", query_url, process.pid)


def _configuration(*, query: str, query_grpc: str, otlp: str) -> dict[str, Any]:
    """Return Jaeger's configuration; each argument is an address with a port."""
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"metrics": {"level": "none"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": KEPT_TRACES}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": query},
                "grpc": {"endpoint": query_grpc},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": otlp}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }


def _answers(url: str) -> bool:
    try:
        with _open(url, 2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _open(url: str, patience: float) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=patience)

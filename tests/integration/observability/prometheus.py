"""A real Prometheus that scrapes the components of a test and answers queries."""

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from localcluster import ports, say, shell
from tests.harness.processes import ComponentProcess, base_environment, fetch

SCRAPE_SECONDS: Final = 1
ROOT: Final = Path(__file__).resolve().parents[3]
FILES: Final = ROOT / "deploy" / "helm" / "wherry" / "files"
ALERTS: Final = FILES / "alerts.yaml"


@dataclass(frozen=True)
class Target:
    """One component to scrape."""

    port: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and pairs of time and value."""

    labels: dict[str, str]
    values: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.values[-1][1]


class Prometheus:
    """The server's HTTP API."""

    def __init__(self, url: str, started: float) -> None:
        self.url = url
        self.started = started

    async def get(self, path: str, **query: str | float) -> Any:
        """Return the data of an answer."""
        text = await asyncio.to_thread(fetch, f"{self.url}/api/v1/{path}?{urlencode(query)}")
        return json.loads(text)["data"]

    async def now(self, expr: str) -> list[Series]:
        """Return the current values of an expression."""
        found = (await self.get("query", query=expr))["result"]
        return _series((each["metric"], [each["value"]]) for each in found)

    async def since_start(self, expr: str, step: float = 2) -> list[Series]:
        """Return the values of an expression over the whole run."""
        found = await self.get(
            "query_range", query=expr, start=self.started, end=time.time(), step=step
        )
        return _series((each["metric"], each["values"]) for each in found["result"])


def _series(found: Any) -> list[Series]:
    made = []
    for labels, values in found:
        numbers = [(float(when), float(value)) for when, value in values]
        finite = [(when, value) for when, value in numbers if math.isfinite(value)]
        if finite:
            made.append(Series(labels, finite))
    return made


@contextmanager
def running_prometheus(folder: Path) -> Iterator[tuple[Prometheus, Callable[[list[Target]], None]]]:
    """Run a Prometheus with Wherry's alerts; yield it and a function that sets its targets."""
    program = shell.find("prometheus")
    if program is None:
        raise say.SetupError("prometheus is missing: apt-get install prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    targets = folder / "targets.json"

    def scrape(wanted: list[Target]) -> None:
        groups = [
            {"targets": [f"127.0.0.1:{each.port}"], "labels": dict(each.labels)} for each in wanted
        ]
        temporary = folder / "targets.new"
        temporary.write_text(json.dumps(groups), encoding="utf-8")
        temporary.replace(targets)

    scrape([])
    configuration = {
        "global": {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "evaluation_interval": f"{SCRAPE_SECONDS}s",
        },
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": "wherry",
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
    port = ports.free_port()
    process = ComponentProcess(
        "prometheus",
        [
            str(program),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        base_environment(),
        folder / "prometheus.log",
    )
    process.ready_url = f"http://127.0.0.1:{port}/-/ready"
    process.start()
    try:
        process.wait_ready_blocking()
        yield Prometheus(f"http://127.0.0.1:{port}", time.time()), scrape
    finally:
        process.end()

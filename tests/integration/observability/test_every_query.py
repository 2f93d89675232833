"""Every query of the dashboard and the alerts, sent to a real Prometheus after a real run."""

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from localcluster import ports
from localcluster.redisserver import start_redis
from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.observability.conftest import World
from tests.integration.observability.dashboard_picture import draw
from tests.integration.observability.prometheus import ALERTS, FILES, Prometheus
from wherry_core.resources import Phase

PROVOKED: Final = {
    "WherryDeadLetters",
    "WherryJobsFail",
    "WherryNoRunners",
    "WherryPermissionsMissing",
    "WherryApiErrors",
}
"""Alerts whose expressions this run makes true as they are."""
PANELS: Final = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))["panels"]
RULES: Final = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
PICTURE: Final = os.environ.get("WHERRY_DASHBOARD_PICTURE")
"""File to draw the dashboard into; empty: it is not drawn."""


async def initiate(http: httpx.AsyncClient, url: str, ids: list[str]) -> str:
    answer = await http.post(f"{url}/v1/download/initiate", json={"file_ids": ids})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


@asynccontextmanager
async def followed(http: httpx.AsyncClient, url: str, name: str) -> AsyncIterator[None]:
    async def follow() -> None:
        async with http.stream("GET", f"{url}/v1/download/stream/{name}") as stream:
            async for _ in stream.aiter_lines():
                continue

    task = asyncio.create_task(follow())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def settled(world: World, *, open_jobs: int) -> list[dict[str, Any]]:
    """Wait until all but this many jobs have ended; return all of them."""

    def still_open(found: list[dict[str, Any]]) -> int:
        phases = [each.get("status", {}).get("phase") for each in found]
        return sum(phase not in {"Completed", "Failed", "Cancelled"} for phase in phases)

    return await eventually(
        f"all but {open_jobs} jobs to end",
        lambda: world.api.list_all(JOBS, world.namespace),
        lambda found: still_open(found) == open_jobs,
        within=90,
        every=0.5,
    )


async def scraped(prometheus: Prometheus, times: int = 3) -> None:
    """Wait until every target was scraped this many more times."""
    expr = 'min(count_over_time(up{component="api"}[1h]))'
    [before] = await prometheus.now(expr)
    await eventually(
        "more scrapes",
        lambda: prometheus.now(expr),
        lambda found: found[0].last >= before.last + times,
        every=0.5,
    )


async def busy_world(world: World, http: httpx.AsyncClient, folder: Path) -> tuple[str, str]:
    """Start everything; return the URLs of a working API and of one without permissions."""
    await world.create_pool("default", {})
    slow = {
        "DOWNLOAD_DELAY_ENABLED": "true",
        "DOWNLOAD_DELAY_MIN_MS": "600000",
        "DOWNLOAD_DELAY_MAX_MS": "600000",
    }
    await world.create_pool("slow", slow)
    closed = f"http://127.0.0.1:{ports.free_port()}/"
    catalogue = {"WHERRY_CATALOGUE_URL": closed, "WHERRY_CATALOGUE_TIMEOUT_SECONDS": "1"}
    await world.create_pool("broken", catalogue)
    await world.create_pool("empty", {}, maxRunners=0)
    await world.start_operator()
    await world.start_operator()
    _, url = await world.start_api("api")
    _, refused = await world.start_api(
        "refused",
        KUBECONFIG=str(await world.stranger(folder)),
        WHERRY_RATE_LIMIT_REQUESTS="12",
    )
    return url, refused


async def one_round(world: World, http: httpx.AsyncClient, url: str, refused: str) -> None:
    await initiate(http, url, ["1", "2"])
    await initiate(http, url, ["missing", "1"])
    await initiate(http, url, ["missing", "2"])
    await initiate(http, url, ["missing", "1", "2"])
    await jobs.create_job(world.api, world.namespace, ["1", "2"], pool="broken", backoffLimit=0)
    for _ in range(5):
        await http.post(f"{refused}/v1/download/initiate", json={"file_ids": ["1"]})
    await settled(world, open_jobs=2)


@pytest.mark.timeout(600)
async def test_every_query_brings_data(
    world: World, prometheus: Prometheus, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    url, refused = await busy_world(world, http, tmp_path)
    await jobs.create_job(world.api, world.namespace, ["1"], pool="empty")
    running = await jobs.create_job(world.api, world.namespace, ["1", "2"], pool="slow")
    running = await jobs.job_becomes(world.api, running, Phase.PROCESSING)
    async with followed(http, url, running.metadata.name):
        for _ in range(3):
            await one_round(world, http, url, refused)
            await scraped(prometheus)
        world.node.process("slow-runner-0").send(signal.SIGKILL)
        await eventually(
            "the next attempt",
            lambda: jobs.read_job(world.api, running),
            lambda job: job.status.attempt == 2 and job.status.phase is Phase.PROCESSING,
            within=60,
        )
        await scraped(prometheus)
        await asyncio.to_thread(world.redis.kill)
        away = 'max by (namespace) (wherry_redis_up{namespace=~".*"}) == 0'
        await eventually("Redis to be seen away", lambda: prometheus.now(away), within=60)
        await asyncio.to_thread(start_redis, world.redis.state)
        back = "max(wherry_redis_up) == 1"
        await eventually("Redis to be seen back", lambda: prometheus.now(back), within=60)
        await scraped(prometheus)
        everything = await settled(world, open_jobs=2)
        await counts_are_right(prometheus, everything)
        await every_panel_has_data(prometheus, world.namespace)
        await every_alert_can_be_asked(prometheus)
        if PICTURE:
            picture = await draw(prometheus, PANELS, world.namespace)
            await asyncio.to_thread(Path(PICTURE).write_text, picture, "utf-8")
    await no_component_is_there(world, prometheus)


async def counts_are_right(prometheus: Prometheus, everything: list[dict[str, Any]]) -> None:
    """Together two operators count every job once."""
    phases = [each["status"]["phase"] for each in everything]
    assert (await prometheus.now("sum(wherry_leader)"))[0].last == 1
    assert (await prometheus.now("count(wherry_leader)"))[0].last == 2
    for phase in ("Completed", "Failed", "Queued", "Processing"):
        for metric in ("wherry_jobs", "wherry_jobs_ended_total"):
            if metric == "wherry_jobs_ended_total" and phase not in {"Completed", "Failed"}:
                continue
            [found] = await prometheus.now(f'sum({metric}{{phase="{phase}"}})')
            assert found.last == phases.count(phase), (metric, phase)
    bytes_in_archives = sum(
        each["status"]["archive"]["size"] for each in everything if "archive" in each["status"]
    )
    [counted] = await prometheus.now("sum(wherry_archived_bytes_total)")
    assert counted.last == bytes_in_archives > 0
    for expr in ('{__name__=~"wherry_.*", job_id!=""}', '{__name__=~"wherry_.*", name!=""}'):
        assert await prometheus.now(expr) == []
    names = {each["metadata"]["name"] for each in everything}
    labels = await prometheus.get("labels")
    for label in labels:
        assert not names & set(await prometheus.get(f"label/{label}/values"))


async def every_panel_has_data(prometheus: Prometheus, namespace: str) -> None:
    silent = []
    for chosen in (namespace, ".*"):
        for panel in PANELS:
            for target in panel.get("targets", []):
                expr = target["expr"].replace("$namespace", chosen)
                expr = expr.replace("$__rate_interval", "10s")
                if not await prometheus.since_start(expr):
                    silent.append(f"{panel['title']}: {expr}")
    assert silent == []


async def every_alert_can_be_asked(prometheus: Prometheus) -> None:
    """Prometheus evaluates all alerts; those of this run fire; the others have data."""
    [group] = (await prometheus.get("rules"))["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    silent = []
    for rule in RULES:
        name, expr = rule["alert"], rule["expr"]
        if expr.startswith("absent("):
            continue
        if name not in PROVOKED:
            expr = re.sub(r"(>=|>|==) [\d.]+", ">= 0", expr)
        if not await prometheus.now(expr):
            silent.append(f"{name}: {expr}")
    assert silent == []


async def no_component_is_there(world: World, prometheus: Prometheus) -> None:
    """Alerts about absent components fire when there is none."""
    absences = [rule["expr"] for rule in RULES if rule["expr"].startswith("absent(")]
    assert len(absences) == 2
    for expr in absences:
        assert await prometheus.now(expr) == []
    world.targets.clear()
    for expr in absences:
        await eventually(f"{expr} to be true", partial(prometheus.now, expr))


async def test_a_takeover_counts_nothing_again(
    world: World, prometheus: Prometheus, http: httpx.AsyncClient
) -> None:
    await world.create_pool("default", {})
    await world.start_operator()
    await world.start_operator()
    _, url = await world.start_api("api")
    for _ in range(3):
        await initiate(http, url, ["1", "2"])
    await settled(world, open_jobs=0)
    ended = 'wherry_jobs_ended_total{phase="Completed"}'
    [sample] = await eventually(
        "all to be counted",
        lambda: prometheus.now(ended),
        lambda found: [each.last for each in found] == [3],
    )
    # The previous leader has announced what was completed before its last renewal of the lease.
    await asyncio.sleep(2)
    leader = world.operators[int(sample.labels["instance"].removeprefix("operator-"))]
    await asyncio.to_thread(leader.end)
    other = f'wherry_leader{{instance!="{sample.labels["instance"]}"}} == 1'
    await eventually("a takeover", lambda: prometheus.now(other))
    await initiate(http, url, ["1", "2"])
    await settled(world, open_jobs=0)
    again = f'{ended[:-1]}, instance!="{sample.labels["instance"]}"}}'
    [found] = await eventually("the new one to be counted", lambda: prometheus.now(again))
    assert found.last == 1
    jobs_now = 'sum(wherry_jobs{phase="Completed"})'
    await eventually(
        "four jobs in all", lambda: prometheus.now(jobs_now), lambda seen: seen[0].last == 4
    )

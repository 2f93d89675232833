"""One connected trace from the POST to the completion, in a real Jaeger; off by default."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from localcluster import ports
from localcluster.jaeger import Jaeger, start_jaeger
from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.observability.conftest import World
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import TRACEPARENT_ANNOTATION

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
# The first test on a machine without Jaeger builds it, which takes minutes.
pytestmark = pytest.mark.timeout(1_500)


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    server = start_jaeger(tmp_path_factory.mktemp("jaeger"))
    yield server
    server.stop()


def trace_variables(endpoint: str) -> dict[str, str]:
    """Return variables that send traces to ``endpoint`` with little delay."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}


async def start(world: World, **variables: str) -> str:
    """Start API, operator and a pool; return the API's URL."""
    await world.create_pool("default", variables)
    await world.start_operator(WHERRY_LEADER_ELECTION="false", **variables)
    _, url = await world.start_api("api", **variables)
    return url


async def post(http: httpx.AsyncClient, url: str, ids: list[str], **headers: str) -> str:
    answer = await http.post(f"{url}/v1/download/initiate", json={"file_ids": ids}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


async def job_named(world: World, name: str) -> DownloadJob:
    return DownloadJob.model_validate(await world.api.get(JOBS, world.namespace, name))


class Trace:
    """A trace as Jaeger returns it."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self.spans: list[dict[str, Any]] = raw["spans"]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["operationName"] == name]

    def parent(self, span: dict[str, Any]) -> str:
        """Return the name of the parent of ``span``, or its id when it is missing."""
        [reference] = span["references"]
        around = {each["spanID"]: each["operationName"] for each in self.spans}
        return str(around.get(reference["spanID"], reference["spanID"]))

    def service(self, span: dict[str, Any]) -> str:
        return str(self._raw["processes"][span["processID"]]["serviceName"])

    def tree(self) -> dict[str, tuple[str, str]]:
        """Return service and parent of each span by its name; attempts beyond the first merge."""
        return {
            span["operationName"]: (self.service(span), self.parent(span))
            for span in self.spans
            if span["references"]
        }


def tag(span: dict[str, Any], name: str) -> Any:
    return next((each["value"] for each in span["tags"] if each["key"] == name), None)


async def trace_with(jaeger: Jaeger, trace_id: str, *names: str) -> Trace:
    """Wait until the trace has spans with all these names."""

    def look() -> list[dict[str, Any]]:
        return jaeger.get(f"/api/traces/{trace_id}") or []

    def complete(found: list[dict[str, Any]]) -> bool:
        seen = {span["operationName"] for each in found for span in each["spans"]}
        return set(names) <= seen

    found = await eventually(
        f"the spans {names}", lambda: asyncio.to_thread(look), complete, within=60, every=0.5
    )
    return Trace(found[0])


async def test_one_connected_trace_from_the_post_to_the_completion(
    world: World, jaeger: Jaeger, http: httpx.AsyncClient
) -> None:
    url = await start(world, **trace_variables(jaeger.otlp_endpoint), WHERRY_LOG_FORMAT="json")
    name = await post(http, url, ["1", "2"], traceparent=f"00-{CALLER}-00f067aa0ba902b7-01")
    job = await job_named(world, name)
    job = await jobs.job_becomes(world.api, job, Phase.COMPLETED)
    assert job.metadata.annotations[TRACEPARENT_ANNOTATION].split("-")[1] == CALLER

    trace = await trace_with(
        jaeger, CALLER, "job", "attempt", "queue", "POST /v1/download/initiate"
    )
    inside = (
        "claim",
        "head",
        "plan",
        "upload",
        "confirm",
        "complete",
        "verify",
        "manifest",
        "record",
    )
    assert trace.tree() == {
        "POST /v1/download/initiate": ("wherry-api", "00f067aa0ba902b7"),
        "job": ("wherry-operator", "POST /v1/download/initiate"),
        "queue": ("wherry-operator", "job"),
        "attempt": ("wherry-jobrunner", "job"),
        **dict.fromkeys(inside, ("wherry-jobrunner", "attempt")),
    }
    assert len(trace.spans) == 4 + len(inside)
    [whole], [attempt], [upload] = trace.named("job"), trace.named("attempt"), trace.named("upload")
    assert tag(whole, "wherry.job") == job.key
    assert tag(whole, "wherry.phase") == "Completed"
    assert tag(attempt, "wherry.outcome") == "completed"
    assert job.status.archive is not None
    assert tag(upload, "wherry.bytes") == job.status.archive.size
    starts = [trace.named(each)[0]["startTime"] for each in inside]
    assert starts == sorted(starts)

    runner = world.node.process("default-runner-0").log_file
    for log in (runner, world.operators[0].log):
        lines = [json.loads(line) for line in log.read_text().splitlines() if line[0] == "{"]
        about = [line for line in lines if line.get("job") == job.key]
        assert about
        assert {line.get("trace_id") for line in about} <= {CALLER, None}
        assert any(line.get("trace_id") == CALLER for line in about)


async def test_failed_attempts_and_jobs_made_by_hand_have_their_trace(
    world: World, jaeger: Jaeger, http: httpx.AsyncClient
) -> None:
    del http
    closed = f"http://127.0.0.1:{ports.free_port()}/"
    catalogue = {"WHERRY_CATALOGUE_URL": closed, "WHERRY_CATALOGUE_TIMEOUT_SECONDS": "1"}
    await start(world, **trace_variables(jaeger.otlp_endpoint), **catalogue)
    job = await jobs.create_job(world.api, world.namespace, ["1", "2"], backoffLimit=1)
    await jobs.job_becomes(world.api, job, Phase.FAILED)

    def find() -> list[dict[str, Any]]:
        tags = json.dumps({"wherry.job": job.key}).replace(" ", "").replace('"', "%22")
        path = f"/api/traces?service=wherry-operator&operation=job&lookback=1h&tags={tags}"
        return jaeger.get(path) or []

    [found] = await eventually(
        "the trace of the job",
        lambda: asyncio.to_thread(find),
        lambda seen: len(seen) == 1 and len(Trace(seen[0]).named("attempt")) == 2,
        within=60,
        every=0.5,
    )
    trace = Trace(found)
    [whole] = trace.named("job")
    assert whole["references"] == []
    assert tag(whole, "otel.status_code") == "ERROR"
    assert len(trace.named("queue")) == 2
    for name in ("queue", "attempt"):
        assert [tag(span, "wherry.attempt") for span in trace.named(name)] in ([1, 2], [2, 1])
        assert {trace.parent(span) for span in trace.named(name)} == {"job"}
    assert {tag(span, "wherry.outcome") for span in trace.named("attempt")} == {"failed"}
    assert {tag(span, "otel.status_code") for span in trace.named("head")} == {"ERROR"}


async def test_a_collector_that_is_away_fails_no_job(world: World, http: httpx.AsyncClient) -> None:
    url = await start(world, **trace_variables(f"http://127.0.0.1:{ports.free_port()}"))
    name = await post(http, url, ["1", "2"])
    job = await jobs.job_becomes(world.api, await job_named(world, name), Phase.COMPLETED)
    assert TRACEPARENT_ANNOTATION in job.metadata.annotations


async def test_without_an_endpoint_there_is_no_trace_of_tracing(
    world: World, http: httpx.AsyncClient
) -> None:
    url = await start(world)
    name = await post(http, url, ["1"], traceparent=f"00-{CALLER}-00f067aa0ba902b7-01")
    job = await jobs.job_becomes(world.api, await job_named(world, name), Phase.COMPLETED)
    assert TRACEPARENT_ANNOTATION not in job.metadata.annotations

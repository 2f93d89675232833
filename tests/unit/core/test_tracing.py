"""Traces: off without the variables, one trace for all programs with them, and never a failure."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from localcluster import ports
from wherry_core import logs, tracing
from wherry_core.resources.names import TRACEPARENT_ANNOTATION
from wherry_core.settings import LogSettings

UID = "0b0e5f1c-3a0e-4d8f-9a53-2f6f6a1f0c11"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*tracing.ENDPOINTS, "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    yield
    tracing.shut_down()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    tracing.start("test", SimpleSpanProcessor(exporter))
    return exporter


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_environment_decides(environment: dict[str, str], expected: bool) -> None:
    assert tracing.wanted(environment) is expected


def test_off_means_off() -> None:
    tracing.set_up("test")
    assert not tracing.on()
    with tracing.span("a") as span:
        assert span is None
        assert tracing.annotations() == {}
    assert tracing.of_job(UID, {}) is None
    assert tracing.of_request({"traceparent": CALLER}) is None
    tracing.record("b", started=NOW, ended=NOW)
    tracing.record_job(UID, {}, started=NOW, ended=NOW, attributes={})
    with tracing.within(None):
        pass


def test_off_costs_no_import() -> None:
    code = (
        "import sys; from wherry_core import tracing; tracing.set_up('x')\n"
        "with tracing.span('a'): tracing.annotations()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == "[]"


def test_a_job_goes_on_in_the_trace_of_its_request(spans: InMemorySpanExporter) -> None:
    with tracing.span("POST", parent=tracing.of_request({"traceparent": CALLER}), server=True):
        annotations = tracing.annotations()
    with tracing.span("attempt", parent=tracing.of_job(UID, annotations)):
        tracing.record("claim", started=1, ended=2)
    tracing.record_job(
        UID, annotations, started=NOW, ended=NOW + timedelta(seconds=3), attributes={"a": 1}
    )
    found = {span.name: span for span in spans.get_finished_spans()}
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {CALLER.split("-")[1]}
    parents = {name: span.parent.span_id for name, span in found.items() if span.parent}
    assert f"{parents['POST']:016x}" == CALLER.split("-")[2]
    assert parents["job"] == found["POST"].context.span_id
    assert parents["attempt"] == found["job"].context.span_id
    assert parents["claim"] == found["attempt"].context.span_id
    job = found["job"]
    assert (job.end_time or 0) - (job.start_time or 0) == 3_000_000_000
    assert job.resource.attributes["service.name"] == "wherry-test"


@pytest.mark.parametrize("text", ["", "00-zz-1-01", "x" * 10_000, "00-" + "0" * 32 + "-1-01"])
def test_a_job_without_a_usable_annotation_has_a_trace_that_all_can_derive(
    spans: InMemorySpanExporter, text: str
) -> None:
    annotations = {TRACEPARENT_ANNOTATION: text}
    with tracing.span("attempt", parent=tracing.of_job(UID, annotations)):
        pass
    with tracing.span("of another", parent=tracing.of_job("another", {})):
        pass
    tracing.record_job(UID, {}, started=NOW, ended=NOW, attributes={}, error="It failed.")
    attempt, other, job = spans.get_finished_spans()
    assert attempt.context.trace_id == job.context.trace_id != other.context.trace_id
    assert attempt.parent is not None
    assert attempt.parent.span_id == job.context.span_id
    assert job.parent is None
    assert job.status.description == "It failed."


def test_what_is_not_sampled_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    exporter = InMemorySpanExporter()
    tracing.start("test", SimpleSpanProcessor(exporter))
    with tracing.span("attempt", parent=tracing.of_job(UID, {})):
        pass
    tracing.record_job(UID, {}, started=NOW, ended=NOW, attributes={})
    off = {TRACEPARENT_ANNOTATION: CALLER[:-1] + "0"}
    with tracing.span("attempt", parent=tracing.of_job(UID, off)):
        pass
    assert exporter.get_finished_spans() == ()


def test_the_standard_variables_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    exporter = InMemorySpanExporter()
    tracing.start("test", SimpleSpanProcessor(exporter))
    with tracing.span("a"):
        pass
    attributes = exporter.get_finished_spans()[0].resource.attributes
    assert attributes["service.name"] == "ours"
    assert attributes["deployment.environment"] == "test"
    assert attributes["service.namespace"] == "wherry"


def test_log_lines_carry_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.set_up(LogSettings.model_validate({"WHERRY_LOG_FORMAT": "json"}))
        tracing.start("test", SimpleSpanProcessor(InMemorySpanExporter()))
        logging.getLogger("x").warning("before")
        with tracing.within(tracing.of_job(UID, {TRACEPARENT_ANNOTATION: CALLER})):
            logging.getLogger("x").warning("inside", extra={"job": "a/b"})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    before, inside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert "trace_id" not in before
    assert (inside["trace_id"], inside["job"]) == (CALLER.split("-")[1], "a/b")


def test_a_collector_that_hangs_holds_nobody_up() -> None:
    """Spans are made and a process ends while its collector takes requests and never answers."""
    release = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            release.wait(60)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", ports.free_port()), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        tracing.start(
            "test",
            BatchSpanProcessor(OTLPSpanExporter(url), max_queue_size=64, max_export_batch_size=8),
        )
        for _ in range(1_000):
            with tracing.span("a"):
                pass
        tracing.shut_down()
        assert not tracing.on()
        assert not release.is_set()
    finally:
        release.set()
        server.shutdown()

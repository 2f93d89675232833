"""Traces by OpenTelemetry: off, at no cost, unless the environment names a collector.

Spans are sent by OTLP over HTTP from a thread with a bounded queue, so a slow or unavailable
collector loses spans and delays nothing. All functions here do nothing while tracing is off.

The ids of a job's trace and of its root span follow from the job's uid: operator and runners
create child spans of the root before it is recorded, also for jobs that kubectl created, which
carry no trace context. That is why an ``IdGenerator``, OpenTelemetry's extension point, is needed;
span links would leave a job's attempts in traces of their own.
"""

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from wherry_core.resources.names import TRACEPARENT_ANNOTATION

if TYPE_CHECKING:
    # Importing OpenTelemetry takes time and memory, so only a process that traces does it.
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
LAST_EXPORT_SECONDS: Final = 3.0
"""Seconds that the process waits for the last spans to be sent before it ends."""

Attributes = Mapping[str, str | int | bool | float]

log = logging.getLogger(__name__)


class _State:
    """The provider and tracer of this process; None while tracing is off."""

    provider: "TracerProvider | None" = None
    tracer: "Tracer | None" = None


_next_trace_id: ContextVar[int | None] = ContextVar("next_trace_id", default=None)
_next_span_id: ContextVar[int | None] = ContextVar("next_span_id", default=None)


def wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the standard OTEL_ variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def set_up(component: str) -> None:
    """Start tracing this process if the environment asks for it. Call it after ``logs.set_up``."""
    if not wanted(os.environ):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # At the level debug, each request of the exporter would be logged.
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    start(component, BatchSpanProcessor(OTLPSpanExporter()))


def start(component: str, processor: "SpanProcessor") -> None:
    """Trace this process and pass ended spans to ``processor``."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random ids, except for the spans whose ids all programs must know."""

        def generate_trace_id(self) -> int:
            return _next_trace_id.get() or super().generate_trace_id()

        def generate_span_id(self) -> int:
            return _next_span_id.get() or super().generate_span_id()

    named = {
        "service.name": f"wherry-{component}",
        "service.namespace": "wherry",
        "service.version": version("wherry"),
        "service.instance.id": os.environ.get("WHERRY_RUNNER_NAME") or socket.gethostname(),
    }
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
    resource = Resource.create({**named, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _State.provider, _State.tracer = provider, provider.get_tracer("wherry")
    for handler in logging.getLogger().handlers:
        handler.addFilter(add_trace_id)


def shut_down() -> None:
    """Stop tracing; send the remaining spans within ``LAST_EXPORT_SECONDS``."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is None:
        return
    for handler in logging.getLogger().handlers:
        handler.removeFilter(add_trace_id)
    # A collector that does not answer must not delay the end of the process.
    export = threading.Thread(target=provider.shutdown, daemon=True, name="last traces")
    export.start()
    export.join(LAST_EXPORT_SECONDS)


def on() -> bool:
    """Return whether this process traces."""
    return _State.tracer is not None


@contextmanager
def span(
    name: str,
    *,
    parent: "Context | None" = None,
    attributes: Attributes | None = None,
    started: int | None = None,
    server: bool = False,
) -> "Iterator[Span | None]":
    """Trace the body as a span, and record errors that leave the body on it.

    Without ``parent`` the span is a child of the current span. ``started`` is in nanoseconds since
    the epoch, for a span that began earlier.
    """
    tracer = _State.tracer
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind

    kind = SpanKind.SERVER if server else SpanKind.INTERNAL
    with tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, start_time=started
    ) as made:
        yield made


def record(
    name: str,
    *,
    parent: "Context | None" = None,
    started: datetime | int,
    ended: datetime | int,
    attributes: Attributes | None = None,
) -> None:
    """Record a span that has ended; times are datetimes or nanoseconds since the epoch."""
    tracer = _State.tracer
    if tracer is None:
        return
    begin = _nanoseconds(started)
    made = tracer.start_span(name, context=parent, attributes=attributes, start_time=begin)
    made.end(max(begin, _nanoseconds(ended)))


def record_job(
    uid: str,
    annotations: Mapping[str, str],
    *,
    started: datetime,
    ended: datetime,
    attributes: Attributes,
    error: str | None = None,
) -> None:
    """Record a job's root span at the job's end: the parent that :func:`of_job` refers to."""
    tracer = _State.tracer
    if tracer is None:
        return
    from opentelemetry.context import Context

    parent = _remote(annotations) or Context()
    begin = _nanoseconds(started)
    traced = _next_trace_id.set(_digest("trace", uid, 16))
    spanned = _next_span_id.set(_digest("span", uid, 8))
    try:
        made = tracer.start_span("job", context=parent, attributes=attributes, start_time=begin)
    finally:
        _next_trace_id.reset(traced)
        _next_span_id.reset(spanned)
    if error is not None:
        mark_failed(made, error)
    made.end(max(begin, _nanoseconds(ended)))


def of_job(uid: str, annotations: Mapping[str, str]) -> "Context | None":
    """Return the context whose children are the spans of a job; None while tracing is off.

    The trace is the one that the job's annotation names. Without a valid annotation, the trace id
    follows from the uid too, so all programs agree on it.
    """
    provider = _State.provider
    if provider is None:
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.trace.sampling import Decision
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    given = _remote(annotations)
    if given is not None:
        around = trace.get_current_span(given).get_span_context()
        trace_id, flags = around.trace_id, around.trace_flags
    else:
        trace_id = _digest("trace", uid, 16)
        decision = provider.sampler.should_sample(None, trace_id, "job").decision
        sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    place = SpanContext(trace_id, _digest("span", uid, 8), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(place))


def mark_failed(span: "Span", message: str) -> None:
    """Mark ``span`` as failed although no error leaves it."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, message))


@contextmanager
def within(context: "Context | None") -> Iterator[None]:
    """Make ``context`` the current one in the body, for logs and spans."""
    if context is None or not on():
        yield
        return
    from opentelemetry.context import attach, detach

    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def of_request(headers: Mapping[str, str]) -> "Context | None":
    """Return the context of the header traceparent; an empty one without it."""
    if not on():
        return None
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(dict(headers), Context())


def annotations() -> dict[str, str]:
    """Return the annotation with which a job continues the current trace; {} while off."""
    if not on():
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    place = carrier.get("traceparent")
    return {TRACEPARENT_ANNOTATION: place} if place else {}


def add_trace_id(entry: logging.LogRecord) -> bool:
    """Add the current trace id to a log entry; a logging filter that passes every entry."""
    from opentelemetry import trace

    place = trace.get_current_span().get_span_context()
    if place.is_valid and not hasattr(entry, "trace_id"):
        entry.trace_id = f"{place.trace_id:032x}"
    return True


def _remote(annotations: Mapping[str, str]) -> "Context | None":
    """Return the context of the annotation, or None when it is missing or invalid."""
    text = annotations.get(TRACEPARENT_ANNOTATION)
    if not text:
        return None
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    found = TraceContextTextMapPropagator().extract({"traceparent": text}, Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


def _digest(what: str, uid: str, size: int) -> int:
    found = hashlib.sha256(f"wherry {what} {uid}".encode()).digest()[:size]
    return int.from_bytes(found, "big") or 1


def _nanoseconds(moment: datetime | int) -> int:
    return moment if isinstance(moment, int) else int(moment.timestamp() * 1_000_000) * 1_000

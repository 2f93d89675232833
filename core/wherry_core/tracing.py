"""Traces by OpenTelemetry: off, and then free, unless the environment names where to send them.

Spans are sent by OTLP over HTTP from a thread of their own with a bounded queue: a collector that
is slow or away costs spans and nothing else. All functions here do nothing while tracing is off.
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

if TYPE_CHECKING:
    # Importing OpenTelemetry takes time and memory, so only a process that traces does it.
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer

TRACEPARENT_ANNOTATION: Final = "wherry.dev/traceparent"
"""Annotation of a job with the place of its request in a trace (W3C Trace Context)."""
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
LAST_EXPORT_SECONDS: Final = 3.0
"""At the end of a process, what is not sent within this time is dropped."""

Attributes = Mapping[str, str | int | bool | float]

log = logging.getLogger(__name__)


class _State:
    """What a process that traces has; None while tracing is off."""

    provider: "TracerProvider | None" = None
    tracer: "Tracer | None" = None


_next_trace_id: ContextVar[int | None] = ContextVar("next_trace_id", default=None)
_next_span_id: ContextVar[int | None] = ContextVar("next_span_id", default=None)


def wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether the standard OTEL_ variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def set_up(component: str) -> None:
    """Begin to trace this process, if the environment wants it; after ``logs.set_up``."""
    if not wanted(os.environ):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # Requests of the exporter are no news, and at the level debug each would be told.
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    start(component, BatchSpanProcessor(OTLPSpanExporter()))


def start(component: str, processor: "SpanProcessor") -> None:
    """Trace this process and give ended spans to ``processor``."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random ids, but for the spans whose ids all programs must know."""

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
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    resource = Resource.create({**named, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _State.provider, _State.tracer = provider, provider.get_tracer("wherry")
    for handler in logging.getLogger().handlers:
        handler.addFilter(add_trace_id)


def shut_down() -> None:
    """Send what is left, for some seconds at the most; off afterwards."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is None:
        return
    for handler in logging.getLogger().handlers:
        handler.removeFilter(add_trace_id)
    # A collector that does not answer must not keep a process that wants to end.
    ending = threading.Thread(target=provider.shutdown, daemon=True, name="last traces")
    ending.start()
    ending.join(LAST_EXPORT_SECONDS)


def on() -> bool:
    """Tell whether this process traces."""
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
    """Trace the body as a span; errors that leave it are noted on the span.

    Without ``parent`` it is a child of the span around it. ``started`` is in nanoseconds since
    1970, for a span that began before it was known to.
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
    """Trace something that is over; times as datetime or in nanoseconds since 1970."""
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
    """Trace a whole job at its end: the parent of all that :func:`of_job` is the parent of."""
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

    The job's annotation names the trace; without one, or with one that is none, trace and span
    follow from the uid, so that all programs agree without asking each other.
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
    """Note on ``span`` that what it traces failed, although no error leaves it."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, message))


@contextmanager
def within(context: "Context | None") -> Iterator[None]:
    """Make ``context`` the present one in the body, for logs and for spans."""
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
    """Return the caller's context as the header traceparent tells; an empty one without it."""
    if not on():
        return None
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(dict(headers), Context())


def annotations() -> dict[str, str]:
    """Return the annotation that lets a job continue the present trace; none while it is off."""
    if not on():
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    place = carrier.get("traceparent")
    return {TRACEPARENT_ANNOTATION: place} if place else {}


def add_trace_id(entry: logging.LogRecord) -> bool:
    """Put the present trace's id into a log entry; a filter that lets everything pass."""
    from opentelemetry import trace

    place = trace.get_current_span().get_span_context()
    if place.is_valid and not hasattr(entry, "trace_id"):
        entry.trace_id = f"{place.trace_id:032x}"
    return True


def _remote(annotations: Mapping[str, str]) -> "Context | None":
    """Return the context of the annotation, which anybody may have written."""
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

"""The span of a request, where a job's trace begins or goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Message, Scope, Send

from wherry_core import tracing

UNKNOWN_ROUTE: Final = "unknown"


def route_of(scope: Scope) -> str:
    """Return the route's template: a label with job ids in it would grow without bound."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


@contextmanager
def traced_request(scope: Scope, send: Send) -> Iterator[Send]:
    """Trace a request as a child of what its header traceparent names; yields what sends.

    Names and attributes follow OpenTelemetry's semantic conventions for HTTP servers.
    """
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
    method = scope["method"]
    attributes = {"http.request.method": method, "url.path": scope["path"]}
    parent = tracing.of_request(headers)
    with tracing.span(method, parent=parent, attributes=attributes, server=True) as span:

        async def send_on(message: Message) -> None:
            if span is not None and message["type"] == "http.response.start":
                status, route = message["status"], route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    tracing.mark_failed(span, f"status {status}")
            await send(message)

        yield send_on

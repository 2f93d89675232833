"""What surrounds every request: limits, response headers, metrics, traces and faults."""

import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wherry_api.http import problems
from wherry_api.http.error_renderer import render
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import FAULTS, REQUEST_SECONDS, REQUESTS
from wherry_core import tracing

log = logging.getLogger(__name__)

MAX_HEADER_BYTES: Final = 32_768
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
DROPPED_BODIES: Final = 4
UNKNOWN_ROUTE: Final = "unknown"


def route_of(scope: Scope) -> str:
    """Return the route's template, because a label with job ids would grow without bound."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


@contextmanager
def traced_request(scope: Scope, send: Send) -> Iterator[Send]:
    """Trace a request as a child of its traceparent header; yield a Send that records the answer.

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


def body_is_lost(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether the parser takes the body for data of another protocol.

    Some clients send ``Upgrade: h2c`` with every request, also with one that has a body.
    """
    named = dict(headers)
    if b"upgrade" not in named:
        return False
    has_body = named.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in named
    return has_body and b"upgrade" in named.get(b"connection", b"").lower()


class Middleware:
    """The outermost layer. Plain ASGI, because streams must not pay for a heavier wrapper."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        # Closing a connection while the client still sends resets it, and the answer is lost. So
        # up to this many bytes are read and dropped first.
        self._drop_up_to = max_body_bytes * DROPPED_BODIES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif tracing.on() and scope["method"] == "POST":
            with traced_request(scope, send) as send_traced:
                await self._serve(scope, receive, send_traced)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
                self._count(scope, status, began)
            await send(message)

        try:
            self._check_head(scope)
            await self._app(scope, self._limited(receive), send_on)
        except ProblemError as error:
            await render(error)(scope, receive, send_on)
        except ClientDisconnect:
            log.debug("a client disconnected before its request was complete: %s", route_of(scope))
        except Exception:
            FAULTS.labels(route_of(scope)).inc()
            request_id = uuid.uuid4().hex
            log.exception("request %s failed: %s %s", request_id, scope["method"], route_of(scope))
            if status == 0:
                fault = ProblemError(
                    problems.INTERNAL_ERROR,
                    "Internal error. The request id is in the server log.",
                    requestId=request_id,
                )
                await render(fault)(scope, receive, send_on)

    def _check_head(self, scope: Scope) -> None:
        if sum(len(n) + len(v) for n, v in scope["headers"]) > MAX_HEADER_BYTES:
            raise ProblemError(
                problems.HEADERS_TOO_LARGE,
                f"The headers have more than {MAX_HEADER_BYTES} bytes. Send fewer or shorter ones.",
                headers={"Connection": "close"},
            )
        if body_is_lost(scope["headers"]):
            raise ProblemError(
                problems.MALFORMED_BODY,
                "The body of a request with an Upgrade header cannot be read. Send the request "
                "without that header, as HTTP/1.1.",
            )
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body_bytes:
                raise self._too_large(int(value))

    def _limited(self, receive: Receive) -> Receive:
        received = 0

        async def receive_on() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self._max_body_bytes:
                    while message.get("more_body") and received <= self._drop_up_to:
                        message = await receive()
                        received += len(message.get("body", b""))
                    raise self._too_large(received)
            return message

        return receive_on

    def _too_large(self, size: int) -> ProblemError:
        return ProblemError(
            problems.BODY_TOO_LARGE,
            f"The body has more than {self._max_body_bytes} bytes. Split the request.",
            headers={"Connection": "close"} if size > self._drop_up_to else {},
        )

    @staticmethod
    def _count(scope: Scope, status: int, began: float) -> None:
        route = route_of(scope)
        REQUESTS.labels(route, scope["method"], str(status)).inc()
        REQUEST_SECONDS.labels(route, scope["method"]).observe(time.perf_counter() - began)

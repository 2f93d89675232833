"""uvicorn's HTTP protocol, with limits that neither it nor its parser has."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wherry_api.http import problems
from wherry_api.http.error_renderer import MEDIA_TYPE, render
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED

MAX_UNREAD_BYTES: Final = 65_536
"""Twice the middleware's limit for headers, so that clients mostly get the middleware's answer."""


class BoundedProtocol(HttpToolsProtocol):
    """Limits the request line, headers, trailers and chunk extensions.

    The parser buffers each of them until it is complete: 50 MB of short headers take a gigabyte.
    So the bytes since the last parsed piece are counted.

    An ``Upgrade`` is not performed, as RFC 9110, section 7.8 allows. The parser takes what follows
    the headers for the other protocol, so the connection is closed after the answer.

    Overrides parts of uvicorn that are not documented, so its version is bounded in pyproject.toml.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._unread = 0

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; refuse the request when too much of it is incomplete."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_UNREAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        """Start the request."""
        self._unread = 0
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._unread = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer data that is not HTTP; the base class would answer in the middle of a stream."""
        if self._answering:
            self.transport.close()
        else:
            super().send_400_response(msg)

    @property
    def _answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing, because some clients ask for HTTP/2 with every request."""

    def _refuse(self) -> None:
        REFUSED.labels("heads").inc()
        # An answer in progress is cut off rather than mixed with another one.
        if not self._answering:
            self.transport.write(_refusal())
        self.transport.close()


def _refusal() -> bytes:
    answer = render(
        ProblemError(
            problems.HEADERS_TOO_LARGE,
            f"The request line and the headers have more than {MAX_UNREAD_BYTES} bytes. Send fewer "
            "or shorter ones.",
        )
    )
    head = (
        f"HTTP/1.1 {answer.status_code} Request Header Fields Too Large\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(answer.body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + bytes(answer.body)

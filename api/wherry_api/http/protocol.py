"""uvicorn's HTTP protocol, within bounds that neither it nor its parser sets."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wherry_api.http import problems
from wherry_api.http.error_renderer import MEDIA_TYPE, render
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED

MAX_UNREAD_BYTES: Final = 65_536
"""Twice what Middleware allows for the headers, so that its sentence is what clients mostly get."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request line, headers, trailers or chunk extensions that do not end.

    The parser keeps all of them until they are whole: 50 MB of short headers, sent by anyone,
    take a gigabyte. So what came since the last piece that was handed on is counted.

    A request with ``Upgrade`` is answered without one, as RFC 9110, section 7.8 allows. The parser
    takes what follows its headers for the other protocol, so its connection carries nothing more.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._unread = 0

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, unless too much came without an end."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_UNREAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._unread = 0
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note of the request's end."""
        self._unread = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; the base class would do so in the middle of a stream."""
        if self._answering:
            self.transport.close()
        else:
            super().send_400_response(msg)

    @property
    def _answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _unsupported_upgrade_warning(self) -> None:
        """Leave out two lines in the log for each request of a client that asks for HTTP/2."""

    def _refuse(self) -> None:
        REFUSED.labels("heads").inc()
        # An answer that is under way is cut off rather than mixed with another one.
        if not self._answering:
            self.transport.write(_refusal())
        self.transport.close()


def _refusal() -> bytes:
    answer = render(
        ProblemError(
            problems.HEADERS_TOO_LARGE,
            f"The request line and the headers may have {MAX_UNREAD_BYTES} bytes in all.",
        )
    )
    head = (
        f"HTTP/1.1 {answer.status_code} Request Header Fields Too Large\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(answer.body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + bytes(answer.body)

"""Parse server-sent events from chunks of bytes.

Source: WHATWG HTML, section 9.2.6, "Interpreting an event stream".
"""

import codecs
from dataclasses import dataclass
from typing import Final

MAX_EVENT_CHARACTERS: Final = 1_048_576
"""Bounds the memory for one event; Wherry's events are far smaller."""
BYTE_ORDER_MARK: Final = "\ufeff"


class EventTooLargeError(Exception):
    """Raised when an event exceeds MAX_EVENT_CHARACTERS: the stream is not one of Wherry's."""


@dataclass(frozen=True)
class ServerEvent:
    """One event."""

    name: str
    data: str
    last_event_id: str
    """The newest id up to this event: an event without an id keeps the previous one."""


class EventStreamParser:
    """Incremental parser of one stream."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        """The newest id of a complete event; sent as Last-Event-ID on a reconnect."""
        self.retry_seconds: float | None = None
        """Seconds to wait before a reconnect, as last set by the server, or None."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._started = False
        self._line = ""
        self._after_carriage_return = False
        self._data: list[str] = []
        self._size = 0
        self._name = ""
        self._id = last_event_id

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that ``chunk`` completes. Raises EventTooLargeError."""
        text = self._decoder.decode(chunk)
        if text and not self._started:
            self._started = True
            text = text.removeprefix(BYTE_ORDER_MARK)
        events = []
        for line in self._lines(text):
            event = self._process_line(line)
            if event is not None:
                events.append(event)
        return events

    def _lines(self, text: str) -> list[str]:
        """Return the lines that ``text`` completes; a line ends with LF, CR or CRLF."""
        if text and self._after_carriage_return:
            self._after_carriage_return = False
            # The chunk border split a CRLF: its CR has ended the line already.
            text = text.removeprefix("\n")
        if text.endswith("\r"):
            self._after_carriage_return = True
        pieces = (self._line + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._line = pieces.pop()
        self._check_size()
        return pieces

    def _check_size(self) -> None:
        if self._size + len(self._line) > MAX_EVENT_CHARACTERS:
            raise EventTooLargeError

    def _process_line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._size += len(value)
            self._check_size()
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000
        return None

    def _complete(self) -> ServerEvent | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        self.last_event_id = self._id
        if not data:
            return None
        return ServerEvent(name or "message", "\n".join(data), self.last_event_id)

"""Server-sent events: from bytes, however they are cut, to events.

The rules are those of the WHATWG HTML standard, section 9.2.6, "Interpreting an event stream".
"""

import codecs
from dataclasses import dataclass
from typing import Final

MAX_EVENT_CHARACTERS: Final = 1_048_576
"""An event that is larger is none of Wherry's; without a bound it would fill the memory."""
BYTE_ORDER_MARK: Final = "\ufeff"


class EventTooLargeError(Exception):
    """The stream does not come from Wherry, or is broken."""


@dataclass(frozen=True)
class ServerEvent:
    """One event."""

    name: str
    data: str
    last_event_id: str
    """The id that is sent on a reconnect; it stays until an event brings another."""


class EventStreamParser:
    """Takes chunks of a stream and returns the events that they complete."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        """The newest id that was seen in a completed event."""
        self.retry_seconds: float | None = None
        """The pause before a reconnect that the server asked for last."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._started = False
        self._line = ""
        self._after_carriage_return = False
        self._data: list[str] = []
        self._size = 0
        self._name = ""
        self._id = last_event_id

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that end in ``chunk``. Raises EventTooLargeError."""
        text = self._decoder.decode(chunk)
        if text and not self._started:
            self._started = True
            text = text.removeprefix(BYTE_ORDER_MARK)
        events = []
        for line in self._lines(text):
            event = self._take(line)
            if event is not None:
                events.append(event)
        return events

    def _lines(self, text: str) -> list[str]:
        """Return the lines that ``text`` completes; they end with LF, CR or both."""
        if text and self._after_carriage_return:
            self._after_carriage_return = False
            # The pair CR LF was cut in two by the network: the line is counted already.
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

    def _take(self, line: str) -> ServerEvent | None:
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

"""Logging: one JSON object per line for collectors, or text for a terminal."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

import orjson

from wherry_core.settings import LogSettings

CONTEXT_FIELDS: Final = ("job", "tenant", "attempt", "runner", "pool", "trace_id")
"""Names that callers pass in ``extra=``; each becomes a field of the entry."""

MISLEADING: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that JSON may contain unescaped but that a terminal interprets."""


class JsonFormatter(logging.Formatter):
    """One JSON object per line; a line break in a message cannot forge a second entry."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for field in CONTEXT_FIELDS:
            if (value := getattr(record, field, None)) is not None:
                entry[field] = value
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            line = orjson.dumps(entry, default=str).decode()
        except orjson.JSONEncodeError:
            # A lone surrogate, or an integer of more than 64 bits.
            line = json.dumps(entry, default=str)
        return MISLEADING.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


class TextFormatter(logging.Formatter):
    """Text with the context fields at the end; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as text."""
        context = " ".join(
            f"{field}={_escaped(str(value))}"
            for field in CONTEXT_FIELDS
            if (value := getattr(record, field, None)) is not None
        )
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        message = _escaped(record.getMessage())
        line = f"{time} {record.levelname:<7} {record.name}: {message} {context}".rstrip()
        if record.exc_info:
            # Indented, because a line of the error's text could otherwise look like an entry.
            for each in self.formatException(record.exc_info).split("\n"):
                line += f"\n  {_escaped(each)}"
        return line


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log the exception that ends the process, in the configured format."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("wherry").critical(
        "Unexpected error; the process ends", exc_info=(kind, error, trace)
    )


def set_up(settings: LogSettings) -> None:
    """Log to standard error in the format of ``settings``, for the whole process."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)
    sys.excepthook = log_uncaught
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("aiobotocore").setLevel(logging.WARNING)

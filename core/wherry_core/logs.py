"""Logs: one JSON object a line for collectors, or text for a person at a terminal."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from wherry_core.settings import LogSettings

CONTEXT_FIELDS: Final = ("job", "tenant", "attempt", "runner", "pool", "trace_id")
"""Names that may be given as ``extra=`` and become fields of their own."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line; line breaks in a message cannot forge a second entry."""

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
        return orjson.dumps(entry, default=str).decode()


class TextFormatter(logging.Formatter):
    """Text for a person, with the context fields at the end; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as text."""
        context = " ".join(
            f"{field}={value}"
            for field in CONTEXT_FIELDS
            if (value := getattr(record, field, None)) is not None
        )
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        message = record.getMessage().encode("unicode_escape").decode("ascii")
        line = f"{time} {record.levelname:<7} {record.name}: {message} {context}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up(settings: LogSettings) -> None:
    """Send all logs of this process to standard error in the format of ``settings``."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("aiobotocore").setLevel(logging.WARNING)

"""The clocks of the operator."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time; the only clock that decisions about jobs are made by."""
    return datetime.now(UTC)

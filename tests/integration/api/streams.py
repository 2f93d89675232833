"""Read server-sent events in tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Event:
    name: str
    data: Any
    id: str | None
    retry: int | None


class Events:
    """The events of one answer, one after the other."""

    def __init__(self, answer: httpx.Response) -> None:
        self._chunks = answer.aiter_text()
        self._text = ""
        self._ready: list[Event] = []

    @staticmethod
    def parse(text: str) -> list[Event]:
        events = []
        for block in text.split("\n\n"):
            fields = dict(
                line.split(": ", 1) for line in block.split("\n") if line and line[0] != ":"
            )
            if "event" in fields:
                retry = fields.get("retry")
                events.append(
                    Event(
                        fields["event"],
                        json.loads(fields["data"]),
                        fields.get("id"),
                        int(retry) if retry else None,
                    )
                )
        return events

    async def next(self, patience: float = PATIENCE_SECONDS) -> Event:
        """Return the next event; raises TimeoutError, or StopAsyncIteration at the end."""
        async with asyncio.timeout(patience):
            while not self._ready:
                self._text += await self._chunks.__anext__()
                whole, separator, self._text = self._text.rpartition("\n\n")
                self._ready += self.parse(whole + separator)
        return self._ready.pop(0)

    async def named(self, name: str, patience: float = PATIENCE_SECONDS) -> Event:
        """Return the next event of that name, skipping others."""
        async with asyncio.timeout(patience):
            while (event := await self.next(patience)).name != name:
                pass
        return event

    async def ended(self) -> bool:
        """Return True at the end of the stream, False when another event comes."""
        try:
            await self.next()
        except StopAsyncIteration:
            return True
        return False


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient,
    name: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[httpx.Response, Events]]:
    """Open the stream of a job."""
    async with client.stream(
        "GET", f"/v1/download/stream/{name}", headers=headers, params=params
    ) as answer:
        yield answer, Events(answer)

"""Clients that follow jobs by server-sent events, and reconnect whenever a stream breaks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

ENDS = frozenset({"completed", "failed"})


@dataclass
class StreamClient:
    """What one client has seen of one job."""

    job: str
    seen: list[tuple[int, int]] = field(default_factory=list)
    """(attempt, step) of every event, over all connections."""
    ends: list[str] = field(default_factory=list)
    """The names of all terminal events."""

    async def follow(self, client: httpx.AsyncClient) -> None:
        """Follow until a terminal event arrives."""
        last_id = ""
        while not self.ends:
            try:
                headers = {"Last-Event-ID": last_id} if last_id else {}
                where = f"/v1/download/stream/{self.job}"
                async with client.stream("GET", where, headers=headers) as answer:
                    async for block in _blocks(answer):
                        last_id = block.get("id", last_id)
                        self._take(block)
            except httpx.TransportError:
                await asyncio.sleep(0.3)

    def _take(self, block: dict[str, str]) -> None:
        if "id" in block:
            attempt, step = block["id"].split("-")[:2]
            self.seen.append((int(attempt), int(step)))
        if block.get("event") in ENDS:
            self.ends.append(block["event"])


async def _blocks(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")

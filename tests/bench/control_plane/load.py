"""Post jobs and record when each one is Completed."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.harness.api import JOBS, Api

STREAMS: Final = 16
"""Concurrent requests of the client."""


@dataclass
class Completions:
    """Records when each job was first seen Completed, by name; in monotonic seconds."""

    at: dict[str, float] = field(default_factory=dict)
    failed: dict[str, Any] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0

    async def watch(self, api: Api, namespace: str, version: str) -> None:
        """Record until cancelled. The server ends watches that do not keep up; they are resumed."""
        while True:
            async for kind, body in api.watch(JOBS, namespace, version, timeout_seconds=3_600):
                version = body["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._note(body)

    def _note(self, body: dict[str, Any]) -> None:
        name, status = body["metadata"]["name"], body.get("status", {})
        if status.get("phase") == "Completed":
            self.at.setdefault(name, time.monotonic())
        elif status.get("phase") in {"Failed", "Cancelled"}:
            self.failed[name] = status
        if len(self.at) + len(self.failed) >= self.wanted:
            self.enough.set()


async def post_all(url: str, bodies: list[dict[str, Any]], rate: float | None) -> dict[str, float]:
    """Post every body, at ``rate`` per second or without a limit; return the times by job id."""
    posted: dict[str, float] = {}
    started = time.monotonic()
    left = iter(enumerate(bodies))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=STREAMS)) as session:

        async def work() -> None:
            for number, body in left:
                if rate is not None:
                    await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                begun = time.monotonic()
                async with session.post(f"{url}/v1/download/initiate", json=body) as answer:
                    document = await answer.json()
                    if answer.status != 200:
                        raise RuntimeError(f"the API answered {answer.status}: {document}")
                posted[document["jobId"]] = begun

        await asyncio.gather(*(work() for _ in range(STREAMS)))
    return posted

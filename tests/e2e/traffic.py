"""Clients that post jobs and follow them while the cluster changes under them."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

POST_PAUSE_SECONDS: Final = 1.0
MOST_OPEN: Final = 12
"""Jobs under way at once, so that a slow node is not buried under waiting jobs and new runners."""
RECONNECT_SECONDS: Final = 0.5


@dataclass
class Traffic:
    """Posts up to a job a second and follows each to its end, over a new connection each time."""

    api_url: str
    file_ids: list[int]
    posted: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """What a client saw that it should not: refused or broken connections, wrong answers."""
    goodbyes: Counter[str] = field(default_factory=Counter)
    """Streams by job that the server ended in order before the job's end."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _posting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to post."""
        self._posting = asyncio.create_task(self._post())

    async def stop(self, within: float) -> None:
        """Post no more; wait until every job that was posted has ended. Raises TimeoutError."""
        if self._posting is not None:
            self._posting.cancel()
        async with asyncio.timeout(within):
            await asyncio.gather(*self._tasks)

    async def _post(self) -> None:
        while True:
            await self._room()
            body = {"file_ids": self.file_ids}
            answer = await self._request("POST", "/v1/download/initiate", json=body)
            if answer is not None:
                job_id = answer["jobId"]
                self.posted.append(job_id)
                task = asyncio.create_task(self._follow(job_id))
                self._tasks.add(task)
            await asyncio.sleep(POST_PAUSE_SECONDS)

    async def _room(self) -> None:
        """Wait until fewer than MOST_OPEN jobs are under way."""
        while len(under_way := [task for task in self._tasks if not task.done()]) >= MOST_OPEN:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _request(self, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        async with httpx.AsyncClient(base_url=self.api_url, timeout=30) as client:
            try:
                answer = await client.request(method, path, **more)
            except httpx.HTTPError as error:
                self.errors.append(f"{method} {path}: {error!r}")
                return None
        if answer.status_code != 200:
            self.errors.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        found: dict[str, Any] = answer.json()
        return found

    async def _follow(self, job_id: str) -> None:
        last = ""
        while True:
            seen, last = await self._stream(job_id, last)
            if seen == "completed":
                self.completed.append(job_id)
                return
            if seen == "failed":
                self.errors.append(f"the job {job_id} failed")
                return
            await self._request("GET", f"/v1/download/status/{job_id}")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _stream(self, job_id: str, last: str) -> tuple[str, str]:
        """Follow one stream until it ends; return its last event's name and id."""
        name = ended = ""
        path = f"/v1/download/stream/{job_id}"
        headers = {"Last-Event-ID": last} if last else {}
        async with httpx.AsyncClient(base_url=self.api_url, timeout=60) as client:
            try:
                async with client.stream("GET", path, headers=headers) as stream:
                    if stream.status_code != 200:
                        self.errors.append(f"{path}: {stream.status_code}")
                        return "", last
                    async for line in stream.aiter_lines():
                        key, _, value = line.partition(":")
                        if key == "id":
                            last = value.strip()
                        elif key == "event":
                            name = value.strip()
                        elif key == "data" and name in {"completed", "failed"}:
                            ended = name
                        elif key == "data" and name == "connected":
                            status = json.loads(value)["status"]
                            ended = status if status in {"completed", "failed"} else ""
            except httpx.HTTPError as error:
                self.errors.append(f"{path}: {error!r}")
                return "", last
        if not ended:
            self.goodbyes[job_id] += 1
        return ended, last

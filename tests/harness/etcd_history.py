"""The history of DownloadJobs as etcd keeps it: whole, whatever happens to the API server.

A watch through the API server has a gap (410 Gone) when the server restarts. The revisions of
etcd have none. Its watch is spoken over the JSON gateway that etcd serves beside gRPC.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from pydantic import ValidationError

from tests.harness.history import Change, JobHistory
from wherry_core.resources import GROUP, DownloadJob

FOLDER = f"/registry/{GROUP}/downloadjobs/"
LONGEST_LINE = 8 << 20


class UnreadableJobError(Exception):
    """A stored job that this version's model refuses; ``key`` is its ``namespace/name``."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is not a DownloadJob of this version")
        self.key = key


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def change_of(event: dict[str, Any]) -> Change:
    """Return what one event of etcd's watch means, with the version that it made.

    Raises UnreadableJobError for a job that this version's model refuses.
    """
    deleted = event.get("type") == "DELETE"
    stored = event["prev_kv"] if deleted else event["kv"]
    body = json.loads(base64.b64decode(stored["value"]))
    body["metadata"]["resourceVersion"] = event["kv"]["mod_revision"]
    new = event["kv"].get("create_revision") == event["kv"]["mod_revision"]
    kind = "DELETED" if deleted else "ADDED" if new else "MODIFIED"
    try:
        return Change(kind, DownloadJob.model_validate(body))
    except ValidationError as error:
        meta = body["metadata"]
        raise UnreadableJobError(f"{meta['namespace']}/{meta['name']}") from error


async def _record(etcd: str, history: JobHistory, namespace: str, ready: asyncio.Event) -> None:
    first = f"{FOLDER}{namespace}/".encode()
    beyond = first[:-1] + bytes([first[-1] + 1])
    wanted = {"key": _text(first), "range_end": _text(beyond), "prev_kv": True}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as session,
        session.post(f"{etcd}/v3/watch", json={"create_request": wanted}) as answer,
    ):
        answer.raise_for_status()
        while line := await answer.content.readline():
            result = json.loads(line)["result"]
            if result.get("created"):
                ready.set()
            for event in result.get("events", []):
                try:
                    history.changes.append(change_of(event))
                except UnreadableJobError as error:
                    history.unreadable.add(error.key)
                history.version = event["kv"]["mod_revision"]
    raise ConnectionError("etcd ended the watch")


@asynccontextmanager
async def history_in_etcd(etcd: str, namespace: str) -> AsyncIterator[JobHistory]:
    """Record every change of the DownloadJobs in ``namespace`` while the context is open.

    A watch that breaks fails the context, because a history with a gap proves nothing.
    """
    history, ready = JobHistory(), asyncio.Event()
    task = asyncio.create_task(_record(etcd, history, namespace, ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not ready.is_set():
            raise ConnectionError("etcd does not serve a watch")
        yield history
    finally:
        waiting.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

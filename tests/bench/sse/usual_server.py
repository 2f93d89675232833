"""The same stream with sse-starlette: one generator and one queue per client."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import EventSourceResponse

from wherry_core.redis import keys

followers: dict[str, set[asyncio.Queue[dict[str, Any]]]] = defaultdict(set)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connection = redis.Redis(port=int(sys.argv[2]), decode_responses=True)
    app.state.pubsub = connection.pubsub()
    await app.state.pubsub.subscribe("always")
    hearing = asyncio.create_task(hear(app.state.pubsub))
    yield
    hearing.cancel()


async def hear(pubsub: Any) -> None:
    async for message in pubsub.listen():
        if message["type"] == "message":
            snapshot = orjson.loads(message["data"])
            for queue in followers[message["channel"]]:
                queue.put_nowait(snapshot)


app = FastAPI(lifespan=lifespan)


@app.get("/v1/download/stream/{name}")
async def stream(name: str) -> EventSourceResponse:
    channel = keys.job_updates(name)

    async def events() -> AsyncIterator[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        if not followers[channel]:
            await app.state.pubsub.subscribe(channel)
        followers[channel].add(queue)
        try:
            yield {"event": "connected", "data": "{}"}
            while True:
                snapshot = await queue.get()
                data = {
                    "progress": snapshot["progress"],
                    "completedFiles": snapshot["completedFiles"],
                    "totalFiles": snapshot["totalFiles"],
                }
                yield {
                    "event": "progress",
                    "id": f"{snapshot['attempt']}-{snapshot['step']}",
                    "data": orjson.dumps(data).decode(),
                }
        finally:
            followers[channel].discard(queue)

    return EventSourceResponse(events(), ping=30, sep="\n")


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )

"""GET /v1/download/stream/{jobId}."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel

from wherry_api.auth.caller import Caller
from wherry_api.dependencies import AppComponents, JobName, owner_or_ticket
from wherry_api.http import problems
from wherry_api.openapi.responses import SECURITY, answers
from wherry_api.openapi.schemas import (
    CompletedEvent,
    ConnectedEvent,
    FailedEvent,
    HeartbeatEvent,
    ProgressEvent,
)
from wherry_api.services.status import status_of
from wherry_api.stream.events import seen_to_the_end
from wherry_api.stream.response import StreamResponse

router = APIRouter(tags=["jobs"])

EVENT_MODELS: Final[dict[str, type[BaseModel]]] = {
    "connected": ConnectedEvent,
    "progress": ProgressEvent,
    "completed": CompletedEvent,
    "failed": FailedEvent,
    "heartbeat": HeartbeatEvent,
}
EXAMPLE: Final = (
    "event: connected\nid: 1-0-0c5b1a44\nretry: 2310\n"
    'data: {"jobId":"0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11","status":"processing", ...}\n\n'
    "event: progress\nid: 1-7-0c5b1a44\n"
    'data: {"progress":42,"completedFiles":1,"totalFiles":3}\n\n'
    "event: heartbeat\ndata: {}\n\n"
    "event: completed\nid: 1-19-0c5b1a44-end\n"
    'data: {"downloadUrl":"/v1/download/0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11","size":3145870}\n\n'
)
EVENT_SCHEMAS: Final = [
    {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": name},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": f"#/components/schemas/{model.__name__}"},
            },
            "id": {"type": "string", "pattern": "^[0-9]+-[0-9]+-.*$"},
            "retry": {"type": "integer", "description": "Milliseconds"},
        },
    }
    for name, model in EVENT_MODELS.items()
]
STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A stream of events. The data of each event is a JSON document: "
        + ", ".join(f"{name}: {model.__name__}" for name, model in EVENT_MODELS.items())
        + ". The stream ends after completed or failed.",
        "content": {"text/event-stream": {"schema": {"oneOf": EVENT_SCHEMAS}, "example": EXAMPLE}},
    },
    204: {"description": "The client has received the last event and need not reconnect"},
}


@router.get(
    "/v1/download/stream/{jobId}",
    summary="Watch a job",
    response_class=Response,
    openapi_extra=SECURITY,
    responses=STREAM
    | answers(
        problems.UNAUTHENTICATED,
        problems.JOB_NOT_FOUND,
        problems.JOB_EXPIRED,
        problems.INVALID_REQUEST,
        problems.TOO_MANY_STREAMS,
        problems.UNAVAILABLE,
    ),
)
async def stream(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_or_ticket)],
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
    query: Annotated[
        str | None,
        Query(alias="lastEventId", max_length=128, description="Instead of the header"),
    ] = None,
) -> Response:
    """Stream the events of the job."""
    hub, api = components.hub, components.settings.api
    hub.reserve(caller.tenant)
    watch = None
    try:
        # Subscribed before the read, so that no update in between is missed.
        watch = await hub.open(caller.tenant, name)
        snapshot = await components.snapshots.read(caller.tenant, name)
        position = await components.snapshots.position(snapshot)
        hub.take(watch, snapshot)
        if watch.snapshot is not None:
            snapshot = watch.snapshot
        if seen_to_the_end(header or query, snapshot):
            await hub.close(watch)
            hub.release(caller.tenant)
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        status = status_of(
            snapshot,
            public_url=api.public_url,
            queue_position=position,
            seconds_per_file=components.estimates.seconds_per_file,
        )
    except BaseException:
        hub.release(caller.tenant)
        if watch is not None:
            await hub.close(watch)
        raise
    return StreamResponse(
        hub,
        watch,
        snapshot,
        status.model_dump(mode="json"),
        tenant=caller.tenant,
        public_url=api.public_url,
    )

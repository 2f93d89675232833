"""GET /v1/download/status/{jobId}."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from wherry_api import problems
from wherry_api.auth.caller import Caller, Verb
from wherry_api.dependencies import JobName, Parts, owner_who_may
from wherry_api.routes.responses import SECURITY, answers
from wherry_api.schemas import Status
from wherry_api.services.status import status_of

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/download/status/{jobId}",
    summary="How a job stands",
    response_model=Status,
    openapi_extra=SECURITY,
    responses=answers(
        problems.UNAUTHENTICATED,
        problems.JOB_NOT_FOUND,
        problems.JOB_EXPIRED,
        problems.INVALID_REQUEST,
        problems.UNAVAILABLE,
    ),
)
async def status(
    parts: Parts, name: JobName, caller: Annotated[Caller, Depends(owner_who_may(Verb.GET))]
) -> Response:
    """Return how the job stands."""
    snapshot = await parts.snapshots.read(caller.tenant, name)
    document = status_of(
        snapshot,
        public_url=parts.settings.api.public_url,
        queue_position=await parts.snapshots.position(snapshot),
        seconds_per_file=parts.estimates.seconds_per_file,
    )
    return Response(
        document.model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )

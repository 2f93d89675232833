"""GET /v1/download/{jobId}/details."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from wherry_api.auth.caller import Caller, Verb
from wherry_api.dependencies import AppComponents, JobName, owner_who_may
from wherry_api.openapi.responses import OF_ONE_JOB, SECURITY, answers
from wherry_api.services.details import Details, details_of

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/download/{jobId}/details",
    summary="A job's attempts, and what was left out",
    description="Read from the cluster, not from Redis: for a person who looks, not for polling.",
    response_model=Details,
    openapi_extra=SECURITY,
    responses=answers(*OF_ONE_JOB),
)
async def details(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_who_may(Verb.GET))],
) -> Response:
    """Return more about a job than its status."""
    headers = await components.limits.spend(caller.tenant)
    job = await components.snapshots.read_resource(caller.tenant, name)
    return Response(
        details_of(job).model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "no-store", **headers},
    )

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
    summary="Get a job's failed attempts and the number of files left out",
    description="Reads the cluster, so it is not meant for polling.",
    response_model=Details,
    openapi_extra=SECURITY,
    responses=answers(*OF_ONE_JOB),
)
async def details(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_who_may(Verb.GET))],
) -> Response:
    """Return the details of a job."""
    headers = await components.limits.spend(caller.tenant)
    job = await components.snapshots.read_resource(caller.tenant, name)
    return Response(
        details_of(job).model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "no-store", **headers},
    )

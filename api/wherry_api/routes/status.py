"""GET /v1/download/status/{jobId}."""

from fastapi import APIRouter, Request, Response

from wherry_api.auth.caller import Verb
from wherry_api.dependencies import checked_name, components_of, owner_of
from wherry_api.http import problems
from wherry_api.openapi import parameters
from wherry_api.openapi.responses import SECURITY, answers
from wherry_api.openapi.schemas import Status
from wherry_api.services.status import status_of

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/download/status/{jobId}",
    summary="Get the status of a job",
    response_model=Status,
    openapi_extra={"parameters": [parameters.JOB_ID, parameters.TENANT]} | SECURITY,
    responses=answers(
        problems.UNAUTHENTICATED,
        problems.JOB_NOT_FOUND,
        problems.JOB_EXPIRED,
        problems.INVALID_REQUEST,
        problems.UNAVAILABLE,
    ),
)
async def status(request: Request) -> Response:
    """Return the status of the job."""
    components = components_of(request)
    name = checked_name(request.path_params["jobId"])
    caller = await owner_of(request, name, Verb.GET)
    snapshot = await components.snapshots.read(caller.tenant, name)
    document = status_of(
        snapshot,
        public_url=components.settings.api.public_url,
        queue_position=await components.snapshots.position(snapshot),
        seconds_per_file=components.estimates.seconds_per_file,
    )
    return Response(
        document.model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )

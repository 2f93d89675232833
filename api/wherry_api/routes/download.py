"""GET /v1/download/{jobId}: the redirect to the archive."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from wherry_api.auth.caller import Caller
from wherry_api.dependencies import AppComponents, JobName, owner_or_ticket
from wherry_api.http import problems
from wherry_api.openapi.responses import SECURITY, answers

router = APIRouter(tags=["jobs"])

REDIRECT: Final[dict[int | str, dict[str, Any]]] = {
    302: {
        "description": "Redirect to the archive, at a URL signed for this answer",
        "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
    }
}


@router.get(
    "/v1/download/{jobId}",
    summary="Download the archive",
    status_code=302,
    response_class=Response,
    openapi_extra=SECURITY,
    responses=REDIRECT
    | answers(
        problems.UNAUTHENTICATED,
        problems.JOB_NOT_FOUND,
        problems.JOB_NOT_READY,
        problems.JOB_FAILED,
        problems.JOB_EXPIRED,
        problems.INVALID_REQUEST,
        problems.UNAVAILABLE,
    ),
)
async def download(
    components: AppComponents, name: JobName, caller: Annotated[Caller, Depends(owner_or_ticket)]
) -> Response:
    """Redirect to a newly signed URL of the archive."""
    url = await components.presigner.presigned_url(caller.tenant, name)
    return Response(
        status_code=302,
        headers={
            "Location": url,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        },
    )

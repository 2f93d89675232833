"""POST /v1/download/initiate."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from wherry_api import job_requests, problems
from wherry_api.auth.caller import Caller, Verb
from wherry_api.dependencies import Parts, caller_who_may
from wherry_api.problems import ProblemError
from wherry_api.routes.responses import SECURITY, answers
from wherry_api.schemas import Initiate, Initiated

router = APIRouter(tags=["jobs"])

BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Initiate"}}},
    }
}
BODY_MODEL = Initiate


@router.post(
    "/v1/download/initiate",
    summary="Ask for an archive",
    description="Creates a job and answers at once. The same Idempotency-Key (or jobId) with the "
    "same body answers the same job; with another body it is refused.",
    response_model=Initiated,
    openapi_extra=BODY | SECURITY,
    responses=answers(
        problems.MALFORMED_BODY,
        problems.UNAUTHENTICATED,
        problems.FORBIDDEN,
        problems.BODY_TOO_LARGE,
        problems.TOO_MANY_FILE_IDS,
        problems.UNSUPPORTED_MEDIA_TYPE,
        problems.INVALID_REQUEST,
        problems.KEY_REUSED,
        problems.RATE_LIMITED,
        problems.QUOTA_EXCEEDED,
        problems.UNAVAILABLE,
    ),
)
async def initiate(
    request: Request,
    response: Response,
    parts: Parts,
    caller: Annotated[Caller, Depends(caller_who_may(Verb.CREATE))],
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]+$",
            max_length=job_requests.MAX_KEY_LENGTH,
            description="1 to 255 printable ASCII characters; the same for every try of one wish",
        ),
    ] = None,
) -> Response:
    """Create a job, or find the one that the same request created before."""
    headers = await parts.limits.spend(caller.tenant)
    media_type = request.headers.get("content-type", "application/json").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise ProblemError(
            problems.UNSUPPORTED_MEDIA_TYPE, "Send the body as Content-Type: application/json."
        )
    wish = job_requests.parse(await request.body(), key)
    accepted = await parts.jobs.initiate(caller.tenant, wish)
    return Response(accepted.model_dump_json(), media_type="application/json", headers=headers)

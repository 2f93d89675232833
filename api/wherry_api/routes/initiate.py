"""POST /v1/download/initiate."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request, Response

from wherry_api.auth.caller import Verb
from wherry_api.dependencies import caller_of, components_of
from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.openapi import parameters
from wherry_api.openapi.responses import SECURITY, answers
from wherry_api.openapi.schemas import Initiated
from wherry_api.services import job_requests

router = APIRouter(tags=["jobs"])

INITIATE: Final = "/v1/download/initiate"
JSON: Final = "application/json"
TAKES: Final = {
    "parameters": [
        parameters.header(
            job_requests.KEY_HEADER,
            "1 to 255 printable ASCII characters; the same for every attempt of one request",
            pattern=f"^{job_requests.KEY.pattern}$",
            maxLength=job_requests.MAX_KEY_LENGTH,
        ),
        parameters.TENANT,
    ],
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Initiate"}}},
    },
}


def check_media_type(sent: Sequence[str]) -> None:
    """Raise ProblemError 415 unless ``sent``, the Content-Type headers, is one header for JSON.

    Prevents cross-site requests: browsers send forms, plain text and untyped bodies without a
    preflight request (Fetch standard, "CORS-safelisted request-header"), but not JSON.
    """
    if len(sent) == 1 and sent[0].partition(";")[0].strip().lower() == JSON:
        return
    found = f"as {sent[0][:80]!r}" if sent else "without a Content-Type"
    raise ProblemError(
        problems.UNSUPPORTED_MEDIA_TYPE,
        f"The body was sent {found}. Send it with the header Content-Type: {JSON}.",
    )


@router.post(
    INITIATE,
    summary="Request an archive",
    description="Creates a job and answers at once. The same Idempotency-Key (or jobId) with the "
    "same body returns the same job; with another body it is refused.",
    response_model=Initiated,
    openapi_extra=TAKES | SECURITY,
    responses=answers(
        problems.MALFORMED_BODY,
        problems.UNAUTHENTICATED,
        problems.FORBIDDEN,
        problems.BODY_TOO_SLOW,
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
async def initiate(request: Request) -> Response:
    """Create a job, or return the one that the same request created before."""
    components = components_of(request)
    caller = await caller_of(request, Verb.CREATE)
    headers = await components.limits.spend(caller.tenant)
    check_media_type(request.headers.getlist("content-type"))
    async with components.bodies.body_of(request, caller.tenant) as body:
        job_request = job_requests.parse(body, request.headers.get(job_requests.KEY_HEADER))
        accepted = await components.jobs.initiate(caller.tenant, job_request)
    return Response(accepted.model_dump_json(), media_type=JSON, headers=headers)


# Without this route, a GET would be answered as a request for the archive of a job "initiate".
@router.api_route(INITIATE, methods=["GET", "HEAD"], include_in_schema=False)
async def initiate_with_get() -> Response:
    """Raise ProblemError 405, which says to send a POST."""
    raise ProblemError(
        problems.METHOD_NOT_ALLOWED,
        f"{INITIATE} does not take GET. Send a POST with the file ids as JSON, such as "
        '{"file_ids": [70000, 70001]}.',
        headers={"Allow": "POST"},
    )

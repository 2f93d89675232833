"""List, cancel and retry jobs, and get tickets for browsers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from wherry_api.auth.caller import Caller, Verb
from wherry_api.auth.tickets import TICKET_SECONDS
from wherry_api.dependencies import AppComponents, JobName, caller_who_may, owner_who_may
from wherry_api.http import problems
from wherry_api.openapi.responses import OF_ONE_JOB, SECURITY, answers
from wherry_api.openapi.schemas import Initiated, JobList, Ticket
from wherry_api.services.status import status_of
from wherry_core.job_snapshot import JobStatus

router = APIRouter(tags=["jobs"])

NO_STORE = {"Cache-Control": "no-store"}


@router.get(
    "/v1/download",
    summary="List the tenant's jobs",
    description="Pages are sorted by job id; get the next one with nextCursor as cursor and the "
    "same filters. deadLetter=true lists jobs that failed and used up their attempts.",
    response_model=JobList,
    openapi_extra=SECURITY,
    responses=answers(
        problems.UNAUTHENTICATED,
        problems.FORBIDDEN,
        problems.CURSOR_EXPIRED,
        problems.INVALID_REQUEST,
        problems.RATE_LIMITED,
        problems.UNAVAILABLE,
    ),
)
async def list_jobs(
    components: AppComponents,
    caller: Annotated[Caller, Depends(caller_who_may(Verb.LIST))],
    status: JobStatus | None = None,
    deadLetter: bool | None = None,  # noqa: N803
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(min_length=1, max_length=4_096)] = None,
) -> Response:
    """Return one page of the tenant's jobs."""
    headers = await components.limits.spend(caller.tenant)
    page = await components.jobs.list(
        caller.tenant, limit=limit, cursor=cursor, status=status, dead_letter=deadLetter
    )
    document = JobList(
        jobs=[
            status_of(
                snapshot,
                public_url=components.settings.api.public_url,
                seconds_per_file=components.estimates.seconds_per_file,
            )
            for snapshot in page.jobs
        ],
        nextCursor=page.cursor,
    )
    return Response(
        document.model_dump_json(), media_type="application/json", headers=NO_STORE | headers
    )


@router.delete(
    "/v1/download/{jobId}",
    summary="Cancel a job",
    description="The job ends as failed, with the error that it was cancelled. A job that has "
    "ended does not change. The request may be repeated.",
    status_code=204,
    response_class=Response,
    openapi_extra=SECURITY,
    responses=answers(*OF_ONE_JOB),
)
async def cancel(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_who_may(Verb.CANCEL))],
) -> Response:
    """Request the end of the job."""
    headers = await components.limits.spend(caller.tenant)
    await components.jobs.cancel(caller.tenant, name)
    return Response(status_code=204, headers=headers)


@router.post(
    "/v1/download/{jobId}/retry",
    summary="Retry a failed job",
    description="Creates a new job for the same files and returns its id; the old job does not "
    "change. A repeated request returns the same new job.",
    response_model=Initiated,
    openapi_extra=SECURITY,
    responses=answers(
        problems.UNAUTHENTICATED,
        problems.JOB_NOT_FOUND,
        problems.JOB_NOT_ENDED,
        problems.JOB_EXPIRED,
        problems.BODY_TOO_LARGE,
        problems.INVALID_REQUEST,
        problems.RATE_LIMITED,
        problems.QUOTA_EXCEEDED,
        problems.UNAVAILABLE,
    ),
)
async def retry(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_who_may(Verb.CREATE))],
) -> Response:
    """Create a new job from a failed one."""
    headers = await components.limits.spend(caller.tenant)
    accepted = await components.jobs.retry(caller.tenant, name)
    return Response(accepted.model_dump_json(), media_type="application/json", headers=headers)


@router.post(
    "/v1/download/{jobId}/ticket",
    summary="Get a ticket for a browser",
    description="EventSource and links cannot send credentials; they send a ticket as the query "
    "parameter ticket. It opens the stream or the download of this job once, within a minute.",
    response_model=Ticket,
    openapi_extra=SECURITY,
    responses=answers(*OF_ONE_JOB),
)
async def ticket(
    components: AppComponents,
    name: JobName,
    caller: Annotated[Caller, Depends(owner_who_may(Verb.GET))],
) -> Response:
    """Return a ticket for the job."""
    headers = await components.limits.spend(caller.tenant)
    await components.snapshots.read(caller.tenant, name)
    document = Ticket(
        ticket=await components.tickets.issue(caller, name), expiresInSeconds=TICKET_SECONDS
    )
    return Response(
        document.model_dump_json(), media_type="application/json", headers=NO_STORE | headers
    )

"""What the routes ask FastAPI for: the parts of the API, and who is calling."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Header, Path, Query, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from wherry_api.auth.caller import Caller, Credentials, Verb, forbidden
from wherry_api.components import Components
from wherry_api.problems import job_not_found

JOB_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
BEARER: Final = HTTPBearer(auto_error=False, description="A token, by the auth mode in force")
API_KEY: Final = APIKeyHeader(name="X-API-Key", auto_error=False)


def components(request: Request) -> Components:
    """Return the parts of the running API."""
    found: Components = request.app.state.components
    return found


def job_name(
    jobId: Annotated[str, Path(description="The job's id")],  # noqa: N803
) -> str:
    """Return the job's name from the path; raises ProblemError 404 for what cannot be one."""
    if not JOB_NAME.fullmatch(jobId):
        raise job_not_found(jobId)
    return jobId


Parts = Annotated[Components, Depends(components)]
JobName = Annotated[str, Depends(job_name)]
TenantHeader = Annotated[
    str | None,
    Header(
        alias="Wherry-Tenant",
        max_length=63,
        description="The tenant (a namespace) that is meant, where the credentials allow several",
    ),
]
TicketQuery = Annotated[
    str | None,
    Query(max_length=64, description="A single-use ticket in place of credentials"),
]


def credentials(request: Request, tenant: str | None) -> Credentials:
    """Return what the request brings along."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    secret = token.strip() if scheme.lower() == "bearer" else None
    return Credentials(secret=secret or request.headers.get("x-api-key"), tenant=tenant)


def caller_who_may(verb: Verb) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency for routes that name no job: 403 for callers who may not."""

    async def dependency(request: Request, parts: Parts, tenant: TenantHeader = None) -> Caller:
        caller = await parts.authenticator.authenticate(credentials(request, tenant), verb)
        if caller is None:
            raise forbidden(verb)
        return caller

    return dependency


def owner_who_may(verb: Verb) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency for routes that name a job: 404 for callers who may not."""

    async def dependency(
        request: Request, parts: Parts, name: JobName, tenant: TenantHeader = None
    ) -> Caller:
        caller = await parts.authenticator.authenticate(credentials(request, tenant), verb)
        if caller is None:
            raise job_not_found(name)
        return caller

    return dependency


async def owner_or_ticket(
    request: Request,
    parts: Parts,
    name: JobName,
    tenant: TenantHeader = None,
    ticket: TicketQuery = None,
) -> Caller:
    """Return who is calling a route that browsers open by themselves."""
    if ticket is not None:
        return await parts.tickets.redeem(ticket, name)
    caller = await parts.authenticator.authenticate(credentials(request, tenant), Verb.GET)
    if caller is None:
        raise job_not_found(name)
    return caller

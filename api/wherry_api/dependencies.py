"""FastAPI dependencies of the routes: the components, the job's name, and the caller.

Most routes declare their dependencies. Initiate and status, the most frequent ones, call the
functions here themselves and describe their parameters in openapi/parameters.py, because FastAPI's
resolution of declared dependencies doubles the CPU time of such a request. All dependencies are
async, because FastAPI runs plain functions in threads.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Header, Path, Query, Request

from wherry_api.auth.caller import Caller, Credentials, Verb, forbidden
from wherry_api.components import Components
from wherry_api.http import problems
from wherry_api.http.problems import ProblemError, job_not_found

JOB_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""An object's name in Kubernetes (RFC 1123 subdomain), without the limit of its length."""
MAX_JOB_NAME_LENGTH: Final = 253
JOB_ID_MEANING: Final = "The job's id"
TENANT_HEADER: Final = "Wherry-Tenant"
TENANT_MEANING: Final = "The tenant (a namespace), where the credentials allow several"
MAX_TENANT_LENGTH: Final = 63


def components_of(request: Request) -> Components:
    """Return the components of the running API."""
    found: Components = request.app.state.components
    return found


def checked_name(job_id: str) -> str:
    """Return the job's name; raises ProblemError 404 for a string that cannot be one."""
    if len(job_id) > MAX_JOB_NAME_LENGTH or not JOB_NAME.fullmatch(job_id):
        raise job_not_found(job_id)
    return job_id


def credentials_of(request: Request) -> Credentials:
    """Return the request's credentials; raises ProblemError 422 for a tenant that is too long."""
    tenant = request.headers.get(TENANT_HEADER)
    if tenant is not None and len(tenant) > MAX_TENANT_LENGTH:
        detail = f"{TENANT_HEADER} has more than {MAX_TENANT_LENGTH} characters. Send a namespace."
        raise ProblemError(
            problems.INVALID_REQUEST, detail, errors=[{"header": TENANT_HEADER, "detail": detail}]
        )
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    secret = token.strip() if scheme.lower() == "bearer" else None
    return Credentials(secret=secret or request.headers.get("x-api-key"), tenant=tenant)


async def caller_of(request: Request, verb: Verb) -> Caller:
    """Return the caller of a route that names no job; raises ProblemError 401, 403 or 503."""
    caller = await components_of(request).authenticator.authenticate(credentials_of(request), verb)
    if caller is None:
        raise forbidden(verb)
    return caller


async def owner_of(request: Request, name: str, verb: Verb) -> Caller:
    """Return the caller of a route that names a job; raises ProblemError 401, 404 or 503."""
    caller = await components_of(request).authenticator.authenticate(credentials_of(request), verb)
    if caller is None:
        raise job_not_found(name)
    return caller


async def _components(request: Request) -> Components:
    return components_of(request)


async def _job_name(
    jobId: Annotated[str, Path(description=JOB_ID_MEANING)],  # noqa: N803
) -> str:
    return checked_name(jobId)


AppComponents = Annotated[Components, Depends(_components)]
JobName = Annotated[str, Depends(_job_name)]
TenantHeader = Annotated[
    str | None,
    Header(alias=TENANT_HEADER, max_length=MAX_TENANT_LENGTH, description=TENANT_MEANING),
]
"""Declared for the OpenAPI document; credentials_of reads it from the request."""
TicketQuery = Annotated[
    str | None,
    Query(max_length=64, description="A single-use ticket instead of credentials"),
]


def caller_who_may(verb: Verb) -> Callable[..., Awaitable[Caller]]:
    """Return caller_of as a dependency."""

    async def dependency(request: Request, tenant: TenantHeader = None) -> Caller:
        return await caller_of(request, verb)

    return dependency


def owner_who_may(verb: Verb) -> Callable[..., Awaitable[Caller]]:
    """Return owner_of as a dependency."""

    async def dependency(request: Request, name: JobName, tenant: TenantHeader = None) -> Caller:
        return await owner_of(request, name, verb)

    return dependency


async def owner_or_ticket(
    request: Request,
    components: AppComponents,
    name: JobName,
    tenant: TenantHeader = None,
    ticket: TicketQuery = None,
) -> Caller:
    """Return the caller of a route that browsers open with a ticket or with credentials."""
    if ticket is not None:
        return await components.tickets.redeem(ticket, name)
    return await owner_of(request, name, Verb.GET)

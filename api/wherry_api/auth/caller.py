"""What all auth modes share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError


class Verb(StrEnum):
    """What a caller wants to do with the tenant's jobs, in the words of Kubernetes' RBAC."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    CANCEL = "patch"


@dataclass(frozen=True)
class Credentials:
    """What a request brings along."""

    secret: str | None
    """The token of ``Authorization: Bearer``, or the value of ``X-API-Key``."""
    tenant: str | None
    """The header ``Wherry-Tenant``: the namespace that is meant, where one may choose."""


@dataclass(frozen=True)
class Caller:
    """Who is calling."""

    tenant: str
    """Namespace whose jobs the caller sees."""
    subject: str
    """Name for logs; nothing is decided by it."""


class Authenticator(Protocol):
    """One auth mode."""

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return who is calling, or None when they are known but not allowed ``verb``.

        Raises ProblemError 401 for missing or wrong credentials, 503 when that cannot be told.
        """
        ...


def unauthenticated(detail: str) -> ProblemError:
    """Return a 401."""
    return ProblemError(
        problems.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": 'Bearer realm="wherry"'}
    )


def forbidden(verb: Verb) -> ProblemError:
    """Return a 403: only for routes that name no job, for there a 404 would tell no less."""
    return ProblemError(
        problems.FORBIDDEN,
        f"These credentials do not allow to {'cancel' if verb is Verb.CANCEL else verb.value} "
        "jobs of this tenant.",
    )

"""The caller of a request, and the contract of all auth modes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError


class Verb(StrEnum):
    """What a caller does with the tenant's jobs, as a verb of Kubernetes RBAC."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    CANCEL = "patch"


@dataclass(frozen=True)
class Credentials:
    """The credentials in a request."""

    secret: str | None
    """The token of ``Authorization: Bearer``, or the value of ``X-API-Key``."""
    tenant: str | None
    """The header ``Wherry-Tenant``: the namespace, where the credentials allow several."""


@dataclass(frozen=True)
class Caller:
    """The authenticated caller."""

    tenant: str
    """Namespace whose jobs the caller sees."""
    subject: str
    """Name for logs; no decision depends on it."""


class Authenticator(Protocol):
    """One auth mode."""

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the caller, or None when valid credentials do not allow ``verb``.

        Raises ProblemError 401 for missing or invalid credentials, 503 when they cannot be checked.
        """
        ...


def unauthenticated(detail: str) -> ProblemError:
    """Return a 401."""
    return ProblemError(
        problems.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": 'Bearer realm="wherry"'}
    )


def forbidden(verb: Verb) -> ProblemError:
    """Return a 403, for routes that name no job; others answer 404, which reveals no job."""
    return ProblemError(
        problems.FORBIDDEN,
        f"The credentials do not allow the verb {verb.value!r} on jobs of this tenant. Use other "
        "credentials, or ask an administrator for access.",
    )

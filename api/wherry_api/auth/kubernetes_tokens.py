"""The mode kubernetes: tokens of service accounts and users, checked by the API server.

A TokenReview authenticates the token for Wherry's audience. A SubjectAccessReview then decides
whether its user may do the same to DownloadJobs in the tenant's namespace with kubectl, so that
RBAC alone grants access.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from cachetools import TLRUCache

from wherry_api.auth.caller import Caller, Credentials, Verb, unauthenticated
from wherry_api.http import problems
from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError, UnavailableError
from wherry_core.kubernetes.paths import subject_access_reviews_path, token_reviews_path
from wherry_core.resources import DOWNLOAD_JOBS, GROUP
from wherry_core.settings import DNS_LABEL

log = logging.getLogger(__name__)

REVIEW_SECONDS: Final = 10.0
MAX_ENTRIES: Final = 10_000
REFUSAL_SECONDS: Final = 5.0
"""Seconds for which a refusal is cached: short, so that a new grant takes effect soon."""
MAX_TOKEN_LENGTH: Final = 16_384
REVIEWS_AT_ONCE: Final = 16
"""Concurrent reviews: a flood of invalid tokens must not reach the API server."""
SERVICE_ACCOUNT: Final = "system:serviceaccount:"


class KubernetesTokens:
    """Has the API server check tokens and access."""

    def __init__(
        self,
        kubernetes: KubernetesClient,
        audiences: tuple[str, ...],
        serves: Callable[[str], bool],
        cache_seconds: float,
    ) -> None:
        self._kubernetes = kubernetes
        self._audiences = audiences
        self._serves = serves
        refusal_seconds = min(REFUSAL_SECONDS, cache_seconds)

        def expiry(_: str, answer: object, now: float) -> float:
            return now + (cache_seconds if answer else refusal_seconds)

        self._users: TLRUCache[str, dict[str, Any]] = TLRUCache(MAX_ENTRIES, expiry)
        self._rights: TLRUCache[str, bool] = TLRUCache(MAX_ENTRIES, expiry)
        self._slots = asyncio.Semaphore(REVIEWS_AT_ONCE)

    async def authenticate(self, credentials: Credentials, verb: Verb) -> Caller | None:
        """Return the token's user as a caller for the requested tenant; None when not allowed."""
        token = credentials.secret
        if not token:
            raise unauthenticated(
                f"Send a Kubernetes token for the audience {self._audiences[0]!r} as "
                "Authorization: Bearer."
            )
        if len(token) > MAX_TOKEN_LENGTH:
            raise unauthenticated(
                f"The token has more than {MAX_TOKEN_LENGTH} characters. Send a Kubernetes token."
            )
        digest = hashlib.sha256(token.encode()).hexdigest()
        user = await self._user(token, digest)
        if not user:
            raise unauthenticated(
                "The token is not valid for the audience "
                f"{self._audiences[0]!r}. Create a new one for it."
            )
        name = str(user.get("username", ""))
        tenant = credentials.tenant or _own_namespace(name)
        if tenant is None:
            raise problems.ProblemError(
                problems.INVALID_REQUEST,
                "The token does not determine a tenant. Name it (a namespace) in the header "
                "Wherry-Tenant.",
                errors=[{"header": "Wherry-Tenant", "detail": "missing"}],
            )
        if not re.fullmatch(DNS_LABEL, tenant) or not self._serves(tenant):
            return None
        if not await self._allowed(user, tenant, verb, f"{digest}/{tenant}/{verb}"):
            return None
        return Caller(tenant=tenant, subject=name)

    async def _user(self, token: str, digest: str) -> dict[str, Any]:
        known = self._users.get(digest)
        if known is not None:
            return known
        status = await self._review(
            token_reviews_path(),
            "authentication.k8s.io/v1",
            "TokenReview",
            {"token": token, "audiences": list(self._audiences)},
        )
        # An API server that does not support audiences returns none: the token was not checked for
        # ours, and may have been issued for another service.
        matching = set(status.get("audiences") or ()) & set(self._audiences)
        user = status.get("user") or {} if status.get("authenticated") and matching else {}
        self._users[digest] = user
        return dict(user)

    async def _allowed(self, user: dict[str, Any], tenant: str, verb: Verb, key: str) -> bool:
        known = self._rights.get(key)
        if known is not None:
            return known
        status = await self._review(
            subject_access_reviews_path(),
            "authorization.k8s.io/v1",
            "SubjectAccessReview",
            {
                "user": user.get("username", ""),
                "uid": user.get("uid", ""),
                "groups": user.get("groups") or [],
                "extra": user.get("extra") or {},
                "resourceAttributes": {
                    "group": GROUP,
                    "resource": DOWNLOAD_JOBS,
                    "namespace": tenant,
                    "verb": verb.value,
                },
            },
        )
        allowed = bool(status.get("allowed"))
        self._rights[key] = allowed
        return allowed

    async def _review(
        self, path: str, version: str, kind: str, spec: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            async with self._slots:
                answer = await self._kubernetes.request(
                    "POST",
                    path,
                    body={"apiVersion": version, "kind": kind, "spec": spec},
                    timeout_seconds=REVIEW_SECONDS,
                )
        except UnavailableError as error:
            raise problems.unavailable(
                "Tokens cannot be checked because the Kubernetes API does not answer."
            ) from error
        except KubernetesError as error:
            log.error("the API server refuses a %s: %s", kind, error)
            raise problems.unavailable(
                "Tokens cannot be checked because the API's service account may not create a "
                f"{kind}.",
                retry_after_seconds=30,
            ) from error
        return dict(answer.get("status") or {})


def _own_namespace(user: str) -> str | None:
    """Return a service account's namespace, the default tenant of its tokens; None for users."""
    if not user.startswith(SERVICE_ACCOUNT):
        return None
    return user.removeprefix(SERVICE_ACCOUNT).partition(":")[0]

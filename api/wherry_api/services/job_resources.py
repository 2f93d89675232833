"""DownloadJobs in the cluster: create, read, list, and ask to stop."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.http.slots import NoSlotError, Slots
from wherry_api.metrics import REFUSED
from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.kubernetes.client import METADATA, KubernetesClient
from wherry_core.kubernetes.errors import (
    AlreadyExistsError,
    BadRequestError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubernetesError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.resources import DownloadJob, ObjectMeta, Phase
from wherry_core.resources.names import DEAD_LETTER_LABEL

log = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 10.0
CHECK_SECONDS: Final = 2.0
"""Seconds that a request of a client waits for the check that a job still exists."""
SELECTORS: Final = {
    # A job that the operator has not seen yet has no phase, and counts as queued.
    "queued": ",".join(f"status.phase!={phase}" for phase in Phase if phase is not Phase.QUEUED),
    "processing": "status.phase=Processing",
    "completed": "status.phase=Completed",
    "failed": "status.phase!=,"
    + ",".join(
        f"status.phase!={phase}" for phase in (Phase.QUEUED, Phase.PROCESSING, Phase.COMPLETED)
    ),
}
"""Field selectors of the four statuses; field selectors have no "or", so two are negations."""
JOBS_A_READ: Final = 10
"""Jobs of one request to the API server: a job may have 1.5 MB of ids, and a page of a hundred of
them would take half a gigabyte at once."""
LISTS_AT_ONCE: Final = 4


@dataclass(frozen=True)
class ListPage:
    """One page of a tenant's jobs."""

    jobs: tuple[JobSnapshot, ...]
    cursor: str | None
    """Where the next page begins; None on the last one."""


class JobResources:
    """Reads and writes DownloadJobs.

    Every method raises ProblemError 503 when the Kubernetes API does not answer.
    """

    def __init__(self, kubernetes: KubernetesClient, creates: Slots) -> None:
        self._kubernetes = kubernetes
        self._creates = creates
        self._lists = asyncio.Semaphore(LISTS_AT_ONCE)

    async def create(self, manifest: Mapping[str, Any]) -> bool:
        """Create a job from its manifest; return False when a job of its name exists.

        Raises ProblemError 413 (too large for the cluster), 422 (refused by its schema), 429 (the
        namespace's quota is used up) or 503 (also when too many creates are waiting).
        """
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            async with self._creates.slot(namespace):
                with _problems(namespace, name):
                    await self._kubernetes.request(
                        "POST",
                        jobs_path(namespace),
                        body=manifest,
                        accept=METADATA,
                        timeout_seconds=REQUEST_SECONDS,
                    )
        except AlreadyExistsError:
            return False
        except NoSlotError as error:
            REFUSED.labels("creates").inc()
            raise problems.unavailable("Too many jobs are being created.") from error
        return True

    async def get(self, namespace: str, name: str) -> DownloadJob | None:
        """Return a job, or None when it does not exist."""
        try:
            with _problems(namespace, name):
                return DownloadJob.model_validate(
                    await self._kubernetes.request(
                        "GET", jobs_path(namespace, name), timeout_seconds=REQUEST_SECONDS
                    )
                )
        except NotFoundError:
            return None

    async def uid(self, namespace: str, name: str) -> str | None:
        """Return the uid of a job, or None when it does not exist.

        Reads its metadata only, and gives up after :data:`CHECK_SECONDS`.
        """
        try:
            with _problems(namespace, name):
                answer = await self._kubernetes.request(
                    "GET",
                    jobs_path(namespace, name),
                    accept=METADATA,
                    timeout_seconds=CHECK_SECONDS,
                )
        except NotFoundError:
            return None
        return ObjectMeta.model_validate(answer["metadata"]).uid

    async def list(
        self,
        namespace: str,
        *,
        limit: int,
        cursor: str | None,
        status: str | None,
        dead_letter: bool | None,
    ) -> ListPage:
        """Return one page of the jobs in ``namespace``, by name.

        Raises ProblemError 410 when ``cursor`` is too old and 422 when this list did not return it.
        """
        selectors = {}
        if status:
            selectors["fieldSelector"] = SELECTORS[status]
        if dead_letter is not None:
            selectors["labelSelector"] = f"{DEAD_LETTER_LABEL}{'=' if dead_letter else '!='}true"
        jobs: list[JobSnapshot] = []
        async with self._lists:
            left = limit
            while left > 0:
                count = min(left, JOBS_A_READ)
                part = await self._read(namespace, count, cursor, selectors)
                jobs += part.jobs
                cursor = part.cursor
                left = left - count if cursor else 0
        return ListPage(tuple(jobs), cursor)

    async def _read(
        self, namespace: str, count: int, cursor: str | None, selectors: Mapping[str, str]
    ) -> ListPage:
        query = {"limit": str(count), **selectors}
        if cursor:
            query["continue"] = cursor
        try:
            answer = await self._kubernetes.request(
                "GET", jobs_path(namespace), query=query, timeout_seconds=REQUEST_SECONDS
            )
        except GoneError:
            raise ProblemError(
                problems.CURSOR_EXPIRED, "The cursor has expired. List again without a cursor."
            ) from None
        except KubernetesError as error:
            if cursor and isinstance(error, BadRequestError):
                raise ProblemError(
                    problems.INVALID_REQUEST,
                    "The cursor is not one that this list returned. List again without a cursor.",
                    errors=[{"parameter": "cursor", "detail": "not a cursor of this list"}],
                ) from None
            raise _problem_of(error, namespace) from error
        jobs = []
        for item in answer.get("items", []):
            try:
                jobs.append(snapshot_of(DownloadJob.model_validate(item)))
            except ValidationError:
                log.exception("a job in the list cannot be read", extra={"job": _key(item)})
        return ListPage(tuple(jobs), answer.get("metadata", {}).get("continue") or None)

    async def request_cancel(self, namespace: str, name: str) -> DownloadJob | None:
        """Set ``spec.cancel`` and return the job as it is then; None when it does not exist."""
        try:
            with _problems(namespace, name):
                return DownloadJob.model_validate(
                    await self._kubernetes.patch(
                        jobs_path(namespace, name),
                        {"spec": {"cancel": True}},
                        timeout_seconds=REQUEST_SECONDS,
                    )
                )
        except NotFoundError:
            return None


def _key(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata", {})
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


@contextmanager
def _problems(namespace: str, name: str) -> Iterator[None]:
    """Raise errors of the API server as ProblemError.

    Not those that callers expect: AlreadyExistsError, and NotFoundError of the job itself. A 404
    that names no job comes from an API server that does not serve jobs (yet).
    """
    try:
        yield
    except KubernetesError as error:
        absent = isinstance(error, NotFoundError) and error.concerns(name)
        if absent or isinstance(error, AlreadyExistsError):
            raise
        raise _problem_of(error, f"{namespace}/{name}") from error


def _problem_of(error: KubernetesError, job: str) -> ProblemError:
    if isinstance(error, UnavailableError):
        log.warning("the Kubernetes API did not answer: %s", error, extra={"job": job})
        return problems.unavailable("The Kubernetes API does not answer.")
    if isinstance(error, TooLargeError):
        return ProblemError(
            problems.BODY_TOO_LARGE,
            "The file ids are too long in total: the cluster stores about 1.5 MB for one job. "
            "Split the request.",
        )
    if isinstance(error, ForbiddenError) and error.exceeds_quota:
        return ProblemError(
            problems.QUOTA_EXCEEDED,
            "The tenant's quota of jobs is used up. Retry after older jobs have expired.",
            headers={"Retry-After": "60"},
        )
    if isinstance(error, InvalidError):
        return ProblemError(
            problems.INVALID_REQUEST, f"The cluster refuses the job: {error.message[:500]}"
        )
    # Missing permissions, a missing namespace or CRD: an administrator must act, not the client.
    log.error(
        "the Kubernetes API answered %d %s: %s",
        error.status,
        error.reason,
        error.message[:500],
        extra={"job": job},
    )
    return problems.unavailable(
        "The cluster is not set up for this request. The reason is in the server log.",
        retry_after_seconds=30,
    )

"""DownloadJobs as the API sees them: created, read, listed, asked to stop; never finished."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.http.slots import NoSlotError, Slots
from wherry_api.kubernetes_requests import (
    Answer,
    KubernetesRequests,
    KubernetesUnavailableError,
)
from wherry_api.metrics import REFUSED
from wherry_core import tracing
from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.resources import DOWNLOAD_JOBS, GROUP, VERSION, DownloadJob, Phase

log = logging.getLogger(__name__)

REQUESTED_BY: Final = "wherry.dev/requested-by"
RETRY_OF: Final = "wherry.dev/retry-of"
DEAD_LETTER: Final = "wherry.dev/dead-letter"
REQUEST_DIGEST: Final = "wherry.dev/request-digest"

METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks the API server to leave out what was just sent to it: up to ten thousand ids."""

SELECTORS: Final = {
    # A job that the operator has not seen yet has no phase, and is queued all the same.
    "queued": ",".join(f"status.phase!={phase}" for phase in Phase if phase is not Phase.QUEUED),
    "processing": "status.phase=Processing",
    "completed": "status.phase=Completed",
    "failed": "status.phase!=,"
    + ",".join(
        f"status.phase!={phase}" for phase in (Phase.QUEUED, Phase.PROCESSING, Phase.COMPLETED)
    ),
}
"""Field selectors of the four statuses; a field selector knows no "or", so two are negations."""


JOBS_A_READ: Final = 10
"""A page of a list is read in pieces: a job may have 1.5 MB of ids, and a hundred such jobs would
take half a gigabyte at once."""
LISTS_AT_ONCE: Final = 4


@dataclass(frozen=True)
class ListPage:
    """How some of a tenant's jobs stand, and where the next ones begin."""

    jobs: tuple[JobSnapshot, ...]
    cursor: str | None


class JobResources:
    """Reads and writes DownloadJobs. Every method raises ProblemError 503 when it cannot."""

    def __init__(self, kubernetes: KubernetesRequests, creates: Slots) -> None:
        self._kubernetes = kubernetes
        self._creates = creates
        self._lists = asyncio.Semaphore(LISTS_AT_ONCE)

    async def create(
        self,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        *,
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> bool:
        """Create a job; False when one of that name is there already.

        Raises ProblemError 413 (too large for the cluster), 422 (refused by its schema), 429 (the
        namespace's quota is used up) or 503 (also when too many creates wait for their turn).
        """
        # With tracing on, operator and runners go on in this request's trace.
        manifest = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "DownloadJob",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {REQUESTED_BY: "api", **labels},
                "annotations": {**annotations, **tracing.annotations()},
            },
            "spec": spec,
        }
        job = f"{namespace}/{name}"
        try:
            async with self._creates.slot():
                answer = await self._send(
                    "POST", _path(namespace), manifest, job=job, accept=METADATA_ONLY
                )
        except NoSlotError as error:
            REFUSED.labels("creates").inc()
            raise problems.unavailable("Too many jobs are being created just now.") from error
        if answer.status in {200, 201}:
            return True
        if answer.status == 409 and answer.reason == "AlreadyExists":
            return False
        raise _refused(answer, job)

    async def get(self, namespace: str, name: str) -> DownloadJob | None:
        """Return a job, or None when there is none of that name."""
        job = f"{namespace}/{name}"
        answer = await self._send("GET", _path(namespace, name), job=job)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _refused(answer, job)
        return DownloadJob.model_validate(answer.body)

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

        Raises ProblemError 410 when ``cursor`` is too old and 422 when it is none of ours.
        """
        selectors = {}
        if status:
            selectors["fieldSelector"] = SELECTORS[status]
        if dead_letter is not None:
            selectors["labelSelector"] = f"{DEAD_LETTER}{'=' if dead_letter else '!='}true"
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
        answer = await self._send("GET", _path(namespace), query=query, job=namespace)
        if answer.status == 410:
            raise ProblemError(
                problems.CURSOR_EXPIRED, "The cursor has expired: start again without one."
            )
        if answer.status == 400 and cursor:
            raise ProblemError(
                problems.INVALID_REQUEST,
                "The cursor is not one that this list gave: start again without one.",
                errors=[{"parameter": "cursor", "detail": "not a cursor of this list"}],
            )
        if answer.status != 200:
            raise _refused(answer, namespace)
        jobs = []
        for item in answer.body.get("items", []):
            try:
                jobs.append(snapshot_of(DownloadJob.model_validate(item)))
            except ValidationError:
                log.exception("a job cannot be read", extra={"job": _key(item)})
        return ListPage(tuple(jobs), answer.body.get("metadata", {}).get("continue") or None)

    async def request_cancel(self, namespace: str, name: str) -> bool:
        """Ask the operator to cancel a job; False when there is none of that name."""
        job = f"{namespace}/{name}"
        answer = await self._send(
            "PATCH",
            _path(namespace, name),
            {"spec": {"cancel": True}},
            content_type="application/merge-patch+json",
            job=job,
        )
        if answer.status == 404:
            return False
        if answer.status != 200:
            raise _refused(answer, job)
        return True

    async def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        job: str,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        try:
            return await self._kubernetes.send(
                method, path, body, query=query, content_type=content_type, accept=accept
            )
        except KubernetesUnavailableError as error:
            log.warning("the Kubernetes API did not answer: %s", error, extra={"job": job})
            raise problems.unavailable("The Kubernetes API does not answer.") from error


def _path(namespace: str, name: str | None = None) -> str:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{DOWNLOAD_JOBS}"
    return path if name is None else f"{path}/{name}"


def _key(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata", {})
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def _refused(answer: Answer, job: str) -> ProblemError:
    """Return the problem for an answer that is neither success nor expected."""
    if answer.too_large:
        return ProblemError(
            problems.BODY_TOO_LARGE,
            "The ids are too long in all for one job: the cluster stores about 1.5 MB. Split the "
            "request.",
        )
    if answer.status == 403 and "exceeded quota" in answer.message:
        return ProblemError(
            problems.QUOTA_EXCEEDED,
            "The tenant's quota of jobs is used up. Try again when older jobs are gone.",
            headers={"Retry-After": "60"},
        )
    if answer.status == 422:
        return ProblemError(
            problems.INVALID_REQUEST, f"The cluster refuses the job: {answer.message[:500]}"
        )
    # Missing permissions, a missing namespace or CRD: an admin must act, the client cannot.
    log.error(
        "the Kubernetes API answered %d %s: %s",
        answer.status,
        answer.reason,
        answer.message[:500],
        extra={"job": job},
    )
    return problems.unavailable(
        "The cluster is not set up to take this request; its log says why.", retry_after_seconds=30
    )

"""Carrying out what was decided about a job: the only place that writes for it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from wherry_core.resources import Phase
from wherry_core.resources.base import API_VERSION
from wherry_operator import metrics
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.job_view import RETRY_OF_LABEL, JobView
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.plan import JobPlan, QueueChange, condition_is_true, status_patch
from wherry_operator.jobs.policies.retry_request import retry_name
from wherry_operator.kubernetes_api import (
    MERGE_PATCH,
    AlreadyExistsError,
    ConflictError,
    KubernetesApi,
    NotFoundError,
    RefusedError,
    jobs_path,
)
from wherry_operator.repair.queue_index import Place, QueueIndex

logger = logging.getLogger(__name__)


class ArchiveKeeper(Protocol):
    """Removes what lies in the store."""

    async def remove(self, view: JobView) -> None:
        """Remove everything of a job."""

    async def tidy(self, view: JobView) -> None:
        """Remove what attempts of a job left that did not complete it."""


@dataclass(frozen=True)
class JobExecutor:
    """Carries out plans.

    The status is written first, guarded by the version that the plan was made from. When a
    newer version is there, everything else is dropped, too, and a plan is made from that one.
    """

    api: KubernetesApi
    index: QueueIndex
    events: EventRecorder
    archives: ArchiveKeeper
    take_job: Callable[[dict[str, Any]], JobView]
    """Takes an answer of the API server into the cache."""
    drop_job: Callable[[JobView], None]
    """Takes a job that is gone out of the cache."""
    plan_again: Callable[[str], None]

    async def execute(self, view: JobView, plan: JobPlan) -> None:
        """Do what ``plan`` says about the job of ``view``.

        Raises KubernetesError and errors of the store; a later try starts from the resource.
        """
        try:
            if plan.delete:
                await self._delete(view)
                return
            if plan.retry_number is not None:
                await self._retry(view, plan.retry_number)
            place = self.index.place_of(view.key)
            written = await self._write_status(view, plan)
            written = await self._write_metadata(written, plan)
        except ConflictError:
            metrics.STATUS_CONFLICTS.inc()
            await self._read_again(view)
            return
        except NotFoundError:
            self.drop_job(view)
            return
        await self._update_index(view, written, plan, place)
        if plan.event is not None:
            self._tell(view, plan.event)
        if written is not view:
            self.plan_again(view.key)
        if plan.tidy:
            await self.archives.tidy(written)

    async def announce_completion(self, view: JobView) -> None:
        """Tell followers and readers that a runner completed the job, and clear up after it."""
        await self.index.publish(view)
        status = view.job.status
        seconds = 0
        if status.start_time and status.completion_time:
            seconds = int((status.completion_time - status.start_time).total_seconds())
            metrics.PROCESSING_SECONDS.observe(seconds)
        size = status.archive.size if status.archive else 0
        self._tell(
            view,
            Event(
                "Completed",
                f"{status.files.completed} files are in an archive of {size} bytes, "
                f"made in {seconds} s (attempt {status.attempt}).",
            ),
        )
        metrics.JOBS_ENDED.labels(phase=Phase.COMPLETED.value, reason="Completed").inc()
        metrics.ARCHIVED_BYTES.inc(size)
        metrics.ARCHIVED_FILES.inc(status.files.completed)
        job_traces.trace_job(view, status)
        if status.attempt > 1:
            await self.archives.tidy(view)

    async def _write_status(self, view: JobView, plan: JobPlan) -> JobView:
        if plan.status is None:
            return view
        job = view.job
        patch = status_patch(job.status.to_wire(), plan.status.to_wire())
        if not patch:
            return view
        body = {"metadata": {"resourceVersion": view.resource_version}, "status": patch}
        path = jobs_path(job.metadata.namespace, job.metadata.name, "status")
        try:
            answer = await self.api.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        except RefusedError as error:
            logger.error(
                "the API server refused the status (%s): %s",
                plan.reason,
                error,
                extra={"job": view.key},
            )
            raise
        self._count(view, plan)
        return self.take_job(answer)

    def _count(self, view: JobView, plan: JobPlan) -> None:
        after = plan.status
        if after is None or after.phase is view.job.status.phase:
            return
        if after.phase in {Phase.FAILED, Phase.CANCELLED}:
            metrics.JOBS_ENDED.labels(phase=after.phase.value, reason=plan.reason).inc()
            metrics.JOBS_DEAD_LETTERED.inc(condition_is_true(after, "DeadLettered"))
            job_traces.trace_job(view, after, plan.message)
        if after.lost_attempts > view.job.status.lost_attempts:
            metrics.ATTEMPTS_LOST.labels(reason=plan.reason).inc()
        logger.info("%s: %s", plan.reason, plan.message, extra={"job": view.key})

    async def _write_metadata(self, view: JobView, plan: JobPlan) -> JobView:
        if not plan.labels and not plan.annotations:
            return view
        metadata: dict[str, Any] = {"resourceVersion": view.resource_version}
        if plan.labels:
            metadata["labels"] = dict(plan.labels)
        if plan.annotations:
            metadata["annotations"] = dict(plan.annotations)
        path = jobs_path(view.job.metadata.namespace, view.job.metadata.name)
        answer = await self.api.request(
            "PATCH", path, body={"metadata": metadata}, content_type=MERGE_PATCH
        )
        return self.take_job(answer)

    async def _update_index(
        self, before: JobView, after: JobView, plan: JobPlan, place: Place | None
    ) -> None:
        """``place`` is where the job was in the queue before the status was written."""
        if plan.queue is QueueChange.PUT:
            await self.index.put(after)
        elif plan.queue is QueueChange.TAKE_OUT and place is not None:
            await self.index.take_out(after.key, place)
        if plan.stop_runner:
            await self.index.stop(after.pool, plan.stop_runner, after.key)
        if after.job.status.phase is not before.job.status.phase:
            await self.index.publish(after)

    async def _read_again(self, view: JobView) -> None:
        metadata = view.job.metadata
        try:
            self.take_job(
                await self.api.request("GET", jobs_path(metadata.namespace, metadata.name))
            )
        except NotFoundError:
            self.drop_job(view)
        else:
            self.plan_again(view.key)

    async def _retry(self, view: JobView, number: int) -> None:
        """Create the new job under a name that the old one and the number determine."""
        metadata = view.job.metadata
        old = await self.api.request("GET", jobs_path(metadata.namespace, metadata.name))
        spec = {
            name: value for name, value in old["spec"].items() if name not in {"cancel", "suspend"}
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": "DownloadJob",
            "metadata": {
                "name": retry_name(metadata.uid, number),
                "namespace": metadata.namespace,
                "labels": {RETRY_OF_LABEL: metadata.name[:63]},
            },
            "spec": spec,
        }
        try:
            self.take_job(await self.api.request("POST", jobs_path(metadata.namespace), body=body))
        except AlreadyExistsError:
            logger.info("the retry is there already", extra={"job": view.key})

    async def _delete(self, view: JobView) -> None:
        """Delete the archive, then the job: a job is never gone while something of it is there."""
        await self.archives.remove(view)
        await self.index.forget(view)
        metadata = view.job.metadata
        await self.api.request(
            "DELETE",
            jobs_path(metadata.namespace, metadata.name),
            body={
                "preconditions": {"uid": view.uid, "resourceVersion": view.resource_version},
                "propagationPolicy": "Background",
            },
        )
        self.drop_job(view)
        # Until now it was there to be published again by a repair of the index.
        await self.index.forget(view)
        logger.info("deleted at the end of its lifetime", extra={"job": view.key})

    def _tell(self, view: JobView, event: Event) -> None:
        metadata = view.job.metadata
        self.events.record(
            Regarding("DownloadJob", metadata.namespace, metadata.name, metadata.uid), event
        )

"""Carries out the plan for a job. All writes that concern a job are here."""

import logging
from dataclasses import dataclass, replace
from typing import Any, Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import AlreadyExistsError, RefusedError
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition, JobReason
from wherry_core.resources.retried_job import retried_job
from wherry_operator import metrics
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.plan import JobPlan, QueueChange
from wherry_operator.jobs.status_changes import condition_is_true
from wherry_operator.merge_patch import merge_patch
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.repair.queue_index import QueueEntry, QueueIndex

logger = logging.getLogger(__name__)

KIND: Final = "DownloadJob"


@dataclass(frozen=True)
class JobExecutor:
    """Carries out plans.

    The status is written first, guarded by the version that the plan was made from. When a newer
    version exists, nothing else is done, because the plan may no longer be right.
    """

    kubernetes: KubernetesClient
    index: QueueIndex
    events: EventRecorder
    store: ArchiveStore
    intake: ClusterIntake

    async def execute(self, view: JobView, plan: JobPlan) -> None:
        """Do what ``plan`` says about the job of ``view``.

        Raises ConflictError when the job has changed meanwhile, NotFoundError when it is gone,
        and other errors of the API server and of the store. A later try starts from the resource.
        """
        if plan.delete:
            await self._delete(view)
            return
        if plan.retry:
            refusal = await self._retry(view)
            if refusal is not None:
                plan = replace(plan, annotations={}, event=refusal)
        entry = self.index.entry_of(view.key)
        written = await self._write_status(view, plan)
        written = await self._write_metadata(written, plan)
        await self._update_index(view, written, plan, entry)
        if plan.event is not None:
            metadata = view.job.metadata
            regarding = Regarding(KIND, metadata.namespace, metadata.name, metadata.uid)
            self.events.record(regarding, plan.event)
        if plan.clean_up:
            await self.store.clean_up(written)

    async def _write_status(self, view: JobView, plan: JobPlan) -> JobView:
        if plan.status is None:
            return view
        job = view.job
        patch = merge_patch(job.status.to_wire(), plan.status.to_wire())
        if not patch:
            return view
        body = {"metadata": {"resourceVersion": view.resource_version}, "status": patch}
        path = jobs_path(job.metadata.namespace, job.metadata.name, "status")
        try:
            answer = await self.kubernetes.patch(path, body)
        except RefusedError as error:
            logger.error(
                "the API server refuses the status (%s): %s",
                plan.reason,
                error,
                extra={"job": view.key},
            )
            raise
        self._count(view, plan)
        return self.intake.take_job(answer)

    def _count(self, view: JobView, plan: JobPlan) -> None:
        after = plan.status
        if after is None or after.phase is view.job.status.phase:
            return
        if after.phase in {Phase.FAILED, Phase.CANCELLED}:
            metrics.JOBS_ENDED.labels(phase=after.phase.value, reason=plan.reason).inc()
            metrics.JOBS_DEAD_LETTERED.inc(condition_is_true(after, JobCondition.DEAD_LETTERED))
            job_traces.trace_job(view, after, self.kubernetes.clock.now(), plan.message)
        if after.lost_attempts > view.job.status.lost_attempts:
            metrics.ATTEMPTS_LOST.labels(reason=plan.reason).inc()
        logger.info("%s: %s", plan.reason, plan.message, extra={"job": view.key})

    async def _write_metadata(self, view: JobView, plan: JobPlan) -> JobView:
        if not plan.labels and not plan.annotations:
            return view
        # The uid guards against a job that was created again under the name. No version does,
        # because these writes are right whatever else has changed.
        metadata: dict[str, Any] = {"uid": view.uid}
        if plan.labels:
            metadata["labels"] = dict(plan.labels)
        if plan.annotations:
            metadata["annotations"] = dict(plan.annotations)
        path = jobs_path(view.job.metadata.namespace, view.job.metadata.name)
        return self.intake.take_job(await self.kubernetes.patch(path, {"metadata": metadata}))

    async def _update_index(
        self, before: JobView, after: JobView, plan: JobPlan, entry: QueueEntry | None
    ) -> None:
        """``entry`` is the job's entry in the queue before the status was written."""
        if plan.queue is QueueChange.PUT:
            # The watch may have brought a claim before the answer to the write of the status.
            if after.job.status.phase is Phase.QUEUED:
                await self.index.put(after)
        elif plan.queue is QueueChange.TAKE_OUT and entry is not None:
            await self.index.take_out(after.key, entry)
        if plan.stop_runner and before.runner_id is not None:
            await self.index.stop(before.pool, before.runner_id, before.key)
        if after.job.status.phase is not before.job.status.phase:
            await self.index.publish(after)

    async def _retry(self, view: JobView) -> Event | None:
        """Create the job that retries this one; return an Event when the API server refuses it."""
        metadata = view.job.metadata
        # The view holds only the first file id.
        old = await self.kubernetes.request("GET", jobs_path(metadata.namespace, metadata.name))
        body = retried_job(metadata, view.job.spec, file_ids=old["spec"]["fileIDs"])
        try:
            created = await self.kubernetes.request(
                "POST", jobs_path(metadata.namespace), body=body
            )
        except AlreadyExistsError:
            logger.info("the job is retried already", extra={"job": view.key})
            return None
        except RefusedError as error:
            logger.warning("the API server refuses the retry: %s", error, extra={"job": view.key})
            return Event(
                JobReason.RETRY_REFUSED,
                f"The API server refuses the new job: {error.message} The retry is repeated every "
                "minute until this job expires.",
                warning=True,
            )
        self.intake.take_job(created)
        return None

    async def _delete(self, view: JobView) -> None:
        """Delete the job if it is still the version that has expired; its archive goes after it.

        In the other order, a job whose time to live is raised at this moment would remain without
        its archive. What is left when the operator dies in between is found as an orphan.
        """
        metadata = view.job.metadata
        await self.kubernetes.request(
            "DELETE",
            jobs_path(metadata.namespace, metadata.name),
            body={
                "preconditions": {"uid": view.uid, "resourceVersion": view.resource_version},
                "propagationPolicy": "Background",
            },
        )
        logger.info("expired and deleted", extra={"job": view.key})
        self.intake.drop_job(view.key, view.uid)

"""Dead letters: labelled, and retried as a new job on request."""

import pytest

from tests.unit.operator.builders import ahead, ask, condition, ended, observed, processing
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import DEAD_LETTER_LABEL, RETRY_ANNOTATION
from wherry_core.resources.retried_job import retried_job_name
from wherry_operator.jobs.policies import plan_job
from wherry_operator.jobs.policies.dead_letters import label_dead_letter, retry_on_request

ASKED = {"annotations": {RETRY_ANNOTATION: "now"}}
DEAD = (condition("Failed"), condition("DeadLettered"))
LABELLED = {"labels": {DEAD_LETTER_LABEL: "true"}}
HOUR = 3_600


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.CANCELLED])
def test_a_retry_creates_a_job_and_removes_the_request(phase: Phase) -> None:
    plan = ask(retry_on_request, observed(ended(phase, metadata=ASKED)))
    assert plan
    assert plan.retry
    assert plan.annotations == {RETRY_ANNOTATION: None}
    assert plan.event
    assert retried_job_name("00000000-0000-0000-0000-000000000001") in plan.event.message


def test_a_retry_that_may_be_refused_is_repeated_after_a_minute() -> None:
    plan = plan_job(observed(ended(Phase.FAILED, metadata=ASKED)))
    assert plan.requeue_at == ahead(60)


@pytest.mark.parametrize("conditions", [(), DEAD])
def test_nothing_that_may_be_refused_stands_before_expiry(conditions: tuple[object, ...]) -> None:
    expired = ended(
        Phase.FAILED,
        1_000,
        metadata=ASKED,
        conditions=conditions,
        spec={"ttlSecondsAfterFinished": 1_000},
    )
    plan = plan_job(observed(expired))
    assert plan.delete
    assert not plan.retry


def test_a_retry_that_is_refused_is_decided_again_at_the_expiry_at_the_latest() -> None:
    seen = ended(Phase.FAILED, HOUR - 7, metadata=ASKED)
    assert plan_job(observed(seen)).requeue_at == ahead(7)


def test_a_retry_of_a_completed_job_is_declined_once_with_a_reason() -> None:
    plan = plan_job(observed(ended(Phase.COMPLETED, metadata=ASKED)))
    assert not plan.retry
    assert plan.event
    assert (plan.event.reason, plan.event.warning) == ("RetryRefused", True)
    assert "only a failed or cancelled job can be retried" in plan.event.message
    assert plan.annotations == {RETRY_ANNOTATION: None}


@pytest.mark.parametrize("other", [ended(Phase.FAILED), processing(metadata=ASKED)])
def test_other_jobs_are_not_retried(other: DownloadJob) -> None:
    assert ask(retry_on_request, observed(other)) is None


def test_a_dead_letter_gets_its_label_once() -> None:
    plan = ask(label_dead_letter, observed(ended(Phase.FAILED, conditions=DEAD)))
    assert plan
    assert plan.labels == {DEAD_LETTER_LABEL: "true"}
    labelled = ended(Phase.FAILED, conditions=DEAD, metadata=LABELLED)
    assert ask(label_dead_letter, observed(labelled)) is None
    assert ask(label_dead_letter, observed(ended(Phase.FAILED))) is None


def test_a_dead_letter_is_labelled_and_then_retried() -> None:
    seen = ended(Phase.FAILED, conditions=DEAD, metadata=ASKED)
    assert plan_job(observed(seen)).labels
    labelled = ended(Phase.FAILED, conditions=DEAD, metadata={**ASKED, **LABELLED})
    assert plan_job(observed(labelled)).retry

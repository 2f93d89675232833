"""Dead letters: labelled, and retried by an annotation."""

import pytest

from tests.unit.operator.builders import NOW, condition, ended, observed, processing
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import DEAD_LETTER_LABEL, RETRIES_ANNOTATION, RETRY_ANNOTATION
from wherry_operator.jobs.policies.retry_request import (
    label_dead_letter,
    retry_name,
    retry_on_request,
)

ASKED = {"annotations": {RETRY_ANNOTATION: "now"}}
DEAD = (condition("Failed"), condition("DeadLettered"))


def test_a_retry_is_numbered_and_the_request_removed() -> None:
    plan = retry_on_request(observed(ended(Phase.FAILED, metadata=ASKED)), NOW)
    assert plan
    assert plan.retry_number == 1
    assert plan.annotations == {RETRY_ANNOTATION: None, RETRIES_ANNOTATION: "1"}
    assert plan.event
    assert retry_name("00000000-0000-0000-0000-000000000001", 1) in plan.event.message


def test_a_second_retry_has_the_next_number() -> None:
    annotations = {RETRY_ANNOTATION: "now", RETRIES_ANNOTATION: "1"}
    plan = retry_on_request(
        observed(ended(Phase.FAILED, metadata={"annotations": annotations})), NOW
    )
    assert plan
    assert plan.retry_number == 2


def test_nonsense_in_the_count_does_no_harm() -> None:
    annotations = {RETRY_ANNOTATION: "now", RETRIES_ANNOTATION: "x;-1"}
    plan = retry_on_request(
        observed(ended(Phase.FAILED, metadata={"annotations": annotations})), NOW
    )
    assert plan
    assert plan.retry_number == 1


@pytest.mark.parametrize(
    "other",
    [ended(Phase.FAILED), processing(metadata=ASKED), ended(Phase.COMPLETED, metadata=ASKED)],
)
def test_others_are_not_retried(other: DownloadJob) -> None:
    assert retry_on_request(observed(other), NOW) is None


def test_a_dead_letter_gets_its_label_once() -> None:
    plan = label_dead_letter(observed(ended(Phase.FAILED, conditions=DEAD)), NOW)
    assert plan
    assert plan.labels == {DEAD_LETTER_LABEL: "true"}
    labelled = ended(
        Phase.FAILED, conditions=DEAD, metadata={"labels": {DEAD_LETTER_LABEL: "true"}}
    )
    assert label_dead_letter(observed(labelled), NOW) is None
    assert label_dead_letter(observed(ended(Phase.FAILED)), NOW) is None

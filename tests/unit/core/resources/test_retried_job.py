from wherry_core.resources import DownloadJobSpec, ObjectMeta
from wherry_core.resources.retried_job import retried_job, retried_job_name

SPEC = DownloadJobSpec.model_validate(
    {"fileIDs": ["a", "b"], "archiveName": "x.zip", "priority": 3, "cancel": True, "suspend": True}
)
OLD = ObjectMeta(
    name="old",
    namespace="tenant",
    uid="u-1",
    labels={"team": "x", "wherry.dev/dead-letter": "true", "wherry.dev/requested-by": "api"},
)


def test_everything_asked_for_is_asked_for_again() -> None:
    spec = retried_job(OLD, SPEC)["spec"]
    assert spec["fileIDs"] == ["a", "b"]
    assert spec["archiveName"] == "x.zip"
    assert spec["priority"] == 3


def test_what_ended_or_held_the_old_job_is_left_out() -> None:
    spec = retried_job(OLD, SPEC)["spec"]
    assert "cancel" not in spec
    assert "suspend" not in spec


def test_the_users_labels_are_kept_and_ours_are_new() -> None:
    labels = retried_job(OLD, SPEC, labels={"wherry.dev/requested-by": "api"})["metadata"]["labels"]
    assert labels == {
        "team": "x",
        "wherry.dev/requested-by": "api",
        "wherry.dev/retry-of": "old",
    }


def test_the_same_job_is_retried_once_under_one_name() -> None:
    first, second = retried_job(OLD, SPEC), retried_job(OLD, SPEC)
    assert first == second
    assert first["metadata"]["name"] == retried_job_name("u-1") != retried_job_name("u-2")


def test_a_shortened_list_of_ids_is_replaced_by_the_whole_one() -> None:
    whole = [str(number) for number in range(100)]
    assert retried_job(OLD, SPEC, file_ids=whole)["spec"]["fileIDs"] == whole

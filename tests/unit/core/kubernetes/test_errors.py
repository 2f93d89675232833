import pytest

from wherry_core.kubernetes import errors


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequestError),
        (401, "Unauthorized", errors.UnauthorizedError),
        (403, "Forbidden", errors.ForbiddenError),
        (404, "NotFound", errors.NotFoundError),
        (409, "Conflict", errors.ConflictError),
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (410, "Expired", errors.GoneError),
        (413, "RequestEntityTooLarge", errors.TooLargeError),
        (415, "UnsupportedMediaType", errors.RefusedError),
        (422, "Invalid", errors.InvalidError),
        (429, "TooManyRequests", errors.UnavailableError),
        (500, "InternalError", errors.UnavailableError),
        (503, "ServiceUnavailable", errors.UnavailableError),
    ],
)
def test_each_status_has_its_kind(
    status: int, reason: str, kind: type[errors.KubernetesError]
) -> None:
    error = errors.error_of(status, {"reason": reason, "message": "why"})
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (status, reason, "why")


@pytest.mark.parametrize(
    "message", ["etcdserver: request is too large", "trying to send message larger than max"]
)
def test_an_object_that_etcd_refuses_is_too_large(message: str) -> None:
    assert type(errors.error_of(500, {"message": message})) is errors.TooLargeError


def test_not_found_tells_a_missing_object_from_a_missing_resource() -> None:
    job = errors.error_of(404, {"reason": "NotFound", "details": {"name": "a"}})
    resource = errors.error_of(404, {"message": "404 page not found"})
    assert isinstance(job, errors.NotFoundError)
    assert isinstance(resource, errors.NotFoundError)
    assert job.concerns("a")
    assert not job.concerns("b")
    assert not resource.concerns("a")


def test_an_exceeded_quota_is_recognized() -> None:
    error = errors.error_of(403, {"message": 'jobs "a" is forbidden: exceeded quota: jobs'})
    assert isinstance(error, errors.ForbiddenError)
    assert error.exceeds_quota

"""What a request to the Kubernetes API can fail with.

The kinds follow the status codes and reasons of ``metav1.Status``
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
"""

from collections.abc import Mapping
from typing import Any, Final

UNREACHABLE: Final = 0
"""Stands for the status code where no answer came."""


class KubernetesError(Exception):
    """A request that did not succeed."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        object_name: str = "",
        retry_after_seconds: float = 0.0,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        """HTTP status code; 0 when no answer came."""
        self.reason = reason
        """The ``reason`` of the ``metav1.Status``, such as "AlreadyExists"."""
        self.message = message
        """The ``message`` of the ``metav1.Status``, or the start of another body."""
        self.object_name = object_name
        """Name of the object that the API server says the error is about; "" when it names none."""
        self.retry_after_seconds = retry_after_seconds
        """Seconds that the API server asks to wait before the next request; 0 when not given."""


class UnavailableError(KubernetesError):
    """The API server gave no usable answer (no connection, 408, 425, 429, 5xx).

    The same request may succeed later. Whether a write was carried out is unknown.
    """


class UnauthorizedError(KubernetesError):
    """The API server did not accept the credentials, even after they were read again (401)."""


class NotFoundError(KubernetesError):
    """The object, its namespace, or its whole resource does not exist (404)."""

    def concerns(self, name: str) -> bool:
        """Return whether the object ``name`` itself does not exist.

        An API server that has just started answers 404 for a resource that it does not serve yet;
        such an answer names no object.
        """
        return self.object_name == name


class ConflictError(KubernetesError):
    """The object has changed meanwhile, or a precondition does not hold (409)."""


class AlreadyExistsError(KubernetesError):
    """An object of that name exists (409)."""


class GoneError(KubernetesError):
    """The resource version or the continue token is too old (410)."""


class RefusedError(KubernetesError):
    """The API server refuses the request; repeating it does not help (400, 403, 413, 415, 422)."""


class BadRequestError(RefusedError):
    """The API server cannot understand the request (400)."""


class ForbiddenError(RefusedError):
    """The credentials do not allow the request, or a quota is used up (403)."""

    @property
    def exceeds_quota(self) -> bool:
        """Whether a ResourceQuota is the reason."""
        return "exceeded quota" in self.message


class InvalidError(RefusedError):
    """The object breaks a rule of its schema, or a ``test`` of a JSON Patch fails (422)."""


class TooLargeError(RefusedError):
    """The object is larger than the cluster stores (413, or a 500 with etcd's message)."""


class CredentialsError(Exception):
    """The credentials cannot be read; the message is one sentence that says what to do."""


_KINDS: Final[dict[int, type[KubernetesError]]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    408: UnavailableError,
    409: ConflictError,
    410: GoneError,
    413: TooLargeError,
    415: RefusedError,
    422: InvalidError,
    425: UnavailableError,
    429: UnavailableError,
}


def unreachable(error: BaseException) -> UnavailableError:
    """Return the error for a request that got no answer."""
    # Timeouts have no message of their own.
    message = str(error) or type(error).__name__
    return UnavailableError(UNREACHABLE, "Unreachable", message)


def error_of(
    status: int, answer: Mapping[str, Any], *, retry_after_seconds: float = 0.0
) -> KubernetesError:
    """Return the error for an answer with an HTTP status of 400 or more.

    ``answer`` is the decoded ``metav1.Status``; a mapping with a ``message`` is enough.
    """
    reason, message = str(answer.get("reason") or ""), str(answer.get("message") or "")
    details = answer.get("details")
    name = str(details.get("name") or "") if isinstance(details, Mapping) else ""
    kind = _KINDS.get(status, UnavailableError if status >= 500 else KubernetesError)
    if status == 409 and reason == "AlreadyExists":
        kind = AlreadyExistsError
    elif "too large" in message or "larger than max" in message:
        # etcd refuses with "too large", its client with "larger than max"; both arrive as a 500.
        kind = TooLargeError
    return kind(status, reason, message, object_name=name, retry_after_seconds=retry_after_seconds)

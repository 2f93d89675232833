"""Paths of the resources that Wherry uses in the Kubernetes API."""

from urllib.parse import quote

from wherry_core.resources.base import API_VERSION
from wherry_core.resources.download_job import DOWNLOAD_JOBS
from wherry_core.resources.runner_pool import RUNNER_POOLS

WHERRY = f"/apis/{API_VERSION}"


def jobs_path(namespace: str | None, name: str | None = None, subresource: str = "") -> str:
    """Return the path of DownloadJobs: of all namespaces, of one, of one job, or its subresource.

    ``namespace`` None stands for all namespaces.
    """
    return _path(WHERRY, namespace, DOWNLOAD_JOBS, name, subresource)


def pools_path(namespace: str | None, name: str | None = None, subresource: str = "") -> str:
    """Return the path of RunnerPools, as :func:`jobs_path` does."""
    return _path(WHERRY, namespace, RUNNER_POOLS, name, subresource)


def pods_path(namespace: str, name: str | None = None) -> str:
    """Return the path of the pods of a namespace, or of one of them."""
    return _path("/api/v1", namespace, "pods", name)


def config_maps_path(namespace: str, name: str | None = None) -> str:
    """Return the path of the ConfigMaps of a namespace, or of one of them."""
    return _path("/api/v1", namespace, "configmaps", name)


def leases_path(namespace: str, name: str | None = None) -> str:
    """Return the path of the Leases of a namespace, or of one of them."""
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", name)


def events_path(namespace: str, name: str | None = None) -> str:
    """Return the path of the Events of a namespace, or of one of them."""
    return _path("/apis/events.k8s.io/v1", namespace, "events", name)


def token_reviews_path() -> str:
    """Return the path that TokenReviews are posted to."""
    return "/apis/authentication.k8s.io/v1/tokenreviews"


def subject_access_reviews_path() -> str:
    """Return the path that SubjectAccessReviews are posted to."""
    return "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def _path(
    group: str, namespace: str | None, resource: str, name: str | None, subresource: str = ""
) -> str:
    parts = [group]
    if namespace is not None:
        parts.append(f"namespaces/{quote(namespace, safe='')}")
    parts.append(resource)
    if name:
        parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
    return "/".join(parts)

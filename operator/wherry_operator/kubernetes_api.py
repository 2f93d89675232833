"""The requests that the operator makes to the Kubernetes API, as plain JSON."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient

from wherry_core import kubernetes_metrics
from wherry_operator import fault_points

REQUEST_TIMEOUT_SECONDS: Final = 15.0
MERGE_PATCH: Final = "application/merge-patch+json"
JSON: Final = "application/json"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE: Final = 500


class KubernetesError(Exception):
    """The API server refused a request, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class NotFoundError(KubernetesError):
    """There is no such object."""


class ConflictError(KubernetesError):
    """A newer version is there, or a precondition does not hold."""


class AlreadyExistsError(KubernetesError):
    """An object of that name is there."""


class RefusedError(KubernetesError):
    """The object is invalid, or the operator may not write it: another try does not help."""


def _error(status: int, body: bytes) -> KubernetesError:
    try:
        answer = orjson.loads(body)
        reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", body[:200].decode(errors="replace")
    if status == 404:
        return NotFoundError(status, reason, message)
    if status == 409:
        kind = AlreadyExistsError if reason == "AlreadyExists" else ConflictError
        return kind(status, reason, message)
    if status in {400, 403, 422}:
        return RefusedError(status, reason, message)
    return KubernetesError(status, reason, message)


class KubernetesApi:
    """A thin layer over the client: paths in, decoded JSON out, errors by kind."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        patience: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Any:
        """Send one request and return the decoded answer.

        Raises KubernetesError or one of its kinds; status 0 when no answer came in ``patience``
        seconds.
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        _, url, signed, _, _ = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        writes = method != "GET"
        name = f"{method.lower()}-{kubernetes_metrics.resource_of(path)}"
        if writes:
            fault_points.reach(f"before-{name}")
        try:
            async with asyncio.timeout(patience):
                response = await self._client.call_api(method, url, header_params=signed, body=body)
                answer: bytes = await response.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            kubernetes_metrics.count(method, path, 0)
            raise KubernetesError(0, "Unreachable", str(error) or type(error).__name__) from error
        kubernetes_metrics.count(method, path, response.status)
        if response.status >= 400:
            raise _error(response.status, answer)
        if writes:
            fault_points.reach(f"after-{name}")
        return orjson.loads(answer)

    async def list_metadata(self, path: str, selector: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield the metadata of all objects under ``path``, from the server's watch cache."""
        query = {"resourceVersion": "0", "labelSelector": selector}
        while True:
            answer = await self.request("GET", path, query=query, accept=METADATA_LIST, patience=60)
            for item in answer.get("items") or ():
                yield item["metadata"]
            more = answer.get("metadata", {}).get("continue")
            if not more:
                return
            query = {"labelSelector": selector, "limit": str(PAGE), "continue": more}


def jobs_path(namespace: str | None, name: str | None = None, part: str | None = None) -> str:
    """Return the path of DownloadJobs: all, of a namespace, one, or a part of one."""
    return _path("/apis/wherry.dev/v1", namespace, "downloadjobs", name, part)


def pools_path(namespace: str | None, name: str | None = None, part: str | None = None) -> str:
    """Return the path of RunnerPools."""
    return _path("/apis/wherry.dev/v1", namespace, "runnerpools", name, part)


def pods_path(namespace: str, name: str | None = None) -> str:
    """Return the path of pods."""
    return _path("/api/v1", namespace, "pods", name, None)


def leases_path(namespace: str, name: str | None = None) -> str:
    """Return the path of leases."""
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", name, None)


def events_path(namespace: str, name: str | None = None) -> str:
    """Return the path of events."""
    return _path("/apis/events.k8s.io/v1", namespace, "events", name, None)


def _path(
    group: str, namespace: str | None, plural: str, name: str | None, part: str | None
) -> str:
    parts = [group]
    if namespace is not None:
        parts.append(f"namespaces/{namespace}")
    parts.append(plural)
    parts.extend(each for each in (name, part) if each)
    return "/".join(parts)

"""The Kubernetes API with plain dictionaries, over the connection of ``kubernetes.aio``."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import client, config

Resource = dict[str, Any]

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


class ApiError(Exception):
    """An answer other than 2xx; ``status`` is the HTTP code, ``body`` the Status object."""

    def __init__(self, status: int, body: Any) -> None:
        message = body.get("message") if isinstance(body, dict) else body
        super().__init__(f"{status}: {message}")
        self.status = status
        self.body = body


def path(plural: str, namespace: str | None = None, name: str = "", sub: str = "") -> str:
    """Return the path of a resource; ``plural`` is like ``pods`` or ``wherry.dev/v1/runnerpools``.

    Without ``namespace`` it names a cluster-scoped resource, or a list over all namespaces.
    """
    group, _, kind = plural.rpartition("/")
    words = ["/apis", group] if group else ["/api", "v1"]
    words += ["namespaces", namespace] if namespace else []
    return "/".join(word for word in [*words, kind, name, sub] if word)


JOBS: Final = "wherry.dev/v1/downloadjobs"
POOLS: Final = "wherry.dev/v1/runnerpools"


class Api:
    """Reads and writes resources as dictionaries. Close it, or use it in ``async with``."""

    def __init__(self, connection: client.ApiClient) -> None:
        self.connection = connection

    @classmethod
    async def connect(cls, kubeconfig: Path | str) -> "Api":
        """Return a client that acts as the user of ``kubeconfig``."""
        configuration = client.Configuration()
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig), client_configuration=configuration
        )
        configuration.connection_pool_maxsize = 200
        return cls(client.ApiClient(configuration))

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.connection.close()  # type: ignore[no-untyped-call]

    async def _send(
        self,
        method: str,
        where: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content: str = "application/json",
        timeout_seconds: float = 60,
    ) -> Any:
        method, url, headers, body, _ = await self.connection.param_serialize(
            method=method,
            resource_path=where,
            query_params=list(query),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        return await self.connection.call_api(
            method, url, header_params=headers, body=body, _request_timeout=timeout_seconds
        )

    async def request(
        self,
        method: str,
        where: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        content: str = "application/json",
    ) -> Any:
        """Send one request and return the parsed answer. Raises ApiError.

        Retries a 429 for a while, as every client does.
        """
        for pause in (0.1, 0.3, 1.0, 1.0, 0):
            answer = await self._send(method, where, query=query, body=body, content=content)
            text = await answer.read()
            if answer.status != 429 or not pause:
                break
            await asyncio.sleep(pause)
        try:
            parsed = json.loads(text) if text else {}
        except ValueError:
            parsed = text.decode(errors="replace")
        if answer.status >= 300:
            raise ApiError(answer.status, parsed)
        return parsed

    async def get(self, plural: str, namespace: str | None, name: str) -> Resource:
        """Return one resource. Raises ApiError 404."""
        found: Resource = await self.request("GET", path(plural, namespace, name))
        return found

    async def find(self, plural: str, namespace: str | None, name: str) -> Resource | None:
        """Return one resource, or None when it does not exist."""
        try:
            return await self.get(plural, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list_all(
        self, plural: str, namespace: str | None = None, *, selector: str = ""
    ) -> list[Resource]:
        """Return all resources of a kind, of one namespace or of all."""
        return (await self.list_with_version(plural, namespace, selector=selector))[0]

    async def list_with_version(
        self, plural: str, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[list[Resource], str]:
        """Return all resources of a kind, and the resourceVersion from which to watch."""
        query = [("labelSelector", selector)] if selector else []
        answer = await self.request("GET", path(plural, namespace), query=query)
        return list(answer["items"]), str(answer["metadata"]["resourceVersion"])

    async def create(
        self, plural: str, namespace: str | None, body: Resource, *, name: str = "", sub: str = ""
    ) -> Resource:
        """Create a resource, or a subresource of ``name``, and return it."""
        made: Resource = await self.request("POST", path(plural, namespace, name, sub), body=body)
        return made

    async def patch(
        self,
        plural: str,
        namespace: str | None,
        name: str,
        body: Resource | Sequence[Resource],
        *,
        sub: str = "",
    ) -> Resource:
        """Patch a resource: a list is a JSON patch, a dictionary a merge patch."""
        content = MERGE if isinstance(body, dict) else JSON_PATCH
        patched: Resource = await self.request(
            "PATCH", path(plural, namespace, name, sub), body=body, content=content
        )
        return patched

    async def delete(
        self,
        plural: str,
        namespace: str | None,
        name: str,
        *,
        grace_seconds: int | None = None,
        uid: str | None = None,
    ) -> bool:
        """Delete a resource; False when it does not exist (or no longer with ``uid``)."""
        options: Resource = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", path(plural, namespace, name), body=options)
        except ApiError as error:
            if error.status == 404 or (error.status == 409 and uid is not None):
                return False
            raise
        return True

    async def watch(
        self, plural: str, namespace: str | None, version: str, *, timeout_seconds: int = 300
    ) -> AsyncIterator[tuple[str, Resource]]:
        """Yield (type, resource) from ``version`` on, until the server ends the watch.

        Bookmarks are yielded too. Raises ApiError 410 when ``version`` is too old.
        """
        query = [
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(timeout_seconds)),
        ]
        answer = await self._send(
            "GET", path(plural, namespace), query=query, timeout_seconds=timeout_seconds + 30
        )
        try:
            if answer.status >= 300:
                raise ApiError(answer.status, (await answer.read()).decode(errors="replace"))
            while line := await answer.response.content.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(int(event["object"].get("code", 0)), event["object"])
                yield event["type"], event["object"]
        finally:
            answer.response.close()

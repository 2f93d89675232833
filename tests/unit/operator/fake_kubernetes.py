"""An API server in memory, for tests of what is observed; its faults are asked for by the test."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

from tests.unit.operator.builders import NOW
from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    KubernetesError,
    NotFoundError,
)
from wherry_core.kubernetes.server_clock import ServerClock

Answer = dict[str, Any]


class FakeKubernetes:
    """Objects by path, with versions, preconditions and the errors of a real API server."""

    def __init__(self) -> None:
        self.objects: dict[str, Answer] = {}
        self.requests: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], KubernetesError | None] = lambda method, path: None
        """Given method and path; returns the error to answer with, or None."""
        self.clock = ServerClock(NOW.timestamp)
        self._version = 100

    @property
    def client(self) -> KubernetesClient:
        """This server, as the code under test takes it."""
        return cast("KubernetesClient", self)

    def put(self, path: str, found: Answer) -> Answer:
        """Store an object as if somebody had written it, and return it."""
        self._version += 1
        metadata = {
            "namespace": "tenant",
            "name": path.rpartition("/")[2],
            "uid": f"uid-{self._version}",
            **found.get("metadata", {}),
            "resourceVersion": str(self._version),
        }
        self.objects[path] = {**found, "metadata": metadata}
        return self.objects[path]

    async def request(
        self, method: str, path: str, *, body: Any = None, **_: Any
    ) -> dict[str, Any]:
        self.requests.append((method, path))
        error = self.fail(method, path)
        if error is not None:
            raise error
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise AlreadyExistsError(409, "AlreadyExists", path)
            return self.put(path, body)
        if method == "PATCH":
            # A server-side apply.
            return self.put(path, body)
        found = self.objects.get(path)
        if found is None:
            name = path.rpartition("/")[2]
            raise NotFoundError(404, "NotFound", path, object_name=name)
        if method == "PUT":
            if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                raise ConflictError(409, "Conflict", path)
            return self.put(path, body)
        if method == "DELETE":
            return self.objects.pop(path)
        return found

    async def patch(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self.requests.append(("PATCH", path))
        error = self.fail("PATCH", path)
        if error is not None:
            raise error
        path = path.removesuffix("/status")
        found = self.objects.get(path)
        if found is None:
            raise NotFoundError(404, "NotFound", path, object_name=path.rpartition("/")[2])
        version = patch.get("metadata", {}).get("resourceVersion")
        if version is not None and version != found["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", path)
        status = {**found.get("status", {}), **patch.get("status", {})}
        return self.put(path, {**found, "status": status})

    async def list_metadata(
        self, path: str, selector: str = "", *, field_selector: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        self.requests.append(("LIST", path))
        error = self.fail("LIST", path)
        if error is not None:
            raise error
        for each, found in list(self.objects.items()):
            if each.rpartition("/")[0] == path:
                yield found["metadata"]

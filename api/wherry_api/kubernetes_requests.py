"""The API's only calls to the Kubernetes API server: plain JSON over one pool of connections.

The generated client has no model for a custom resource and would pass dictionaries through its
layers; plain JSON does, and keeps status and sentence of every refusal. The client's configuration,
its TLS context and its refreshed tokens are used as they are.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient

from wherry_api.metrics import KUBERNETES_SECONDS
from wherry_core import kubernetes_metrics

TIMEOUT_SECONDS: Final = 10.0
CONNECT_TIMEOUT_SECONDS: Final = 2.0
TOO_MANY_REQUESTS: Final = 429
SERVER_ERRORS: Final = 500


class KubernetesUnavailableError(Exception):
    """The API server gave no usable answer: not reached, too slow, overloaded or broken."""


@dataclass(frozen=True)
class Answer:
    """What the API server answered."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """The sentence of a ``metav1.Status``."""
        return str(self.body.get("message", ""))

    @property
    def reason(self) -> str:
        """The word of a ``metav1.Status``."""
        return str(self.body.get("reason", ""))

    @property
    def too_large(self) -> bool:
        """Whether the object is too large: the client's matter, though it may come as a 500.

        What etcd refuses is "too large"; what its client does not even send, "larger than max".
        """
        told = self.message
        return self.status == 413 or "too large" in told or "larger than max" in told


class KubernetesRequests:
    """Sends requests to the API server."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._host = str(client.configuration.host).rstrip("/")
        connector = aiohttp.TCPConnector(
            ssl=client.rest_client.ssl_context,
            limit=client.configuration.connection_pool_maxsize,
            keepalive_timeout=60,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=True,
            timeout=aiohttp.ClientTimeout(
                total=TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()
        await self._client.close()  # type: ignore[no-untyped-call]

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send one request and return the answer, whatever its status below 500.

        Raises KubernetesUnavailableError. A connection that the server closed while it lay idle
        is replaced once: every request of the API may safely be sent twice.
        """
        headers = {"accept": "application/json"}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        data = None
        if body is not None:
            data = orjson.dumps(body)
            headers["content-type"] = content_type
        began = time.perf_counter()
        status = "unavailable"
        try:
            for last in (False, True):
                try:
                    answer = await self._once(method, path, query, headers, data)
                    break
                except aiohttp.ServerDisconnectedError:
                    if last:
                        raise
            status = str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubernetesUnavailableError(f"{type(error).__name__}: {error}") from error
        finally:
            KUBERNETES_SECONDS.labels(method, status).observe(time.perf_counter() - began)
            kubernetes_metrics.count(method, path, int(status) if status.isdigit() else 0)
        if answer.status == TOO_MANY_REQUESTS or (
            answer.status >= SERVER_ERRORS and not answer.too_large
        ):
            raise KubernetesUnavailableError(f"status {answer.status}: {answer.message[:200]}")
        return answer

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        data: bytes | None,
    ) -> Answer:
        async with self._session.request(
            method, self._host + path, params=query, headers=headers, data=data
        ) as response:
            content = await response.read()
            status = response.status
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = {"message": content[:200].decode(errors="replace")}
        return Answer(status, document if isinstance(document, dict) else {})

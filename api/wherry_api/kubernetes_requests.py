"""The API's only calls to the Kubernetes API server: plain JSON over one pool of connections.

The generated client has no model for a custom resource and would pass dictionaries through its
layers; plain JSON does, and keeps status and sentence of every refusal. Its configuration, TLS
context and refreshed tokens are used as they are.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException
from yarl import URL

from wherry_api.metrics import KUBERNETES_SECONDS
from wherry_core.http_proxy import proxy_for
from wherry_core.kubernetes import metrics as kubernetes_metrics

TIMEOUT_SECONDS: Final = 10.0
CONNECT_TIMEOUT_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 60.0
"""An unused connection is not used again after so long: the server may be about to close it."""
JSON: Final = "application/json"
UNAVAILABLE: Final = "unavailable"
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
        configuration = client.configuration
        self._host = str(configuration.host).rstrip("/")
        self._server_name = configuration.tls_server_name
        parts = urlsplit(self._host)
        self._proxy = proxy_for(parts.scheme, parts.netloc)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=client.rest_client.ssl_context,
                limit=configuration.connection_pool_maxsize,
                keepalive_timeout=IDLE_SECONDS,
            ),
            timeout=aiohttp.ClientTimeout(
                total=TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS
            ),
            auto_decompress=False,
            skip_auto_headers=("user-agent", "accept-encoding"),
            cookie_jar=aiohttp.DummyCookieJar(),
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
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """Send one request and return the answer, whatever its status below 500.

        Raises KubernetesUnavailableError. On a connection that the server closed while it lay
        unused, a request is sent twice: every one of the API's may be.
        """
        headers = {"accept": accept}
        data = None
        if body is not None:
            data = orjson.dumps(body)
            headers["content-type"] = content_type
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        url = URL(self._host + target, encoded=True)
        began = time.perf_counter()
        status = 0
        try:
            # Reads the token anew now and then: from a file that may be away for a moment.
            await self._client.update_params_for_auth(
                headers, [], ["BearerToken"], path, method, None
            )
            try:
                status, content = await self._once(method, url, headers, data)
            except aiohttp.ServerDisconnectedError:
                status, content = await self._once(method, url, headers, data)
        except (aiohttp.ClientError, ConfigException, TimeoutError, OSError) as error:
            raise KubernetesUnavailableError(f"{type(error).__name__}: {error}") from error
        finally:
            KUBERNETES_SECONDS.labels(method, str(status) if status else UNAVAILABLE).observe(
                time.perf_counter() - began
            )
            kubernetes_metrics.count(method, path, status)
        answer = Answer(status, _document(content))
        if answer.status == TOO_MANY_REQUESTS or (
            answer.status >= SERVER_ERRORS and not answer.too_large
        ):
            raise KubernetesUnavailableError(f"status {answer.status}: {answer.message[:200]}")
        return answer

    async def _once(
        self, method: str, url: URL, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[int, bytes]:
        async with self._session.request(
            method,
            url,
            headers=headers,
            data=data,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=self._server_name,
        ) as response:
            return response.status, await response.read()


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {"message": content[:200].decode(errors="replace")}
    return document if isinstance(document, dict) else {}

"""One thin client for the Kubernetes API: plain JSON over one pool of connections.

The generated client of the official package has no model for a custom resource and passes
dictionaries through several layers; plain JSON costs half the CPU time and keeps the status and
the message of every refusal. Configuration, TLS and credentials (service account, kubeconfig, exec
plugins, token rotation) are the official package's.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from yarl import URL

from wherry_core.http_proxy import proxy_for
from wherry_core.kubernetes import credentials, metrics
from wherry_core.kubernetes.errors import (
    UNREACHABLE,
    CredentialsError,
    UnauthorizedError,
    error_of,
    unreachable,
)
from wherry_core.kubernetes.server_clock import ServerClock

REQUEST_TIMEOUT_SECONDS: Final = 15.0
LIST_TIMEOUT_SECONDS: Final = 60.0
CONNECT_TIMEOUT_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 60.0
"""Seconds after which an idle connection is closed, before the server closes it."""
CREDENTIALS_SECONDS: Final = 5.0
"""Shortest time between two readings of credentials that the API server did not accept."""
LIST_PAGE: Final = 500

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Accept header that leaves spec and status out of an answer: a job may have 10,000 ids."""
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Patch = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A mapping is a JSON Merge Patch (RFC 7396), a sequence a JSON Patch (RFC 6902)."""


class RequestObserver(Protocol):
    """Sees every request; for metrics and fault points of one program."""

    def sending(self, method: str, path: str) -> None:
        """Note that a request is about to be sent."""

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Note the answer of a request; status 0 when none came."""


class KubernetesClient:
    """Sends requests to the API server and returns decoded JSON.

    Every method raises a :class:`~wherry_core.kubernetes.errors.KubernetesError` for an answer of
    400 or more, and its kind UnavailableError when no usable answer came. Made by :func:`connect`;
    closed by :meth:`close` or ``async with``.
    """

    def __init__(
        self, configuration: Configuration, *, observer: RequestObserver | None = None
    ) -> None:
        self.configuration = configuration
        """Where the API server is, and the credentials for it."""
        self.clock = ServerClock()
        """The API server's clock: times in resources are written and compared by it."""
        self._observer = observer
        self._tls = credentials.tls_context(configuration)
        self._credentials_read_at = time.monotonic()
        self._host = str(configuration.host).rstrip("/")
        parts = urlsplit(self._host)
        self._proxy = configuration.proxy or proxy_for(parts.scheme, parts.netloc)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls,
                limit=configuration.connection_pool_maxsize,
                keepalive_timeout=IDLE_SECONDS,
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
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """Send one request and return the decoded answer.

        Retries once when the server has closed an idle connection; safe because all of Wherry's
        requests are idempotent. Retries once with credentials that were read again when the API
        server does not accept the present ones.
        """
        url = URL(self._host + path + (f"?{urlencode(query)}" if query else ""), encoded=True)
        headers, data = {"accept": accept}, None
        if body is not None:
            headers["content-type"] = content_type
            data = orjson.dumps(body)
        try:
            return await self._send(method, path, url, headers, data, timeout_seconds)
        except UnauthorizedError:
            if not await self.refresh_credentials():
                raise
            return await self._send(method, path, url, headers, data, timeout_seconds)

    async def patch(
        self,
        path: str,
        patch: Patch,
        *,
        accept: str = JSON,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """Patch an object and return it."""
        return await self.request(
            "PATCH",
            path,
            body=patch,
            content_type=MERGE_PATCH if isinstance(patch, Mapping) else JSON_PATCH,
            accept=accept,
            timeout_seconds=timeout_seconds,
        )

    async def list_metadata(
        self, path: str, selector: str = "", *, field_selector: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the metadata of all objects under ``path``, from the API server's watch cache.

        ``selector`` is a label selector; "" selects all objects.
        """
        selectors = {"labelSelector": selector, "fieldSelector": field_selector}
        query = {"resourceVersion": "0", **selectors}
        while True:
            answer = await self.request(
                "GET",
                path,
                query=query,
                accept=METADATA_LIST,
                timeout_seconds=LIST_TIMEOUT_SECONDS,
            )
            for item in answer.get("items") or ():
                yield item["metadata"]
            more = answer.get("metadata", {}).get("continue")
            if not more:
                return
            query = {**selectors, "limit": str(LIST_PAGE), "continue": more}

    async def refresh_credentials(self) -> bool:
        """Read the credentials again, and return whether that was done.

        Not done within five seconds of the last time, because an API server that refuses valid
        credentials must not cost a run of an exec plugin for every request. Raises
        UnavailableError when they cannot be read.
        """
        if time.monotonic() - self._credentials_read_at < CREDENTIALS_SECONDS:
            return False
        self._credentials_read_at = time.monotonic()
        try:
            await credentials.load(self.configuration)
            credentials.use_client_certificate(self._tls, self.configuration)
        except (CredentialsError, OSError) as error:
            # OSError: the files of a client certificate are being replaced.
            raise unreachable(error) from error
        return True

    async def _send(
        self,
        method: str,
        path: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | None,
        timeout_seconds: float,
    ) -> dict[str, Any]:
        if self._observer is not None:
            self._observer.sending(method, path)
        started, status = time.perf_counter(), UNREACHABLE
        try:
            # Read for each request, because the file of a service account's token is rotated. It
            # may be missing for a moment meanwhile.
            token = await self.configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
            if token:
                headers = {**headers, "authorization": token}
            try:
                answer = await self._once(method, url, headers, data, timeout_seconds)
            except aiohttp.ServerDisconnectedError:
                answer = await self._once(method, url, headers, data, timeout_seconds)
            status = answer.status
        except aiohttp.ClientResponseError as error:
            # Without the error's text, which contains the URL of the proxy and its password.
            refusal = ConnectionError(f"the connection got {error.status} {error.message}".rstrip())
            raise unreachable(refusal) from None
        except (aiohttp.ClientError, ConfigException, TimeoutError, OSError) as error:
            raise unreachable(error) from error
        finally:
            metrics.count(method, path, status)
            if self._observer is not None:
                self._observer.answered(method, path, status, time.perf_counter() - started)
        if status >= 400:
            raise error_of(status, answer.document, retry_after_seconds=answer.retry_after_seconds)
        if not answer.is_json:
            # A proxy's page, or a body that was cut short: it says nothing about the object.
            raise unreachable(ValueError("The answer is not a JSON object."))
        return answer.document

    async def _once(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | None,
        timeout_seconds: float,
    ) -> "_Answer":
        timeout = aiohttp.ClientTimeout(
            total=timeout_seconds, sock_connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)
        )
        sent = self.clock.local_time()
        async with self._session.request(
            method,
            url,
            headers=headers,
            data=data,
            timeout=timeout,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=self.configuration.tls_server_name,
        ) as response:
            content = await response.read()
        self.clock.observe(response.headers.get("Date"), sent)
        return _read_answer(response.status, response.headers, content)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: dict[str, Any]
    is_json: bool
    """False when ``document`` only holds the start of a body that is not a JSON object."""
    retry_after_seconds: float


def _read_answer(status: int, headers: Mapping[str, str], content: bytes) -> _Answer:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = None
    retry_after = headers.get("Retry-After", "")
    return _Answer(
        status=status,
        document=document
        if isinstance(document, dict)
        else {"message": content[:200].decode(errors="replace")},
        is_json=isinstance(document, dict),
        retry_after_seconds=float(retry_after) if retry_after.isdecimal() else 0.0,
    )


async def connect(
    *, max_connections: int = 32, observer: RequestObserver | None = None
) -> KubernetesClient:
    """Return a client for the cluster that this process belongs to.

    A pod's service account is used in a pod, unless ``KUBECONFIG`` is set; elsewhere the
    kubeconfig that ``KUBECONFIG`` names, or ``~/.kube/config``. Nothing is sent to the API server
    yet. Raises CredentialsError.
    """
    configuration = Configuration()
    await credentials.load(configuration)
    configuration.connection_pool_maxsize = max_connections
    return KubernetesClient(configuration, observer=observer)

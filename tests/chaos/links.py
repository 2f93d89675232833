"""Each runner's own proxies for Redis, the API server and the store."""

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.harness.tcp_proxy import Link, TcpProxy, tcp_proxy


@dataclass
class RunnerLinks:
    """Three proxies that only one runner uses."""

    redis: TcpProxy
    api: TcpProxy
    store: TcpProxy

    def heal(self) -> None:
        """Reconnect all."""
        for link in (self.redis, self.api, self.store):
            link.set(Link.WHOLE)


class LinkMaker:
    """Gives every runner of a process node its own proxies; pass :meth:`connect` to the node."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.links: dict[str, RunnerLinks] = {}
        """By the uid of the pod."""
        self._stack = stack

    async def connect(self, pod: dict[str, Any], environment: dict[str, str]) -> dict[str, str]:
        """Return the environment of ``pod`` with proxies in place of the servers."""
        kubeconfig = Path(environment["KUBECONFIG"])
        server = _server_of(kubeconfig)
        redis = await self._proxy(environment["REDIS_HOST"], int(environment["REDIS_PORT"]))
        api = await self._proxy(*_host_and_port(server))
        store = await self._proxy(*_host_and_port(environment["WHERRY_S3_ENDPOINT_URL"]))
        self.links[pod["metadata"]["uid"]] = RunnerLinks(redis, api, store)
        _set_server(kubeconfig, f"https://127.0.0.1:{api.port}")
        return {
            **environment,
            "REDIS_PORT": str(redis.port),
            "WHERRY_S3_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
        }

    async def _proxy(self, host: str, port: int) -> TcpProxy:
        return await self._stack.enter_async_context(tcp_proxy(host, port))

    def heal(self) -> None:
        """Reconnect all runners."""
        for links in self.links.values():
            links.heal()


def _server_of(kubeconfig: Path) -> str:
    return str(json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


def _set_server(kubeconfig: Path, server: str) -> None:
    document = json.loads(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = server
    kubeconfig.write_text(json.dumps(document))


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 443

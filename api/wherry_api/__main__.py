"""``wherry-api``: serves HTTP."""

import asyncio
import logging
import sys
from typing import NoReturn

from kubernetes.aio.config import ConfigException
from prometheus_client import start_http_server

from wherry_api.app import create_app
from wherry_api.auth.modes import prove
from wherry_api.http.server import listen, make_server, settle_memory, warn_if_open
from wherry_api.settings import ApiSettings, load_settings
from wherry_core import kubernetes_client, logs, tracing

log = logging.getLogger(__name__)


def main() -> None:
    """Serve until a signal comes; exits with status 2 when the settings cannot be used."""
    settings = load_settings()
    logs.set_up(settings.logs)
    api = settings.api
    warn_if_open(settings)
    _prove(api)
    try:
        listener = listen(api.http_host, api.http_port, api.stream_send_timeout_seconds)
        if api.metrics_port:
            start_http_server(api.metrics_port, addr=api.http_host)
    except OSError as error:
        _give_up(
            f"Wherry cannot listen on {api.http_host} (port {api.http_port}, metrics "
            f"{api.metrics_port or 'off'}): {error}.\nEnd what uses the port, or set "
            "WHERRY_HTTP_PORT or WHERRY_METRICS_PORT."
        )
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%d", host, port)
    server = make_server(create_app(settings), settings)
    tracing.set_up("api")
    settle_memory()
    server.run(sockets=[listener])


def _prove(api: ApiSettings) -> None:
    """End the process with a sentence where a file that the settings name cannot be used."""
    try:
        asyncio.run(_connect_once())
    except ConfigException as error:
        _give_up(
            f"Wherry finds no cluster: {error}.\nSet KUBECONFIG to a kubeconfig, or run in a pod."
        )
    try:
        prove(api)
    except (OSError, ValueError) as error:
        _give_up(f"Wherry cannot use the file that WHERRY_API_KEYS_FILE names: {error}.")


async def _connect_once() -> None:
    client = await kubernetes_client.connect()
    await client.close()  # type: ignore[no-untyped-call]


def _give_up(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()

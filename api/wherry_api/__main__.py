"""``wherry-api``: serves HTTP."""

import logging
import sys

from prometheus_client import start_http_server

from wherry_api.app import create_app
from wherry_api.server import listen, make_server, warn_if_open
from wherry_api.settings import load_settings
from wherry_core import logs

log = logging.getLogger(__name__)


def main() -> None:
    """Serve until a signal comes; exits with status 2 when the settings cannot be used."""
    settings = load_settings()
    logs.set_up(settings.logs)
    api = settings.api
    warn_if_open(settings)
    try:
        listener = listen(api.http_host, api.http_port, api.stream_send_timeout_seconds)
        if api.metrics_port:
            start_http_server(api.metrics_port, addr=api.http_host)
    except OSError as error:
        sys.stderr.write(
            f"Wherry cannot listen on {api.http_host} (port {api.http_port}, metrics "
            f"{api.metrics_port or 'off'}): {error}.\nEnd what uses the port, or set "
            "WHERRY_HTTP_PORT or WHERRY_METRICS_PORT.\n"
        )
        raise SystemExit(2) from None
    host, port = listener.getsockname()[:2]
    log.info("listening on http://%s:%d", host, port)
    server = make_server(create_app(settings), settings)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()

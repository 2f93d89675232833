"""``wherry-api``: serves the HTTP API."""

import os
import signal


def main() -> None:
    """Serve until a signal; exit with status 2 when the settings cannot be used."""
    # Before the imports of the rest, which take a second: as the first process of a container it
    # would ignore a signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    from wherry_api.http.server import run

    run()


if __name__ == "__main__":
    main()

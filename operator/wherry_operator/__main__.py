"""The operator's entry point."""

import asyncio
import logging
import signal
import time

import uvloop

from wherry_core import logs, tracing
from wherry_core.settings import LifetimeSettings, LogSettings, RedisSettings, StoreSettings, load
from wherry_operator.intake.watches import AskedToEndError
from wherry_operator.runtime import run_operator
from wherry_operator.settings import OperatorSettings

logger = logging.getLogger("wherry_operator")

RESTART_SECONDS = 1.0


def main() -> None:
    """Run the operator until SIGTERM; start anew from nothing when a part of it fails."""
    logs.set_up(load(LogSettings))
    for quiet in ("kopf", "aiohttp.access"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    # It warns of every orderly end.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    settings = load(OperatorSettings)
    for needed in (LifetimeSettings, RedisSettings, StoreSettings):
        load(needed)
    tracing.set_up("operator")
    while not _run_once(settings):
        time.sleep(RESTART_SECONDS)
    tracing.shut_down()


def _run_once(settings: OperatorSettings) -> bool:
    """Return True when the operator was asked to end, and False when it failed."""
    ended = False
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            ended = runner.run(_until_asked(settings))
        except* AskedToEndError:
            ended = True
        except* Exception:
            logger.exception("a part of the operator failed: it starts anew")
    return ended


async def _until_asked(settings: OperatorSettings) -> bool:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def end() -> None:
        logger.info("asked to end")
        asked.set()
        working.cancel()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)

    working = asyncio.create_task(run_operator(settings, take_signals), name="operator")
    take_signals()
    await asyncio.wait({working})
    if asked.is_set():
        return True
    working.result()
    return False


if __name__ == "__main__":
    main()

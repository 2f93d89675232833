"""The operator's program: ``wherry-operator``, and ``wherry-operator apply-pool`` for the chart."""

import argparse
import asyncio
import gc
import logging
import sys

import uvloop

from wherry_core import logs, tracing
from wherry_core.kubernetes.errors import CredentialsError
from wherry_core.settings import LifetimeSettings, LogSettings, RedisSettings, StoreSettings, load
from wherry_operator import apply_pool
from wherry_operator.handlers import end_on_signals
from wherry_operator.runtime import run_operator
from wherry_operator.settings import OperatorSettings

logger = logging.getLogger("wherry_operator")

RESTART_SECONDS = 1.0
STOP_SECONDS = 0.5
"""Time that the parts have to end by themselves after SIGTERM."""
UNUSABLE = 2
"""Exit status when the configuration can never work."""


def main() -> None:
    """Run the program that the command line names."""
    parser = argparse.ArgumentParser(prog="wherry-operator", description="Wherry's operator.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the operator (the default)")
    commands.add_parser("apply-pool", help="apply the chart's RunnerPool, then end")
    command = parser.parse_args().command
    logs.set_up(load(LogSettings))
    if command == "apply-pool":
        sys.exit(apply_pool.main())
    sys.exit(_run())


def _run() -> int:
    for quiet in ("kopf", "aiohttp.access"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    # It warns at every orderly end.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    settings = load(OperatorSettings)
    for needed in (LifetimeSettings, RedisSettings, StoreSettings):
        load(needed)
    tracing.set_up("operator")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(_until_ended(settings))
    tracing.shut_down()
    # Otherwise the interpreter searches all objects for cycles before it ends: most of a second.
    gc.freeze()
    return status


async def _until_ended(settings: OperatorSettings) -> int:
    """Run the operator until SIGTERM and return the exit status; restart it after a failure."""
    ended = asyncio.Event()
    waiting = asyncio.create_task(ended.wait(), name="end")
    while True:
        end_on_signals(ended.set)
        working = asyncio.create_task(run_operator(settings, ended.set), name="operator")
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if ended.is_set():
            logger.info("ends because it was asked to")
            working.cancel()
            await asyncio.wait({working}, timeout=STOP_SECONDS)
            return 0
        try:
            working.result()
        except CredentialsError as error:
            sys.stderr.write(f"{error}\n")
            return UNUSABLE
        except Exception:
            logger.exception("a part of the operator failed: it restarts")
        try:
            async with asyncio.timeout(RESTART_SECONDS):
                await ended.wait()
        except TimeoutError:
            continue
        return 0


if __name__ == "__main__":
    main()

"""Reads the command line and calls the functions behind it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from localcluster import assets, packages, say


def _assets(options: argparse.Namespace) -> None:
    print(assets.ensure(options.only or None))


def _packages(options: argparse.Namespace) -> None:
    installed = packages.ensure(packages.NODE if options.set == "node" else packages.SERVICES)
    say.line(f"installed: {' '.join(installed)}" if installed else "every package is there")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="localcluster", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    each = commands.add_parser("assets", help="build the programs, print their directory")
    each.add_argument("--only", action="append", choices=["control-plane", "node", "tools"])
    each.set_defaults(call=_assets)

    each = commands.add_parser("packages", help="install missing Debian packages")
    each.add_argument("--set", choices=["services", "node"], default="node")
    each.set_defaults(call=_packages)
    return root


def main(words: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(words)
    try:
        options.call(options)
    except say.Failure as failure:
        say.line(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        say.line("interrupted; running the same command again goes on from here")
        return 130
    sys.stdout.flush()
    return 0

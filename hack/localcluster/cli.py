"""The command line: parses the arguments and calls the functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster import assets, clusters, controlplane, packages, processes, say, stores


def _assets(options: argparse.Namespace) -> None:
    print(assets.ensure(options.only or None))


def _packages(options: argparse.Namespace) -> None:
    installed = packages.ensure(packages.SETS[options.set])
    say.line(f"installed: {' '.join(installed)}" if installed else "all packages are installed")


def _control_plane_up(options: argparse.Namespace) -> None:
    with say.timed("control plane"):
        plane = controlplane.start_control_plane(
            options.state,
            port=options.port,
            controller_manager=options.controller_manager,
            scheduler=options.scheduler,
            audit=options.audit,
        )
    print(plane.kubeconfig)


def _control_plane_down(options: argparse.Namespace) -> None:
    stopped = controlplane.stop_control_plane(options.state.resolve())
    say.line(f"stopped: {' '.join(stopped) or 'nothing was running'}")


def _stop(options: argparse.Namespace) -> None:
    state = options.state.resolve()
    stopped = controlplane.stop_control_plane(state)
    for kind in ("seaweedfs", "versitygw"):
        if stores.stop_store(state, kind):
            stopped.append(kind)
    stopped += [name for name in processes.recorded(state) if processes.stop(state, name)]
    say.line(f"stopped: {' '.join(stopped) or 'nothing was running'}")


def _up(options: argparse.Namespace) -> None:
    cluster = clusters.up(options.kind, store=options.store)
    print(cluster.kubeconfig)


def _down(_: argparse.Namespace) -> None:
    clusters.down()


def _status(_: argparse.Namespace) -> None:
    print("\n".join(clusters.status()))


def _add_control_plane(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    root = commands.add_parser("control-plane", help="etcd and kube-apiserver on loopback")
    verbs = root.add_subparsers(required=True, metavar="up|down")
    up = verbs.add_parser("up", help="start what is not running; print the path of the kubeconfig")
    up.add_argument("--state", type=Path, required=True)
    up.add_argument("--port", type=int)
    for option in ("--controller-manager", "--scheduler", "--audit"):
        up.add_argument(option, action="store_true")
    up.set_defaults(call=_control_plane_up)
    down = verbs.add_parser("down", help="stop it")
    down.add_argument("--state", type=Path, required=True)
    down.set_defaults(call=_control_plane_down)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the commands and their options."""
    root = argparse.ArgumentParser(prog="localcluster", description="A local Kubernetes.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    each = commands.add_parser("assets", help="build the programs and print their directory")
    each.add_argument("--only", action="append", choices=["control-plane", "node", "tools"])
    each.set_defaults(call=_assets)

    each = commands.add_parser("packages", help="install missing Debian packages")
    each.add_argument("--set", choices=list(packages.SETS), default="node")
    each.set_defaults(call=_packages)

    _add_control_plane(commands)

    each = commands.add_parser("up", help="a cluster with the image, Redis and an S3 store")
    each.add_argument("--kind", choices=["auto", "bare", "kind", "process"], default="auto")
    each.add_argument("--store", choices=["seaweedfs", "versitygw"], default="seaweedfs")
    each.set_defaults(call=_up)
    commands.add_parser("down", help="stop it and delete its data").set_defaults(call=_down)
    commands.add_parser("status", help="show what is running").set_defaults(call=_status)

    each = commands.add_parser("stop", help="stop every process of a state directory")
    each.add_argument("--state", type=Path, required=True)
    each.set_defaults(call=_stop)
    return root


def main(words: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    options = parser().parse_args(words)
    try:
        options.call(options)
    except say.SetupError as error:
        say.line(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say.line("interrupted; run the same command again to continue")
        return 130
    sys.stdout.flush()
    return 0

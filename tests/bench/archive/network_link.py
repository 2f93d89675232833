"""A network link between the measured client and the store, with a rate limit and latency.

The client runs in its own network namespace, connected to the machine by a pair of virtual devices
with a rate limit at both ends (``tc qdisc tbf``). A proxy in front of the store (``delay_proxy``)
adds the latency and the rate limit per connection, because not every kernel has ``netem``.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from localcluster import ports

LOOPBACK: Final = "loopback"
BURST: Final = "256kb"
QUEUE: Final = "10ms"
"""As long as the latency; a longer queue would delay acknowledgements behind data."""
START_SECONDS: Final = 10.0
NEEDS_ROOT: Final = (
    "A link makes a network namespace and limits its rate, which needs root. Run it with sudo, or "
    "leave it out with --link loopback."
)


@dataclass(frozen=True)
class Link:
    """The connection from the client to the store."""

    name: str
    endpoint: str
    prefix: tuple[str, ...]
    """Prefix of a client's command."""
    proxy_pid: int | None


def parse_latency(text: str) -> float:
    """Return the milliseconds of a text such as 10ms."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)ms", text)
    if found is None:
        raise SystemExit(f"{text!r} is not a latency. Write it like 10ms.")
    return float(found[1])


def parse_connection_rate(text: str) -> float:
    """Return the bytes per second of a text such as 85MB; 0 means no limit."""
    found = re.fullmatch(r"(\d+)MB|0", text)
    if found is None:
        raise SystemExit(f"{text!r} is not a rate per connection. Write it like 85MB, or 0.")
    return float(found[1] or 0) * 1e6


def check_rate(text: str) -> str:
    """Return a rate in tc's format. Raises SystemExit for any other text, and without root."""
    if text != LOOPBACK and re.fullmatch(r"\d+(\.\d+)?[mg]bit", text) is None:
        raise SystemExit(f"{text!r} is not a rate. Write it like 1gbit or 600mbit, or {LOOPBACK}.")
    if text != LOOPBACK and os.geteuid() != 0:
        raise SystemExit(NEEDS_ROOT)
    return text


@contextmanager
def linked(rate: str, latency_ms: float, connection_rate: float, store: str) -> Iterator[Link]:
    """Yield the link to the store at the URL ``store``; remove it afterwards.

    ``connection_rate`` is in bytes a second. On ``loopback`` the client connects to the
    store directly, without rate limit or latency.
    """
    if rate == LOOPBACK:
        yield Link(LOOPBACK, store, (), None)
        return
    host, _, port = store.removeprefix("http://").rpartition(":")
    with ExitStack() as undo:
        address, prefix = _namespace(undo, rate)
        number = ports.free_port(address)
        shape = [str(latency_ms / 2), str(connection_rate)]
        pid = _proxy(undo, (address, number), (host, int(port)), shape)
        name = f"{rate}, {latency_ms:g} ms"
        name += f", {connection_rate / 1e6:g} MB/s a connection" if connection_rate else ""
        yield Link(name, f"http://{address}:{number}", prefix, pid)


def _namespace(undo: ExitStack, rate: str) -> tuple[str, tuple[str, ...]]:
    """Create the namespace; return our address on the link and the command prefix to run in it."""
    number = os.getpid() % (1 << 14)
    name, ours, theirs = f"wherry-bench-{number}", f"wb{number}a", f"wb{number}b"
    # A network of four addresses from 10.213.0.0/16; each end has one.
    base = f"10.213.{number >> 6}"
    low = (number & 63) << 2
    inside = ("ip", "netns", "exec", name)
    _run("ip", "netns", "add", name)
    # Deleting the namespace deletes both devices of the pair.
    undo.callback(_run, "ip", "netns", "del", name)
    _run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
    _run("ip", "addr", "add", f"{base}.{low + 1}/30", "dev", ours)
    _run("ip", "link", "set", ours, "up")
    _run("ip", "-n", name, "addr", "add", f"{base}.{low + 2}/30", "dev", theirs)
    _run("ip", "-n", name, "link", "set", theirs, "up")
    _run("ip", "-n", name, "link", "set", "lo", "up")
    shape = ("root", "tbf", "rate", rate, "burst", BURST, "latency", QUEUE)
    _run("tc", "qdisc", "add", "dev", ours, *shape)
    _run(*inside, "tc", "qdisc", "add", "dev", theirs, *shape)
    return f"{base}.{low + 1}", inside


def _proxy(
    undo: ExitStack, address: tuple[str, int], store: tuple[str, int], shape: list[str]
) -> int:
    words = [sys.executable, "-m", "tests.bench.archive.delay_proxy"]
    words += [address[0], str(address[1]), store[0], str(store[1]), *shape]
    process = subprocess.Popen(words)
    undo.callback(_end, process)
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(address) == 0:
                return process.pid
        time.sleep(0.05)
    raise SystemExit("The delaying proxy of the link did not start; its error stands above.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"`{' '.join(words)}` failed: {done.stderr.strip()}")

"""Free ports for servers, allocated so that parallel runs do not get the same one.

Ports are above the ephemeral range (and the NodePort range), so that no client's socket takes one
between the check and the server's bind. A shared file records recent allocations, for servers that
have not bound their port yet.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
import time
from pathlib import Path

from localcluster import say

_LOWEST = 61000
_HIGHEST = 65535
_KEEP_SECONDS = 120.0


def candidates() -> range:
    """Return the ports that the kernel does not use for outgoing connections."""
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    lowest = max(_LOWEST, int(text.split()[1]) + 1)
    if _HIGHEST - lowest < 200:
        return range(20000, 30000)
    return range(lowest, _HIGHEST + 1)


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Return whether a server can bind this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _read(text: str) -> dict[int, float]:
    try:
        return {int(port): float(moment) for port, moment in json.loads(text or "{}").items()}
    except (ValueError, AttributeError):
        return {}


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Return ports that are not in use and were not allocated in the last two minutes."""
    book = Path(tempfile.gettempdir()) / f"wherry-ports-{os.getuid()}.json"
    with book.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        now = time.time()
        given = {
            port: moment
            for port, moment in _read(file.read()).items()
            if 0 <= now - moment < _KEEP_SECONDS
        }
        pool = [port for port in candidates() if port not in given]
        random.shuffle(pool)
        chosen: list[int] = []
        for port in pool:
            if len(chosen) == count:
                break
            if is_free(port, address):
                chosen.append(port)
        if len(chosen) < count:
            raise say.SetupError(
                f"Fewer than {count} ports are free on {address}. Stop programs that use them."
            )
        given.update(dict.fromkeys(chosen, now))
        file.truncate(0)
        file.write(json.dumps(given))
    return chosen


def free_port(address: str = "127.0.0.1") -> int:
    """Return one free port."""
    return free_ports(1, address)[0]

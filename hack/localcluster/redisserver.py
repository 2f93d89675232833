"""Redis as a process of this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from localcluster import credentials, paths, ports, processes, say, shell
from localcluster.processes import Process

NAME = "redis"


@dataclass(frozen=True)
class Redis:
    """A running Redis without persistence."""

    state: Path
    host: str
    port: int
    password: str
    pid: int

    @property
    def url(self) -> str:
        """Return the URL with the password."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    def stop(self) -> None:
        """Stop Redis. Its data is lost, because it is only in memory."""
        processes.stop(self.state, NAME)

    def kill(self) -> None:
        """Kill Redis, as in a crash."""
        processes.stop(self.state, NAME, kill=True)


def start_redis(
    state: Path,
    *,
    bind: str = "127.0.0.1",
    port: int | None = None,
    password: str | None = None,
) -> Redis:
    """Start Redis, or return the one that already runs in this state directory.

    Redis that restarts after `stop` or `kill` has the same port and password, and is empty.
    """
    state = paths.ensure_dir(state.resolve(), 0o700)
    server = shell.find("redis-server")
    if server is None:
        raise say.SetupError(
            "redis-server is not installed. Run `make up` or `make test` as root, which install "
            "it, or: apt-get install redis-server."
        )
    number = port or credentials.remembered_port(state, NAME, ports.free_port(bind))
    if password is None:
        password = credentials.remembered(state, NAME, {"password": 16})["password"]
    data = paths.ensure_dir(state / "redis", 0o700)
    text = "\n".join(
        [
            f"bind {bind}",
            f"port {number}",
            f"requirepass {password}",
            f"dir {data}",
            'save ""',
            "appendonly no",
            "daemonize no",
            "",
        ]
    )
    # In a file, because every user of the machine can read the command line.
    config = paths.write(state / "redis.conf", text, mode=0o600)
    running = processes.find(state, NAME)
    if running is None and not ports.is_free(number, bind):
        raise say.SetupError(
            f"Another program listens on {bind}:{number}, which Redis needs. Stop it "
            "(`ss -ltnp` shows which), or choose another port."
        )
    process, _ = processes.ensure(state, NAME, [server, config], configuration=[text])
    _wait(process, bind, number, password)
    return Redis(state=state, host=bind, port=number, password=password, pid=process.pid)


def _wait(process: Process, host: str, port: int, password: str) -> None:
    def answers() -> bool:
        try:
            with socket.create_connection((host, port), timeout=1) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                return b"PONG" in connection.recv(64) or b"PONG" in connection.recv(64)
        except OSError:
            return False

    processes.wait_until("Redis answers", answers, process=process, patience=20, every=0.03)

"""Runs programs as child processes that end with the parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from localcluster import ports
from tests.harness.waiting import eventually, eventually_blocking

PROGRAMS: Final = Path(sys.executable).parent
"""Folder of wherry-api, wherry-operator and wherry-jobrunner of this Python environment."""

_PASSED_ON: Final = ("HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "COVERAGE_PROCESS_START")
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask the kernel, in a child before its program starts, to kill it when its parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def base_environment() -> dict[str, str]:
    """Return the environment of every process, without the caller's settings."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        **kept,
        "PATH": f"{PROGRAMS}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "localhost,127.0.0.1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "WHERRY_LOG_FORMAT": "text",
        "WHERRY_LOG_LEVEL": "debug",
    }


def answers(url: str) -> bool:
    """Whether a GET of ``url`` is answered with 200."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def fetch(url: str) -> str:
    """Return the body of ``url`` as text, such as a /metrics page."""
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return str(answer.read().decode())


class ComponentProcess:
    """A running process with its log in a file.

    Signals go to exactly this process; all waiting has a deadline and shows the end of the log.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None
        self.ready_url = ""

    def start(self) -> "ComponentProcess":
        """Start it, or start it again after it ended; the log is appended to."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return self

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code (negative: minus the signal), or None while it runs."""
        return self._child.poll()

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        if self.child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.child

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.running:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL), and reap it."""
        self.send(signal.SIGKILL)
        self._child.wait(10)

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a frozen one (SIGCONT)."""
        self.send(signal.SIGCONT)

    def end(self, patience: float = 10.0) -> None:
        """End it by all means: SIGTERM, then SIGKILL after ``patience`` seconds."""
        if not self.running:
            return
        self.resume()
        self.terminate()
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_text(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of its log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    async def wait_ended(self, within: float = 30.0) -> int:
        """Return the exit code once it has ended. Raises TooLateError."""
        await eventually(f"{self.name} to end", lambda: not self.running, within=within)
        code = self.exit_code
        if code is None:
            raise RuntimeError(f"{self.name} was started again meanwhile")
        return code

    def _ready(self) -> bool:
        if not self.running:
            raise AssertionError(
                f"{self.name} ended with {self.exit_code} before it was ready:\n{self.log_tail()}"
            )
        return answers(self.ready_url)

    def wait_ready_blocking(self, within: float = 60.0) -> "ComponentProcess":
        """Wait until ``ready_url`` answers 200. Raises AssertionError with the end of the log."""
        with self._with_log():
            eventually_blocking(f"{self.name} to be ready", self._ready, within=within)
        return self

    async def wait_logged(self, text: str, within: float = 30.0) -> None:
        """Wait until its log contains ``text``."""
        with self._with_log():
            await eventually(
                f"{self.name} to log {text!r}", lambda: text in self.log_text(), within=within
            )

    @contextmanager
    def _with_log(self) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- {self.log} ends with\n{self.log_tail()}") from None


def health_variables() -> tuple[dict[str, str], str]:
    """Return variables that put health and metrics on a free port, and the base URL there."""
    port = ports.free_port()
    return {"WHERRY_HEALTH_PORT": str(port)}, f"http://127.0.0.1:{port}"


@contextmanager
def component_process(
    program: str,
    environment: Mapping[str, str],
    folder: Path,
    *,
    name: str = "",
    arguments: Sequence[str] = (),
    ready_url: str = "",
) -> Iterator[ComponentProcess]:
    """Run ``wherry-api``, ``wherry-operator`` or ``wherry-jobrunner`` and end it in any case.

    ``environment`` is added to :func:`base_environment`. With ``ready_url`` it is waited for.
    The log is ``<folder>/<name>.log``.
    """
    own = name or program
    process = ComponentProcess(
        own,
        [str(PROGRAMS / program), *arguments],
        {**base_environment(), **environment},
        folder / f"{own}.log",
    )
    process.ready_url = ready_url
    process.start()
    try:
        if ready_url:
            process.wait_ready_blocking()
        yield process
    finally:
        process.end()


class ProcessGroup:
    """Starts processes in a test; ``close`` ends all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()

    def start(
        self,
        program: str,
        environment: Mapping[str, str],
        *,
        name: str = "",
        arguments: Sequence[str] = (),
        ready_url: str = "",
    ) -> ComponentProcess:
        """Start one; see :func:`component_process`."""
        return self._stack.enter_context(
            component_process(
                program,
                environment,
                self.folder,
                name=name,
                arguments=arguments,
                ready_url=ready_url,
            )
        )

    def call_at_end(self, action: Callable[[], None]) -> None:
        """Have ``action`` called when the group ends, before what was started earlier ends."""
        self._stack.callback(action)

    def close(self) -> None:
        """End everything, the newest first."""
        self._stack.close()

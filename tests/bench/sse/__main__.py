"""Measures the streams of one API process, and of a server with sse-starlette.

``python -m tests.bench.sse`` opens 10,000 idle streams and reads the process's memory, then sends
five updates a second on 1,000 streams and reads how late they come. Redis, the servers and the
client are processes of this machine; nothing leaves the loopback.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import redis

from localcluster import ports
from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.redis.keys import Keyspace

FILES = 65_536
LATER = datetime(2100, 1, 1, tzinfo=UTC)
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


def snapshot(name: str) -> JobSnapshot:
    """Return a running job that has just made progress, so that its resource is not read."""
    return JobSnapshot(
        namespace="default",
        name=name,
        uid=name,
        status=JobStatus.PROCESSING,
        attempt=1,
        step=0,
        total_files=100,
        created_at=LATER,
        updated_at=datetime.now(UTC),
        pool="default",
    )


def template(name: str) -> str:
    text = snapshot(name).model_dump_json(by_alias=True, exclude_none=True)
    return text.replace('"step":0', '"step":%d')


@contextmanager
def process(command: Sequence[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(command, text=True, **more)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@contextmanager
def redis_on(port: int) -> Iterator[redis.Redis]:
    quiet = {"stdout": subprocess.DEVNULL}
    command = ["redis-server", "--port", str(port), "--save", "", "--maxclients", "30000"]
    with process(command, **quiet), redis.Redis(port=port) as client:
        wait(lambda: ping(client))
        yield client


def ping(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def wait(ready: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("a process did not become ready")
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):  # noqa: S310
            return True
    except URLError as error:
        return getattr(error, "code", 0) == 404
    except OSError:
        return False


class Client:
    """The measuring client's process."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def __call__(self, command: str, *arguments: Any) -> dict[str, Any]:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(json.dumps([command, arguments]) + "\n")
        self._child.stdin.flush()
        answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        return answer


def measure(
    server: subprocess.Popen[str], port: int, redis_port: int, options: argparse.Namespace
) -> dict[str, Any]:
    memory = psutil.Process(server.pid)
    wait(lambda: answers(f"http://127.0.0.1:{port}/health"))
    names = [str(uuid.uuid4()) for _ in range(options.idle)]
    busy = names[: options.busy]
    with redis.Redis(port=redis_port) as client:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            text = snapshot(name).model_dump_json(by_alias=True, exclude_none=True)
            pipeline.hset(Keyspace().job_state("default", name), "snapshot", text)
        pipeline.execute()
    before = memory.memory_info().rss
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-m", "tests.bench.sse.client", str(port), str(redis_port)]
    with process(command, **pipes) as child:
        ask = Client(child)
        opened = ask("open", names)
        time.sleep(2)
        memory.cpu_percent()
        time.sleep(options.seconds)
        idle_cpu = memory.cpu_percent()
        after = memory.memory_info().rss
        lost = ask("close")
    time.sleep(options.pause)
    with process(command, **pipes) as child:
        ask = Client(child)
        ask("open", busy)
        memory.cpu_percent()
        delivery = ask(
            "publish", busy, [template(name) for name in busy], options.rate, options.seconds
        )
        busy_cpu = memory.cpu_percent()
        ask("close")
    return {
        "idle": {
            **opened,
            **lost,
            "rss_mb": round(after / 1e6),
            "kb_a_stream": round((after - before) / 1e3 / max(len(names), 1), 1),
            "cpu_per_cent": idle_cpu,
        },
        "busy": {**delivery, "cpu_per_cent": busy_cpu},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--busy", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--pause", type=float, default=5.0)
    parser.add_argument("--only", choices=["wherry", "sse-starlette"])
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG)
        for name in (options.only,) if options.only else ("wherry", "sse-starlette"):
            port, redis_port = ports.free_port(), ports.free_port()
            environment = {
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": ":".join(sys.path),
                "KUBECONFIG": str(kubeconfig),
                "REDIS_PORT": str(redis_port),
                "WHERRY_HTTP_PORT": str(port),
                "WHERRY_S3_ENDPOINT_URL": "http://127.0.0.1:9",
                "WHERRY_SOURCE_BUCKET": "bench",
                "WHERRY_ARCHIVE_BUCKET": "bench",
                "WHERRY_LOG_LEVEL": "error",
                # There is no cluster from which streams could read a job without updates.
                "WHERRY_STREAM_FALLBACK_READS_PER_SECOND": "0.001",
                # The second round begins before the last stream of the first is counted out.
                "WHERRY_MAX_STREAMS_PER_TENANT": str(options.idle + options.busy),
                "AWS_ACCESS_KEY_ID": "bench",
                "AWS_SECRET_ACCESS_KEY": "bench",
            }
            command = {
                "wherry": ["-m", "wherry_api"],
                "sse-starlette": ["-m", "tests.bench.sse.usual_server", str(port), str(redis_port)],
            }[name]
            with (
                redis_on(redis_port),
                process([sys.executable, *command], env=environment) as server,
            ):
                results[name] = measure(server, port, redis_port, options)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

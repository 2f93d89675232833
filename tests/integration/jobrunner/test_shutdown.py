"""SIGTERM in every state of a runner without jobs, and environments that can never work."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.harness.jobs import job_becomes
from tests.harness.processes import ComponentProcess, ProcessGroup
from tests.harness.tcp_proxy import Link, TcpProxy, tcp_proxy
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner
from wherry_core.redis import job_queue
from wherry_core.resources import Phase

SECOND = 1.5
"""A second, and half of one for a busy machine to start and reap processes."""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
async def redis_proxy(redis_env: dict[str, str]) -> AsyncIterator[TcpProxy]:
    async with tcp_proxy(redis_env["REDIS_HOST"], int(redis_env["REDIS_PORT"])) as running:
        yield running


async def ends_within_a_second(runner: ComponentProcess) -> None:
    """Send SIGTERM and check that the runner ends in time and well."""
    began = time.monotonic()
    runner.terminate()
    assert await runner.wait_ended() == 0, runner.log_tail()
    assert time.monotonic() - began < SECOND, runner.log_tail(40)


@pytest.mark.parametrize("after_seconds", [0.0, 0.15, 0.4, 0.8, 1.6])
async def test_while_it_starts(
    after_seconds: float, start_runner: StartRunner, processes: ProcessGroup
) -> None:
    environment = room_environment(start_runner)
    starting = processes.start("wherry-jobrunner", environment, name="starting")
    await asyncio.sleep(after_seconds)
    began = time.monotonic()
    starting.terminate()
    # In the first moments, Python itself has no handler yet, and the signal's own action counts.
    assert await starting.wait_ended() in {0, -signal.SIGTERM}, starting.log_tail()
    assert time.monotonic() - began < SECOND, starting.log_tail(40)


async def test_while_idle(start_runner: StartRunner) -> None:
    await ends_within_a_second(start_runner())


@pytest.mark.parametrize("state", [Link.SILENT, Link.REFUSED])
async def test_while_redis_is_unavailable(
    state: Link, start_runner: StartRunner, redis_proxy: TcpProxy
) -> None:
    runner = start_runner(REDIS_HOST="127.0.0.1", REDIS_PORT=str(redis_proxy.port))
    redis_proxy.set(state)
    await asyncio.sleep(1.5)
    await ends_within_a_second(runner)


async def test_while_a_claim_waits_for_a_slow_api_server_and_the_job_goes_back(
    room: Room, start_runner: StartRunner, silent_port: int, tmp_path: Path
) -> None:
    path = tmp_path / "silent"
    path.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{silent_port}", {"token": "t"})))
    runner = start_runner(KUBECONFIG=str(path))
    job = await room.queue()
    await eventually(
        "the runner to take the job",
        lambda: job_queue.length(room.redis, "default"),
        lambda length: length == 0,
    )
    await asyncio.sleep(0.5)
    await ends_within_a_second(runner)
    assert await job_queue.members(room.redis, "default") == {job.key}
    start_runner("default-runner-1")
    await job_becomes(room.api, job, Phase.COMPLETED)


async def test_while_the_kubeconfig_s_plugin_is_slow(
    start_runner: StartRunner, processes: ProcessGroup, tmp_path: Path
) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sleep",
        "args": ["60"],
        "interactiveMode": "Never",
    }
    path = tmp_path / "slow"
    path.write_text(json.dumps(kubeconfig("https://127.0.0.1:1", {"exec": plugin})))
    environment = room_environment(start_runner) | {"KUBECONFIG": str(path)}
    runner = processes.start("wherry-jobrunner", environment, name="slow plugin")
    await asyncio.sleep(4)
    assert runner.running, runner.log_tail()
    await ends_within_a_second(runner)


async def test_while_the_store_s_credentials_are_slow(
    start_runner: StartRunner, processes: ProcessGroup, silent_port: int
) -> None:
    environment = room_environment(start_runner) | {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{silent_port}/credentials",
    }
    runner = processes.start("wherry-jobrunner", environment, name="slow credentials")
    await asyncio.sleep(4)
    assert runner.running, runner.log_tail()
    await ends_within_a_second(runner)


def room_environment(start_runner: StartRunner) -> dict[str, str]:
    """Return the variables of a runner that works, without its probes."""
    ready = start_runner("complete")
    ready.kill()
    return ready.environment | {"WHERRY_HEALTH_PORT": "0"}


def kubeconfig(server: str, user: dict[str, object]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"WHERRY_REDIS_URL": "redis://:s3cr/et@127.0.0.1:6379/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": "redis://:s3cret@127.0.0.1:port/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": "http://:s3cret@127.0.0.1:6379/0"}, "WHERRY_REDIS_URL"),
        ({"KUBECONFIG": "/nowhere/kubeconfig"}, "/nowhere/kubeconfig"),
    ],
)
async def test_what_can_never_work_ends_with_one_sentence(
    variables: dict[str, str],
    named: str,
    start_runner: StartRunner,
    processes: ProcessGroup,
) -> None:
    environment = room_environment(start_runner) | variables
    runner = processes.start("wherry-jobrunner", environment, name="unusable")
    assert await runner.wait_ended() == 2
    text = runner.log_text()
    assert named in text
    assert "Traceback" not in text
    for secret in ("s3cr", "et@", "s3cret"):
        assert secret not in text

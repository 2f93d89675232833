"""SIGTERM ends the operator within a second in every state; unusable settings end it at once."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.harness import jobs
from tests.harness.processes import ComponentProcess
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.resources import Phase

PASSWORD = "a-very-secret-word"


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never answers; yields host:port."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def end(operator: ComponentProcess) -> None:
    """Send SIGTERM and expect the orderly end within a second."""
    started = time.monotonic()
    operator.terminate()
    code = operator.child.wait(10) if operator.child else None
    took = time.monotonic() - started
    print(f"ended after {took:.2f} s")
    assert code == 0, operator.log_tail()
    assert took < 1.0, operator.log_tail()


async def test_a_working_operator(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operator = operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    end(operator)


async def test_a_leader_and_one_that_waits_for_the_lease(operated: Operated) -> None:
    operated.environment["WHERRY_LEADER_ELECTION"] = "true"
    first, second = operated.start_operator(), operated.start_operator()
    end(second)
    end(first)


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6, 1.0, 1.5, 2.5])
async def test_one_that_has_just_been_started(operated: Operated, after: float) -> None:
    operator = operated.start_operator(wait=False)
    time.sleep(after)  # noqa: ASYNC251
    started = time.monotonic()
    operator.terminate()
    code = operator.child.wait(10) if operator.child else None
    # Before Python has loaded the program, SIGTERM ends the process by itself.
    assert code in {0, -15}
    assert time.monotonic() - started < 1.0


def without_redis(operated: Operated, silent: str) -> dict[str, str]:
    return {"WHERRY_REDIS_URL": f"redis://{silent}/0"}


def without_store(operated: Operated, silent: str) -> dict[str, str]:
    return {"WHERRY_S3_ENDPOINT_URL": f"http://{silent}", "WHERRY_ARCHIVE_SWEEP_SECONDS": "1"}


@pytest.mark.parametrize("without", [without_redis, without_store])
async def test_one_whose_servers_never_answer(
    operated: Operated, without: Callable[[Operated, str], dict[str, str]]
) -> None:
    with silent_server() as silent:
        operator = operated.start_operator(wait=True, **without(operated, silent))
        await jobs.create_job(operated.api, operated.namespace, ["1"])
        time.sleep(2)  # noqa: ASYNC251
        end(operator)


@pytest.mark.parametrize("server", ["silent", "refusing"])
async def test_one_without_an_api_server(operated: Operated, server: str, tmp_path: Path) -> None:
    with silent_server() as silent:
        url = f"http://{silent}" if server == "silent" else "http://127.0.0.1:1"
        path = tmp_path / "kubeconfig"
        path.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            f"clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\n"
            "contexts: [{name: c, context: {cluster: c, user: c}}]\n"
            "users: [{name: c, user: {token: t}}]\n"
        )
        operated.environment["WHERRY_LEADER_ELECTION"] = "true"
        operator = operated.start_operator(wait=False, KUBECONFIG=str(path))
        await operator.wait_logged("the operator starts")
        time.sleep(1)  # noqa: ASYNC251
        end(operator)


async def test_one_that_restarts_after_a_failure(operated: Operated) -> None:
    """The operator cannot bind its port, which is a temporary fault."""
    with closing(socket.create_server(("0.0.0.0", 0))) as taken:
        port = str(taken.getsockname()[1])
        operator = operated.start_operator(wait=False, WHERRY_HEALTH_PORT=port)
        await eventually(
            "two restarts", lambda: operator.log_text().count("it restarts") >= 2, within=30
        )
        end(operator)


UNUSABLE = {
    "redis scheme": {"WHERRY_REDIS_URL": f"http://:{PASSWORD}@redis:6379"},
    "redis password with a slash": {"WHERRY_REDIS_URL": f"redis://:{PASSWORD}/x@redis:6379"},
    "redis port": {"WHERRY_REDIS_URL": f"redis://:{PASSWORD}@redis:port"},
    "no kubeconfig": {"KUBECONFIG": "/nowhere/kubeconfig"},
    "a kubeconfig that is none": {"KUBECONFIG": "/etc/passwd"},
    "a bad number": {"WHERRY_OPERATOR_WORKERS": "many"},
    "a bad name": {"WHERRY_NAMESPACE": "Not A Name"},
}


@pytest.mark.parametrize("variables", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_what_can_never_work_ends_it_with_a_sentence(
    operated: Operated, variables: dict[str, str]
) -> None:
    operator = operated.start_operator(wait=False, **variables)
    assert await operator.wait_ended(20) == 2
    log = operator.log_text()
    assert "Traceback" not in log
    assert PASSWORD not in log
    assert 0 < len(log.splitlines()) <= 4
    (name,) = variables
    assert name in log or "kubeconfig" in log

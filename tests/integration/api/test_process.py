"""wherry-api as a process: how it starts, refuses to start, and ends."""

import asyncio
import signal

import httpx
import pytest

from localcluster import ports
from tests.harness.api import Api
from tests.harness.jobs import create_job
from tests.harness.processes import ComponentProcess, ProcessGroup, fetch
from tests.integration.api.streams import open_stream


@pytest.fixture
def environment(api_environment: dict[str, str], namespace: str) -> dict[str, str]:
    return {
        **api_environment,
        "WHERRY_HTTP_PORT": str(ports.free_port()),
        "WHERRY_METRICS_PORT": str(ports.free_port()),
        "WHERRY_DEFAULT_TENANT": namespace,
        "WHERRY_SHUTDOWN_DELAY_SECONDS": "0.5",
        "WHERRY_DRAIN_SECONDS": "0.5",
    }


def start(processes: ProcessGroup, environment: dict[str, str]) -> tuple[ComponentProcess, str]:
    url = f"http://127.0.0.1:{environment['WHERRY_HTTP_PORT']}"
    return processes.start("wherry-api", environment, ready_url=f"{url}/health"), url


async def test_sigterm_ends_streams_and_process_in_order(
    processes: ProcessGroup, environment: dict[str, str], api: Api, namespace: str
) -> None:
    process, url = start(processes, environment)
    job = await create_job(api, namespace, ["1"])
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:

        async def follow() -> bool:
            async with open_stream(client, job.metadata.name) as (_, stream):
                await stream.named("connected")
                opened.release()
                return await stream.ended()

        opened = asyncio.Semaphore(0)
        subscribers = [asyncio.create_task(follow()) for _ in range(5)]
        for _ in subscribers:
            await opened.acquire()
        process.terminate()
        assert all(await asyncio.gather(*subscribers))
    assert await process.wait_ended() == 0
    log = process.log_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


async def test_metrics_have_a_port_of_their_own(
    processes: ProcessGroup, environment: dict[str, str]
) -> None:
    process, url = start(processes, environment)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/metrics")).status_code == 404
        assert (await client.get("/v1/download/status/unknown")).status_code == 404
    text = await asyncio.to_thread(
        fetch, f"http://127.0.0.1:{environment['WHERRY_METRICS_PORT']}/metrics"
    )
    counted = 'wherry_api_requests_total{method="GET",route="/v1/download/status/{jobId}"'
    assert counted in text
    process.send(signal.SIGINT)
    assert await process.wait_ended() == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"WHERRY_HTTP_HOST": "0.0.0.0"}, "WHERRY_AUTH_MODE is not set"),
        ({"WHERRY_AUTH_MODE": "oidc"}, "WHERRY_AUTH_MODE=oidc needs WHERRY_OIDC_ISSUER"),
        (
            {
                "WHERRY_AUTH_MODE": "oidc",
                "WHERRY_OIDC_ISSUER": "http://id.example.com",
                "WHERRY_OIDC_AUDIENCE": "wherry",
            },
            "WHERRY_OIDC_ISSUER must start with https://",
        ),
        ({"WHERRY_AUTH_MODE": "api-keys"}, "needs WHERRY_API_KEYS_FILE"),
        (
            {"WHERRY_AUTH_MODE": "api-keys", "WHERRY_API_KEYS_FILE": "/nowhere"},
            "The key file /nowhere cannot be used",
        ),
        ({"WHERRY_OIDC_ALGORITHMS": "HS256"}, "use one or more of"),
        ({"WHERRY_CORS_ORIGINS": "*"}, "use full origins"),
        ({"WHERRY_PUBLIC_URL": "example.com"}, "it must start with http"),
        ({"KUBECONFIG": "/nowhere"}, "The kubeconfig /nowhere cannot be used"),
    ],
)
async def test_settings_that_cannot_be_used(
    processes: ProcessGroup,
    environment: dict[str, str],
    changes: dict[str, str],
    sentence: str,
) -> None:
    process = processes.start("wherry-api", environment | changes)
    assert await process.wait_ended() == 2
    assert sentence in process.log_text()
    assert "Traceback" not in process.log_text()


async def test_a_port_that_is_taken(processes: ProcessGroup, environment: dict[str, str]) -> None:
    start(processes, environment)
    second = processes.start("wherry-api", environment, name="second")
    assert await second.wait_ended() == 2
    assert "set WHERRY_HTTP_PORT" in second.log_text()


async def test_an_explicit_mode_none_outside_loopback_logs_a_warning(
    processes: ProcessGroup, environment: dict[str, str]
) -> None:
    said = environment | {"WHERRY_HTTP_HOST": "0.0.0.0", "WHERRY_AUTH_MODE": "none"}
    process, _ = start(processes, said)
    assert "everyone who can reach the port" in process.log_text()


async def test_a_key_is_made_for_a_tenant(processes: ProcessGroup) -> None:
    made = processes.start(
        "python", {}, name="make-key", arguments=["-m", "wherry_api.auth.api_keys", "team-a"]
    )
    assert await made.wait_ended() == 0
    assert "wherry_" in made.log_text()
    wrong = processes.start(
        "python", {}, name="wrong-key", arguments=["-m", "wherry_api.auth.api_keys", "Team A"]
    )
    assert await wrong.wait_ended() == 1

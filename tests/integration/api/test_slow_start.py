"""A program that is still starting ends at once, and one that can never start says why."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.harness.processes import ComponentProcess, ProcessGroup
from tests.harness.waiting import eventually

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users:
- name: u
  user: %s
"""
SLOW_PLUGIN = (
    "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, "
    'args: ["-c", "touch asked; exec sleep 60"], interactiveMode: Never}}'
)
PASSWORD = "s3cret"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings that nothing answers to."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG % "{token: abc}")
    return {
        "KUBECONFIG": str(kubeconfig),
        "WHERRY_HTTP_PORT": "0",
        "WHERRY_SOURCE_BUCKET": "sources",
        "WHERRY_ARCHIVE_BUCKET": "archives",
        "WHERRY_S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "REDIS_PORT": "9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "REDIS_HOST": "127.0.0.1",
    }


async def seconds_to_end(process: ComponentProcess) -> float:
    began = time.monotonic()
    process.terminate()
    assert await process.wait_ended() == 0, process.log_text()
    return time.monotonic() - began


async def test_sigterm_while_a_plugin_fetches_the_credentials_for_the_cluster(
    processes: ProcessGroup, environment: dict[str, str], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    plugin = SLOW_PLUGIN.replace("touch asked", f"touch {asked}")
    (tmp_path / "kubeconfig").write_text(KUBECONFIG % plugin)
    process = processes.start("wherry-api", environment)
    await eventually("the plugin to run", asked.exists)
    assert await seconds_to_end(process) < 1


async def test_sigterm_while_the_credentials_for_the_store_are_fetched(
    processes: ProcessGroup, environment: dict[str, str], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    config = tmp_path / "aws"
    config.write_text(f"[default]\ncredential_process = sh -c 'touch {asked}; exec sleep 60'\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]
    environment["AWS_CONFIG_FILE"] = str(config)
    process = processes.start("wherry-api", environment)
    await eventually("the credentials to be asked for", asked.exists)
    assert await seconds_to_end(process) < 1


async def test_sigterm_in_the_first_moments(
    processes: ProcessGroup, environment: dict[str, str]
) -> None:
    process = processes.start("wherry-api", environment)
    # The interpreter itself starts in some hundredths of a second; the imports take longer.
    await asyncio.sleep(0.3)
    assert await seconds_to_end(process) < 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"WHERRY_REDIS_URL": f"redis://:{PASSWORD}/x@127.0.0.1:6379/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:x/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": f"http://:{PASSWORD}@127.0.0.1/"}, "WHERRY_REDIS_URL"),
        ({"KUBECONFIG": "/nowhere"}, "KUBECONFIG"),
    ],
)
async def test_what_can_never_work_ends_with_a_sentence(
    processes: ProcessGroup, environment: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    process = processes.start("wherry-api", environment | changes)
    assert await process.wait_ended() == 2
    log = process.log_text()
    assert sentence in log
    assert "Traceback" not in log
    assert PASSWORD not in log

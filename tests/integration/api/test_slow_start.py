"""A program that is still starting ends at once, and one that can never start says why."""

import signal
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


def handles_sigterm(process: ComponentProcess) -> bool:
    """Return whether the process has a handler for SIGTERM, as the first one in a pod needs."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


async def test_sigterm_during_the_imports(
    processes: ProcessGroup, environment: dict[str, str]
) -> None:
    process = processes.start("wherry-api", environment)
    await eventually("a handler", lambda: handles_sigterm(process), every=0.01)
    assert await seconds_to_end(process) < 1
    assert "listening" not in process.log_text()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"WHERRY_REDIS_URL": f"redis://:{PASSWORD}/x@127.0.0.1:6379/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:x/0"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_REDIS_URL": f"http://:{PASSWORD}@127.0.0.1/"}, "WHERRY_REDIS_URL"),
        ({"WHERRY_S3_ENDPOINT_URL": f"minio:{PASSWORD}"}, "WHERRY_S3_ENDPOINT_URL"),
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

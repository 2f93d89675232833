"""The command ``wherry``, in scripts and on a terminal."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness.buckets import Bucket
from tests.harness.processes import base_environment
from tests.harness.waiting import eventually
from tests.integration.client.conftest import (
    MakeProxy,
    SimulateJob,
    StartApi,
    Wherry,
    archive_of,
    names_in,
    url_of,
)
from wherry_api.auth.api_keys import make_key
from wherry_client import WherryClient

FILES = {"1": b"one\n" * 50_000, "2": b"two", "a b": b"three"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COMMAND = (sys.executable, "-m", "wherry_client.cli")


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    status: int
    out: str
    messages: str


@dataclass(frozen=True)
class Commands:
    """Runs ``wherry`` in one folder."""

    folder: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {**base_environment(), "WHERRY_URL": self.url, "COLUMNS": "100", "TERM": "xterm"}

    async def start(self, *words: str, **variables: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *words,
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(
        self, *words: str, pipe: str = "", variables: Mapping[str, str] | None = None
    ) -> Result:
        process = await self.start(*words, **(variables or {}))
        return await ended(process, pipe)

    async def run_on_a_terminal(self, *words: str) -> Result:
        leader, follower = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *words,
            cwd=self.folder,
            env=self.environment,
            stdin=follower,
            stdout=follower,
            stderr=follower,
        )
        os.close(follower)
        shown = await asyncio.to_thread(_read_to_the_end, leader)
        return Result(await process.wait(), shown, "")


async def ended(process: asyncio.subprocess.Process, pipe: str = "") -> Result:
    out, messages = await process.communicate(pipe.encode())
    return Result(process.returncode or 0, out.decode(), messages.decode())


def _read_to_the_end(terminal: int) -> str:
    shown = b""
    try:
        while data := os.read(terminal, 65_536):
            shown += data
    except OSError:  # Linux raises it when the other side is closed.
        pass
    finally:
        os.close(terminal)
    return shown.decode()


@pytest.fixture
async def commands(wherry: Wherry, folder: Path) -> Commands:
    await wherry.bucket.put_files(FILES)
    return Commands(folder, wherry.url)


async def test_submit_watch_download_list_in_a_script(commands: Commands, folder: Path) -> None:
    (folder / "ids.txt").write_text("2\na b\n")
    submitted = await commands.run(
        "submit", "-", "--from", "ids.txt", "--name", "s.zip", pipe="1\n"
    )
    assert (submitted.status, submitted.messages.count("3 files")) == (0, 1)
    job = submitted.out.strip()
    assert UUID.fullmatch(job)

    watched = await commands.run("watch", job)
    assert watched.status == 0
    lines = watched.out.splitlines()
    assert all(line.startswith(f"{job} ") for line in lines)
    assert " completed: 3 files, " in lines[-1]

    fetched = await commands.run("download", job)
    assert (fetched.status, fetched.out) == (0, "s.zip\n")
    assert (folder / "s.zip").read_bytes().startswith(b"PK")
    again = await commands.run("download", job)
    assert again.status == 2
    assert "s.zip exists already" in again.messages
    assert "--force" in again.messages
    assert (await commands.run("download", job, "-o", "s.zip", "--force")).status == 0

    listed = await commands.run("list")
    assert listed.out.split("\t")[:4] == [job, "completed", "100", "3/3"]
    assert (await commands.run("list", "--ids", "--state", "failed")).out == ""


async def test_submit_and_download_in_one_command_as_json(commands: Commands, folder: Path) -> None:
    done = await commands.run("submit", "1", "2", "--download", "out.zip", "--json", "--key", "k")
    assert (done.status, done.messages) == (0, "")
    documents = [json.loads(line) for line in done.out.splitlines()]
    first, *_, last, saved = documents
    assert first["totalFileIds"] == 2
    assert last["status"] == "completed"
    assert last["size"] == saved["size"] == (folder / "out.zip").stat().st_size
    got = await commands.run("get", first["jobId"], "--json")
    assert json.loads(got.out) == last
    assert [json.loads((await commands.run("list", "--json")).out)["jobId"]] == [first["jobId"]]
    same = await commands.run("submit", "1", "2", "--key", "k")
    assert same.out.strip() == first["jobId"]


async def test_output_on_a_terminal(commands: Commands) -> None:
    shown = await commands.run_on_a_terminal("submit", "1", "2", "--download", "out.zip")
    assert shown.status == 0
    assert "✓" in shown.out
    assert "Completed: 2 files" in shown.out
    assert "Saved out.zip" in shown.out
    assert "━" in shown.out
    table = await commands.run_on_a_terminal("list")
    assert "CREATED" in table.out
    job = UUID.search(table.out)
    assert job
    facts = await commands.run_on_a_terminal("get", job[0])
    assert "completed" in facts.out


async def test_a_job_that_fails(commands: Commands) -> None:
    failed = await commands.run("submit", "1", "nope", "--wait")
    assert failed.status == 1
    job = failed.out.strip()
    assert "--on-missing manifest" in failed.messages
    assert "wherry retry" not in failed.messages
    assert (await commands.run("watch", job)).status == 1
    download = await commands.run("download", job)
    assert download.status == 1
    assert "--on-missing manifest" in download.messages
    assert (await commands.run("retry", job, "--wait")).status == 1
    kept = await commands.run("submit", "1", "nope", "--on-missing", "manifest", "--wait")
    assert kept.status == 0


async def test_usage_errors_and_an_unreachable_server(commands: Commands, folder: Path) -> None:
    for words, expected in (
        (("submit",), "no file ids"),
        (("submit", "--from", "none.txt"), "No such file"),
        (("submit", "1", "--name", "a/b"), "archiveName"),
        (("submit", "x" * 300), "file_ids[0]"),
        (("get", "../x"), "not a job id"),
        (("get", "00000000-0000-4000-8000-000000000000"), "No job"),
        (("cancel", "00000000-0000-4000-8000-000000000000"), "No job"),
        (("get", "a", "--url", "localhost:3000"), "http://"),
        (("fetch",), "No such command"),
    ):
        ended = await commands.run(*words)
        assert (ended.status, ended.out) == (2, ""), words
        assert expected in ended.messages, ended.messages
        assert "Traceback" not in ended.messages
    away = await commands.run("submit", "1", "--url", "http://127.0.0.1:9")
    assert away.status == 3
    assert "127.0.0.1:9 cannot be reached" in away.messages
    assert "WHERRY_URL" in away.messages
    assert names_in(folder) == []


async def test_ctrl_c_leaves_the_job_running(
    start_api: StartApi, simulate_job: SimulateJob, folder: Path
) -> None:
    server = start_api()
    commands = Commands(folder, url_of(server))
    async with WherryClient(commands.url) as client:
        simulated = await simulate_job(client)
        job = simulated.job.metadata.name
        process = await commands.start("watch", job)
        assert process.stdout is not None
        assert b"queued" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        stopped = await ended(process)
        assert stopped.status == 130
        assert f"wherry watch {job}" in stopped.messages
        assert f"wherry cancel {job}" in stopped.messages
        assert not (await client.status(job)).ended
        not_ready = await commands.run("download", job)
        assert not_ready.status == 2
        assert f"wherry download --wait {job}" in not_ready.messages
        cancelled = await commands.run("cancel", job)
        assert (cancelled.status, cancelled.out) == (0, "")
        assert "is being cancelled" in cancelled.messages


async def test_cancel_says_that_a_job_has_ended(
    start_api: StartApi, simulate_job: SimulateJob, folder: Path
) -> None:
    commands = Commands(folder, url_of(start_api()))
    async with WherryClient(commands.url) as client:
        simulated = await simulate_job(client)
        await simulated.complete()
    cancelled = await commands.run("cancel", simulated.job.metadata.name)
    assert (cancelled.status, cancelled.out) == (0, "")
    assert "has ended already: it is completed" in cancelled.messages


async def test_connection_options_before_and_after_the_command(
    start_api: StartApi, folder: Path
) -> None:
    api = url_of(start_api())
    commands = Commands(folder, "http://127.0.0.1:9")
    assert (await commands.run("--url", api, "list")).status == 0
    assert (await commands.run("list", "--url", api)).status == 0
    assert (await commands.run("--url", "http://127.0.0.1:9", "list", "--url", api)).status == 0
    assert (await commands.run("list", variables={"WHERRY_URL": api})).status == 0
    wrong = await commands.run("list", "--url", f"{api}/v1")
    assert (wrong.status, wrong.out) == (2, "")
    assert "Leave out /v1" in wrong.messages


async def test_a_single_file_called_zip_is_noted(commands: Commands, folder: Path) -> None:
    saved = await commands.run("submit", "2", "--download", "one.zip")
    assert saved.status == 0
    assert (folder / "one.zip").read_bytes() == FILES["2"]
    assert "one.zip is not a ZIP archive" in saved.messages


async def test_a_download_interrupted_by_ctrl_c_is_resumed(
    start_api: StartApi,
    bucket: Bucket,
    make_proxy: MakeProxy,
    simulate_job: SimulateJob,
    folder: Path,
) -> None:
    store = await make_proxy(urlsplit(bucket.store.endpoint).port or 0)
    commands = Commands(folder, url_of(start_api(WHERRY_S3_PUBLIC_ENDPOINT_URL=store.url)))
    archive = archive_of(6_000_000)
    async with WherryClient(commands.url) as client:
        simulated = await simulate_job(client)
        await simulated.complete(archive)
    job, part = simulated.job.metadata.name, folder / "out.zip.part"
    store.cut_after, store.hold_before_cut = [4_000_000], 60
    process = await commands.start("download", job, "-o", "out.zip")
    await eventually("a part", lambda: part.exists() and part.stat().st_size > 2_000_000)
    process.send_signal(signal.SIGINT)
    stopped = await ended(process)
    assert stopped.status == 130
    assert f"wherry download {job} -o out.zip" in stopped.messages
    assert names_in(folder) == ["out.zip.part", "out.zip.part.json"]
    resumed = await commands.run("download", job, "-o", "out.zip")
    assert resumed.status == 0
    assert "are there already" in resumed.messages
    assert (folder / "out.zip").read_bytes() == archive


async def test_the_token_is_never_sent_to_the_store(
    start_api: StartApi,
    bucket: Bucket,
    make_proxy: MakeProxy,
    simulate_job: SimulateJob,
    folder: Path,
    tmp_path: Path,
    namespace: str,
) -> None:
    store = await make_proxy(urlsplit(bucket.store.endpoint).port or 0)
    key, line = make_key(namespace)
    (tmp_path / "keys").write_text(line)
    server = start_api(
        WHERRY_AUTH_MODE="api-keys",
        WHERRY_API_KEYS_FILE=str(tmp_path / "keys"),
        WHERRY_S3_PUBLIC_ENDPOINT_URL=store.url,
        WHERRY_TENANT_NAMESPACES="*",
    )
    commands = Commands(folder, url_of(server))
    async with WherryClient(commands.url, token=key) as client:
        simulated = await simulate_job(client)
        await simulated.complete(b"PK archive")
    job = simulated.job.metadata.name
    refused = await commands.run("download", job)
    assert refused.status == 2
    assert "WHERRY_TOKEN" in refused.messages
    done = await commands.run("download", job, variables={"WHERRY_TOKEN": key})
    assert (done.status, done.out) == (0, "files.zip\n")
    assert store.heads
    assert not [head for head in store.heads if key in head or "authorization" in head.lower()]

"""The command ``wherry``, as scripts and people use it."""

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
    PlayJob,
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
class Ended:
    """A command that has ended."""

    status: int
    out: str
    talk: str


@dataclass(frozen=True)
class Commands:
    """Runs ``wherry`` in a folder of its own."""

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
    ) -> Ended:
        process = await self.start(*words, **(variables or {}))
        return await ended(process, pipe)

    async def run_on_a_terminal(self, *words: str) -> Ended:
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
        return Ended(await process.wait(), shown, "")


async def ended(process: asyncio.subprocess.Process, pipe: str = "") -> Ended:
    out, talk = await process.communicate(pipe.encode())
    return Ended(process.returncode or 0, out.decode(), talk.decode())


def _read_to_the_end(terminal: int) -> str:
    shown = b""
    try:
        while data := os.read(terminal, 65_536):
            shown += data
    except OSError:  # the way in which Linux tells that nobody writes any more
        pass
    finally:
        os.close(terminal)
    return shown.decode()


@pytest.fixture
async def commands(wherry: Wherry, folder: Path) -> Commands:
    await wherry.bucket.put_files(FILES)
    return Commands(folder, wherry.url)


async def test_a_script_s_way(commands: Commands, folder: Path) -> None:
    (folder / "ids.txt").write_text("2\na b\n")
    submitted = await commands.run(
        "submit", "-", "--from", "ids.txt", "--name", "s.zip", pipe="1\n"
    )
    assert (submitted.status, submitted.talk.count("3 files")) == (0, 1)
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
    assert "s.zip exists already" in again.talk
    assert "--force" in again.talk
    assert (await commands.run("download", job, "-o", "s.zip", "--force")).status == 0

    listed = await commands.run("list")
    assert listed.out.split("\t")[:4] == [job, "completed", "100", "3/3"]
    assert (await commands.run("list", "--ids", "--state", "failed")).out == ""


async def test_all_in_one_command_as_json(commands: Commands, folder: Path) -> None:
    done = await commands.run("submit", "1", "2", "--download", "out.zip", "--json", "--key", "k")
    assert (done.status, done.talk) == (0, "")
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


async def test_on_a_terminal(commands: Commands) -> None:
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
    assert f"wherry retry {job}" in failed.talk
    assert (await commands.run("watch", job)).status == 1
    assert (await commands.run("download", job)).status == 1
    assert (await commands.run("retry", job, "--wait")).status == 1
    kept = await commands.run("submit", "1", "nope", "--on-missing", "manifest", "--wait")
    assert kept.status == 0


async def test_wrong_use_and_no_server(commands: Commands, folder: Path) -> None:
    for words, told in (
        (("submit",), "no file ids"),
        (("submit", "--from", "none.txt"), "No such file"),
        (("submit", "1", "--name", "a/b"), "archiveName"),
        (("submit", "x" * 300), "file_ids[0]"),
        (("get", "../x"), "not a job id"),
        (("get", "00000000-0000-4000-8000-000000000000"), "There is no job"),
        (("cancel", "00000000-0000-4000-8000-000000000000"), "There is no job"),
        (("get", "a", "--url", "localhost:3000"), "http://"),
        (("fetch",), "No such command"),
    ):
        ended = await commands.run(*words)
        assert (ended.status, ended.out) == (2, ""), words
        assert told in ended.talk, ended.talk
        assert "Traceback" not in ended.talk
    away = await commands.run("submit", "1", "--url", "http://127.0.0.1:9")
    assert away.status == 3
    assert "127.0.0.1:9 cannot be reached" in away.talk
    assert "WHERRY_URL" in away.talk
    assert names_in(folder) == []


async def test_ctrl_c_leaves_the_job(start_api: StartApi, play_job: PlayJob, folder: Path) -> None:
    server = start_api()
    commands = Commands(folder, url_of(server))
    async with WherryClient(commands.url) as client:
        played = await play_job(client)
        job = played.job.metadata.name
        process = await commands.start("watch", job)
        assert process.stdout is not None
        assert b"queued" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        stopped = await ended(process)
        assert stopped.status == 130
        assert f"wherry watch {job}" in stopped.talk
        assert f"wherry cancel {job}" in stopped.talk
        assert not (await client.status(job)).ended
        not_ready = await commands.run("download", job)
        assert not_ready.status == 2
        assert f"wherry download --wait {job}" in not_ready.talk
        cancelled = await commands.run("cancel", job)
        assert (cancelled.status, cancelled.out) == (0, "")


async def test_ctrl_c_in_a_download_that_goes_on_later(
    start_api: StartApi, bucket: Bucket, make_proxy: MakeProxy, play_job: PlayJob, folder: Path
) -> None:
    store = await make_proxy(urlsplit(bucket.store.endpoint).port or 0)
    commands = Commands(folder, url_of(start_api(WHERRY_S3_PUBLIC_ENDPOINT_URL=store.url)))
    archive = archive_of(6_000_000)
    async with WherryClient(commands.url) as client:
        played = await play_job(client)
        await played.complete(archive)
    job, part = played.job.metadata.name, folder / "out.zip.part"
    store.cut_after, store.hold_before_cut = [4_000_000], 60
    process = await commands.start("download", job, "-o", "out.zip")
    await eventually("a part", lambda: part.exists() and part.stat().st_size > 2_000_000)
    process.send_signal(signal.SIGINT)
    stopped = await ended(process)
    assert stopped.status == 130
    assert f"wherry download {job} -o out.zip" in stopped.talk
    assert names_in(folder) == ["out.zip.part", "out.zip.part.json"]
    resumed = await commands.run("download", job, "-o", "out.zip")
    assert resumed.status == 0
    assert "are there already" in resumed.talk
    assert (folder / "out.zip").read_bytes() == archive


async def test_tokens_go_to_the_api_and_never_to_the_store(
    start_api: StartApi,
    bucket: Bucket,
    make_proxy: MakeProxy,
    play_job: PlayJob,
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
        played = await play_job(client)
        await played.complete(b"PK archive")
    job = played.job.metadata.name
    refused = await commands.run("download", job)
    assert refused.status == 2
    assert "WHERRY_TOKEN" in refused.talk
    done = await commands.run("download", job, variables={"WHERRY_TOKEN": key})
    assert (done.status, done.out) == (0, "files.zip\n")
    assert store.heads
    assert not [head for head in store.heads if key in head or "authorization" in head.lower()]

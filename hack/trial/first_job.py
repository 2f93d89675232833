"""Run one job through the public API, as a client does, and check its archive."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from trial.sample_files import SampleFile

JOB_TIMEOUT_SECONDS = 300.0


class JobError(Exception):
    """The job did not produce the right archive; the message says what was found instead."""


@dataclass(frozen=True)
class DownloadedArchive:
    """An archive that was downloaded and checked."""

    job_id: str
    path: Path
    size: int
    """Bytes."""
    files: int
    events: int
    """Number of server-sent events received."""


def run_job(
    api_url: str, files: list[SampleFile], folder: Path, say: Callable[[str], None]
) -> DownloadedArchive:
    """Submit ``files``, watch the stream, download the archive and compare every byte.

    ``say`` prints the progress. Raises JobError when a result is not as expected.
    """
    with httpx.Client(base_url=api_url, timeout=30) as http:
        answer = http.post("/v1/download/initiate", json={"file_ids": [file.id for file in files]})
        if answer.status_code != 200:
            raise JobError(
                f"POST /v1/download/initiate answered {answer.status_code}: {answer.text}"
            )
        job_id = answer.json()["jobId"]
        say(f"submitted job {job_id} with {len(files)} files")
        events = watch(http, job_id, say)
        status = http.get(f"/v1/download/status/{job_id}").json()
        if status["status"] != "completed":
            raise JobError(f"the stream ended, but the status is {status}")
        path = fetch(http, job_id, folder)
    check_archive(path, files, status["size"])
    return DownloadedArchive(job_id, path, path.stat().st_size, len(files), events)


def watch(http: httpx.Client, job_id: str, say: Callable[[str], None]) -> int:
    """Read the job's stream until the job has ended; return the number of events.

    Raises JobError if the job fails or the stream breaks off.
    """
    seen = 0
    with http.stream(
        "GET",
        f"/v1/download/stream/{job_id}",
        timeout=httpx.Timeout(30, read=JOB_TIMEOUT_SECONDS),
    ) as stream:
        if stream.status_code != 200:
            raise JobError(f"the stream answered {stream.status_code}: {stream.read().decode()}")
        for name, data in server_sent_events(stream.iter_lines()):
            seen += 1
            if name == "progress":
                say(f"{data['completedFiles']}/{data['totalFiles']} files, {data['progress']} %")
            if name == "failed":
                raise JobError(f"the job failed: {data.get('error')}")
            if name == "completed" or data.get("status") == "completed":
                return seen
            if data.get("status") == "failed":
                raise JobError(f"the job failed: {data.get('error')}")
    raise JobError(f"the stream of job {job_id} ended after {seen} events without a result")


def server_sent_events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the JSON data of each event.

    Source: HTML Living Standard, 9.2 Server-sent events.
    """
    name, data = "message", ""
    for line in lines:
        if not line:
            if data:
                yield name, json.loads(data)
            name, data = "message", ""
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()


def fetch(http: httpx.Client, job_id: str, folder: Path) -> Path:
    """Download the archive from its presigned URL into ``folder`` and return its path.

    Raises JobError if the API does not redirect or the store does not answer 200.
    """
    redirect = http.get(f"/v1/download/{job_id}")
    if redirect.status_code != 302:
        raise JobError(f"GET /v1/download/{job_id} answered {redirect.status_code}, not 302")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job_id}.zip"
    location = urljoin(str(http.base_url), redirect.headers["location"])
    with httpx.stream("GET", location, timeout=60) as body, path.open("wb") as target:
        if body.status_code != 200:
            raise JobError(f"the presigned URL answered {body.status_code}: {body.read()!r}")
        for chunk in body.iter_bytes(1 << 20):
            target.write(chunk)
    return path


def check_archive(path: Path, files: list[SampleFile], size: int) -> None:
    """Test the archive with Info-ZIP's unzip, and compare each file with its source.

    Raises JobError at the first difference.
    """
    if path.stat().st_size != size:
        raise JobError(f"{path} has {path.stat().st_size} bytes, but the status reports {size}")
    unzip = shutil.which("unzip")
    if unzip is None:
        raise JobError("unzip is not installed: apt-get install unzip")
    tested = subprocess.run([unzip, "-tq", str(path)], capture_output=True, text=True, check=False)
    if tested.returncode != 0:
        raise JobError(f"unzip -t rejects the archive: {tested.stdout}{tested.stderr}")
    with zipfile.ZipFile(path) as archive:
        found = {}
        for name in archive.namelist():
            if name == "manifest.json":
                continue
            with archive.open(name) as member:
                found[name] = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
    wanted = sorted(file.digest for file in files)
    if sorted(found.values()) != wanted:
        raise JobError(f"{path} has {len(found)} files whose bytes differ from the sources")

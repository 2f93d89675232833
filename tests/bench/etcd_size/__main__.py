"""Size of jobs in etcd, as reported by etcd.

Run it as ``python -m tests.bench.etcd_size [--jobs 50] [--files 1 100 10000]``. Each job gets the
writes of a run without faults: created, queued, claimed, half done, completed. Every write stores a
new version of the whole object, and etcd keeps the old ones until the API server requests a
compaction, every five minutes.
"""

import argparse
import asyncio
import re
import tempfile
import uuid
from pathlib import Path
from typing import Any, Final

from localcluster.controlplane import ControlPlane, start_control_plane
from tests.harness.api import JOBS, Api
from tests.harness.processes import fetch

ROOT: Final = Path(__file__).resolve().parents[3]
IN_USE: Final = re.compile(r"^etcd_mvcc_db_total_size_in_use_in_bytes (\S+)$", re.MULTILINE)
TIME: Final = "2030-01-02T03:04:05Z"
KILOBYTE: Final = 1_000
NAMESPACE: Final = "default"


def life(files: int) -> list[dict[str, Any]]:
    """Return the statuses that are written one after another."""
    total = {"total": files, "completed": 0, "skipped": 0}
    archive = {
        "bucket": "our-archives",
        "key": f"archives/team-a/{uuid.uuid4()}/1/files.zip",
        "name": "files.zip",
        "size": 10**9,
        "checksum": "CRC32:1234abcd",
    }
    return [
        {"phase": "Queued", "attempt": 1, "queuedTime": TIME, "files": total, "progress": 0},
        {"phase": "Processing", "runner": "default-runner-0", "startTime": TIME, "step": 1},
        {"step": 2, "progress": 50, "files": {**total, "completed": files // 2}},
        {
            "phase": "Completed",
            "step": 3,
            "progress": 100,
            "completionTime": TIME,
            "archive": archive,
            "files": {**total, "completed": files},
        },
    ]


async def live(api: Api, files: int) -> None:
    """Create a job and write its statuses."""
    name = str(uuid.uuid4())
    ids = [str(uuid.uuid4()) for _ in range(files)]
    body = {
        "apiVersion": "wherry.dev/v1",
        "kind": "DownloadJob",
        "metadata": {"name": name},
        "spec": {"fileIDs": ids},
    }
    await api.create(JOBS, NAMESPACE, body)
    for status in life(files):
        await api.patch(JOBS, NAMESPACE, name, {"status": status}, sub="status")


def in_use(plane: ControlPlane) -> float:
    """Return the size of etcd's data in kilobytes, including old versions."""
    found = IN_USE.search(fetch(f"{plane.etcd_url}/metrics"))
    if found is None:
        raise RuntimeError("etcd has no such metric")
    return float(found[1]) / KILOBYTE


async def measure(plane: ControlPlane, jobs: int, files: int) -> None:
    """Print the size per version and per job, measured with ``jobs`` jobs."""
    async with await Api.connect(plane.kubeconfig) as api:
        before = await asyncio.to_thread(in_use, plane)
        for _ in range(jobs):
            await live(api, files)
        after = await asyncio.to_thread(in_use, plane)
    versions = 1 + len(life(files))
    each = (after - before) / jobs
    print(
        f"{files} files: {each / versions:.1f} kB a version, {each:.0f} kB a job until compaction"
    )


def main() -> None:
    """Start a control plane and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 100, 1_000, 10_000])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plane = start_control_plane(Path(folder))
        try:
            plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
            plane.kubectl("wait", "--for=condition=Established", "-f", str(ROOT / "crds"))
            for files in chosen.files:
                asyncio.run(measure(plane, chosen.jobs, files))
        finally:
            plane.stop()


if __name__ == "__main__":
    main()

"""Throughput of the archive engine, compared with other implementations (see ``ways``).

    python -m tests.bench.archive --store versitygw --tuned --link loopback 1gbit --latency 10ms

Every way runs in its own process, so that its peak memory and CPU time are measured separately. On
loopback, store and client share the machine without a network between them. A link limits the
client's rate and adds latency to the store (see ``network_link``; needs root).

``--tuned`` starts versitygw with keep-alive connections, as cloud stores have, and with ETags from
a CRC. By default it computes the MD5 of every byte, on the cores that the client uses.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from localcluster import stores
from tests.bench.archive import tables
from tests.bench.archive.network_link import (
    LOOPBACK,
    Link,
    check_rate,
    linked,
    parse_connection_rate,
    parse_latency,
)
from tests.bench.archive.ways import WAYS, settings_for
from wherry_core import object_store
from wherry_core.archive_deletion import delete_objects
from wherry_core.settings import StoreSettings

UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
FILL_BYTES_IN_FLIGHT: Final = 128 << 20
MEMORY: Final = Path("/dev/shm")  # noqa: S108 the store's directory in it is of a random name
COPIES_HELD: Final = 3.2
"""A store holds sources, parts and archive at the same time while it assembles the archive."""


def parse_size(text: str) -> tuple[int, int]:
    """Return (count, bytes) of a text such as 100x50MiB."""
    found = re.fullmatch(r"(\d+)x(\d+)(KiB|MiB|GiB)", text)
    if found is None:
        raise SystemExit(f"{text!r} is not a size. Write it like 100x50MiB.")
    return int(found[1]), int(found[2]) * UNITS[found[3]]


async def fill(settings: StoreSettings, folder: str, count: int, size: int) -> None:
    """Store ``count`` objects of ``size`` bytes."""
    body = os.urandom(size)
    slots = asyncio.Semaphore(min(32, max(1, FILL_BYTES_IN_FLIGHT // size)))
    async with object_store.connect(settings) as client:

        async def put(number: int) -> None:
            async with slots:
                await client.put_object(
                    Bucket=settings.source_bucket,
                    Key=f"{folder}/{number}",
                    Body=number.to_bytes(8, "big") + body[8:],
                )

        await asyncio.gather(*(put(number) for number in range(count)))


def compare(given: argparse.Namespace) -> Iterator[tables.Run]:
    """Start a store, fill it, and run every way over every link; yield the best of each."""
    _check_room(given.directory, given.sizes)
    state = Path(tempfile.mkdtemp(prefix="wherry-bench-", dir=given.directory))
    try:
        store = stores.start_store(given.store, state)
        try:
            os.environ["AWS_ACCESS_KEY_ID"] = store.access_key
            os.environ["AWS_SECRET_ACCESS_KEY"] = store.secret_key
            for text in given.sizes:
                yield from _sized(given, store, text)
        finally:
            store.stop()
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _sized(given: argparse.Namespace, store: stores.Store, text: str) -> Iterator[tables.Run]:
    count, size = parse_size(text)
    folder = f"files/{text}"
    settings = settings_for(store.endpoint, store.bucket, folder)
    asyncio.run(fill(settings, folder, count, size))
    latency, most = parse_latency(given.latency), parse_connection_rate(given.per_connection)
    for rate in given.link:
        with linked(rate, latency, most, store.endpoint) as link:
            measured: dict[str, list[tables.Run]] = {way: [] for way in given.ways}
            # Alternate between the ways, so that other load on the machine affects all of them.
            for way in given.ways * given.repeat:
                taken = _measured(way, link, store, folder, count, size)
                name = f"{given.store}{'*' if given.tuned else ''}"
                run = tables.Run(name, link.name, text, count, size, way, **taken)
                sys.stderr.write(f"{tables.table([run]).splitlines()[-1]}\n")
                measured[way].append(run)
        yield from (tables.best(of_way) for of_way in measured.values())
    asyncio.run(_empty(settings))


def _measured(
    way: str, link: Link, store: stores.Store, folder: str, count: int, size: int
) -> dict[str, float]:
    words = [*link.prefix, sys.executable, "-m", "tests.bench.archive.ways", way]
    words += [link.endpoint, store.bucket, folder, str(count), str(size)]
    servers = [store.pid] if link.proxy_pid is None else [store.pid, link.proxy_pid]
    before = sum(map(_cpu_seconds, servers))
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["store_cpu"] = sum(map(_cpu_seconds, servers)) - before
    asyncio.run(_empty(settings_for(store.endpoint, store.bucket, "files"), "archives/"))
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _empty(settings: StoreSettings, prefix: str = "files/") -> None:
    async with object_store.connect(settings) as client:
        await delete_objects(client, settings, prefix)


def _check_room(directory: Path, sizes: Sequence[str]) -> None:
    largest = max(count * size for count, size in map(parse_size, sizes))
    needed = int(largest * COPIES_HELD)
    free = shutil.disk_usage(directory).free
    if directory == MEMORY:
        memory = Path("/proc/meminfo").read_text(encoding="ascii")
        free = min(free, int(re.findall(r"MemAvailable:\s+(\d+) kB", memory)[0]) << 10)
    if free < needed:
        raise SystemExit(
            f"{directory} has {free >> 20} MiB free and {needed >> 20} MiB are needed. Take fewer "
            "files with --sizes, or another place with --directory."
        )


def _interrupted(number: int, frame: Any) -> None:
    raise SystemExit(f"ended by signal {number}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["seaweedfs", "versitygw"], default="versitygw")
    parser.add_argument("--sizes", nargs="+", default=["3000x1MiB", "100x50MiB", "10000x4KiB"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--link", nargs="+", type=check_rate, default=[LOOPBACK])
    parser.add_argument("--latency", default="10ms", help="a round trip, where there is a link")
    parser.add_argument(
        "--per-connection", default="85MB", help="a second, where there is a link; 0: no limit"
    )
    parser.add_argument("--tuned", action="store_true", help="versitygw without MD5, kept alive")
    usual = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    parser.add_argument("--directory", type=Path, default=usual, help="data directory of the store")
    given = parser.parse_args()
    # SIGTERM must run the cleanup, too.
    signal.signal(signal.SIGTERM, _interrupted)
    if given.tuned:
        os.environ |= {"VGW_KEEP_ALIVE": "true", "VGW_DATA_INTEGRITY_ETAG": "true"}
    runs: list[tables.Run] = []
    try:
        runs.extend(compare(given))
    finally:
        # Print the results even after an interruption, because measurements take long.
        print(f"{tables.table(runs)}\n\n{tables.goals(runs)}")


if __name__ == "__main__":
    main()

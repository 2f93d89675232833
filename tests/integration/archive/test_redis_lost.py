"""Redis dies while an archive is made: it is an index, and the archive is completed without it."""

import io
import zipfile
from pathlib import Path

import pytest

from localcluster import redisserver
from tests.integration.archive.conftest import Bench
from tests.integration.archive.test_streaming import pattern
from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings
from wherry_jobrunner.archive import ArchiveProgress, ArchiveSettings, bundle

MIB = 1 << 20


@pytest.mark.parametrize("copy_mode", ["auto", "never"])
@pytest.mark.parametrize("moment", ["before the heads", "among the parts"])
async def test_an_archive_is_completed_when_redis_dies(
    bench: Bench, tmp_path: Path, copy_mode: str, moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {f"file {n}": pattern(n, 9 * MIB) for n in range(5)} | {"small": b"small"}
    for name, body in contents.items():
        await bench.put(name, body)
    server = redisserver.start_redis(tmp_path)
    redis = redis_client.connect(RedisSettings(WHERRY_REDIS_URL=server.url))
    dead = False

    def kill(progress: ArchiveProgress | None = None) -> None:
        nonlocal dead
        if not dead and (progress is None or progress.completed_bytes):
            dead = True
            server.kill()

    try:
        if moment == "before the heads":
            kill()
        result = await bundle(
            bench.request(list(contents)),
            bench.client,
            bench.settings,
            report=kill,
            redis=redis,
            archive_settings=ArchiveSettings(
                WHERRY_ARCHIVE_STORE_COPIES=copy_mode, WHERRY_ARCHIVE_BUDGET_MIB=48
            ),
        )
    finally:
        await redis.aclose()
        server.stop()
    assert dead
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        assert {name: opened.read(name) for name in contents} == contents
    assert await bench.uploads() == []
    logged = [record for record in caplog.records if "Redis is unavailable" in record.getMessage()]
    assert logged
    assert {getattr(record, "job", None) for record in logged} == {"team-a/job"}

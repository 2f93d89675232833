"""Real stores and a real Redis for the archive engine."""

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localcluster import redisserver, stores
from wherry_core import object_store
from wherry_core.redis import client as redis_client
from wherry_core.resources.download_job import OnMissing
from wherry_core.settings import RedisSettings, StoreSettings
from wherry_jobrunner.archive import (
    ArchiveProgress,
    ArchiveRequest,
    ArchiveResult,
    ArchiveSettings,
    bundle,
)

STORES: list[stores.Kind] = ["seaweedfs", "versitygw"]


@dataclass
class Bench:
    """A store with a folder of its own for one test, and the client that the runner would have."""

    store: stores.Store
    settings: StoreSettings
    client: Any
    folder: str
    redis: Any = None
    tuning: ArchiveSettings = field(default_factory=ArchiveSettings)
    reports: list[ArchiveProgress] = field(default_factory=list)
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    async def put(self, file_id: str, body: bytes, **more: Any) -> None:
        await self.client.put_object(
            Bucket=self.store.bucket, Key=f"{self.folder}/{file_id}", Body=body, **more
        )

    async def get(self, key: str) -> bytes:
        answer = await self.client.get_object(Bucket=self.store.bucket, Key=key)
        async with answer["Body"] as body:
            content: bytes = await body.read()
        return content

    def request(
        self,
        ids: Sequence[str],
        *,
        on_missing: OnMissing = OnMissing.FAIL,
        attempt: int = 1,
        name: str = "photos.zip",
    ) -> ArchiveRequest:
        return ArchiveRequest(
            namespace="team-a",
            uid=self.uid,
            attempt=attempt,
            file_ids=tuple(ids),
            archive_name=name,
            on_missing=on_missing,
            job="team-a/job",
        )

    async def bundle(self, ids: Sequence[str], **more: Any) -> ArchiveResult:
        return await bundle(
            self.request(ids, **more),
            self.client,
            self.settings,
            report=self.reports.append,
            redis=self.redis,
            archive_settings=self.tuning,
        )

    async def uploads(self) -> list[str]:
        answer = await self.client.list_multipart_uploads(
            Bucket=self.store.bucket, Prefix=f"archives/team-a/{self.uid}/"
        )
        return [item["Key"] for item in answer.get("Uploads", [])]

    async def archives(self) -> list[str]:
        answer = await self.client.list_objects_v2(
            Bucket=self.store.bucket, Prefix=f"archives/team-a/{self.uid}/"
        )
        return [item["Key"] for item in answer.get("Contents", [])]


@pytest.fixture(scope="session", params=STORES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stores.Store]:
    state: Path = tmp_path_factory.mktemp(request.param)
    running = stores.start_store(request.param, state)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redisserver.Redis]:
    running = redisserver.start_redis(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture
async def redis(redis_server: redisserver.Redis) -> AsyncIterator[Any]:
    settings = RedisSettings(WHERRY_REDIS_URL=redis_server.url)
    connection = redis_client.connect(settings)
    yield connection
    await connection.aclose()


def store_settings(store: stores.Store, folder: str, **more: Any) -> StoreSettings:
    return StoreSettings(
        WHERRY_S3_ENDPOINT_URL=more.pop("endpoint", store.endpoint),
        WHERRY_SOURCE_BUCKET=store.bucket,
        WHERRY_SOURCE_KEY_TEMPLATE=folder + "/{id}",
        WHERRY_ARCHIVE_BUCKET=store.bucket,
        **more,
    )


@pytest.fixture
async def bench(store: stores.Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret_key)
    folder = f"files/{uuid.uuid4().hex[:8]}"
    settings = store_settings(store, folder)
    async with object_store.connect(settings) as client:
        yield Bench(store, settings, client, folder)

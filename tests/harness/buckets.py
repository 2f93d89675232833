"""An S3 bucket of its own for a test, and the settings that components need to use it."""

import dataclasses
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from localcluster.stores import Store
from tests.harness.model import SourceVersion
from wherry_core.settings import StoreSettings


class StoreAccess(Protocol):
    """Where an S3 store is, and the keys to it."""

    @property
    def endpoint(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...


@asynccontextmanager
async def connect_store(store: StoreAccess) -> AsyncIterator[Any]:
    """Yield an S3 client with the store's own keys, whatever the environment holds."""
    session = get_session()
    session.set_credentials(store.access_key, store.secret_key)
    config = AioConfig(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    async with session.create_client(
        "s3", region_name=store.region, endpoint_url=store.endpoint, config=config
    ) as client:
        yield client


async def keys_in(client: Any, bucket: str, prefix: str = "") -> list[str]:
    """Return the keys of all objects of a bucket under ``prefix``."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [each["Key"] async for page in pages for each in page.get("Contents", [])]


@dataclass(frozen=True)
class Bucket:
    """One fresh bucket: sources under ``files/``, archives under ``archives/``."""

    store: Store
    """The server behind it; ``kill`` and ``localcluster.stores.start_store`` work on it."""
    name: str
    sources: dict[str, tuple[SourceVersion, ...]] = field(default_factory=dict, compare=False)
    """The bytes that the source files had, by id; :meth:`put_files` records them."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which a component uses this bucket."""
        return {
            "AWS_ACCESS_KEY_ID": self.store.access_key,
            "AWS_SECRET_ACCESS_KEY": self.store.secret_key,
            "WHERRY_S3_ENDPOINT_URL": self.store.endpoint,
            "WHERRY_S3_REGION": self.store.region,
            "WHERRY_SOURCE_BUCKET": self.name,
            "WHERRY_ARCHIVE_BUCKET": self.name,
        }

    @property
    def settings(self) -> StoreSettings:
        """The same, as the settings that functions take."""
        return StoreSettings.model_validate(self.environment)

    def connect(self) -> AbstractAsyncContextManager[Any]:
        """Return a context that yields an S3 client; see :func:`connect_store`."""
        return connect_store(self.store)

    async def put_files(self, files: dict[str, bytes]) -> None:
        """Store source files by id, or replace their bytes."""
        async with self.connect() as client:
            for file_id, body in files.items():
                new = SourceVersion(zlib.crc32(body), datetime.now(UTC))
                older = self.sources.get(file_id, ())
                self.sources[file_id] = (*older, new)
                await client.put_object(Bucket=self.name, Key=f"files/{file_id}", Body=body)
                if older:
                    last = dataclasses.replace(older[-1], replaced=datetime.now(UTC))
                    self.sources[file_id] = (*older[:-1], last, new)

    async def read(self, key: str) -> bytes:
        """Return the bytes of one object."""
        async with self.connect() as client:
            answer = await client.get_object(Bucket=self.name, Key=key)
            async with answer["Body"] as stream:
                return bytes(await stream.read())

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects under ``prefix``."""
        async with self.connect() as client:
            return await keys_in(client, self.name, prefix)

    async def uploads(self, prefix: str = "") -> list[str]:
        """Return the keys of all unfinished multipart uploads under ``prefix``."""
        async with self.connect() as client:
            answer = await client.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
            return [each["Key"] for each in answer.get("Uploads", [])]


def fresh_bucket(store: Store) -> Bucket:
    """Make a bucket with a name of its own."""
    name = f"test-{secrets.token_hex(6)}"
    store.make_bucket(name)
    return Bucket(store=store, name=name)

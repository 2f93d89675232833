"""An S3 bucket of its own for a test, and the settings that components need to use it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from localcluster.stores import Store
from wherry_core.settings import StoreSettings


@dataclass(frozen=True)
class Bucket:
    """One fresh bucket: sources under ``files/``, archives under ``archives/``."""

    store: Store
    """The server behind it; ``kill`` and ``localcluster.stores.start_store`` work on it."""
    name: str

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

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        """Yield an S3 client with the store's own keys, whatever the environment holds."""
        session = get_session()
        session.set_credentials(self.store.access_key, self.store.secret_key)
        config = AioConfig(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        async with session.create_client(
            "s3",
            region_name=self.store.region,
            endpoint_url=self.store.endpoint,
            config=config,
        ) as client:
            yield client

    async def put_files(self, files: dict[str, bytes]) -> None:
        """Store source files by id."""
        async with self.connect() as client:
            for file_id, body in files.items():
                await client.put_object(Bucket=self.name, Key=f"files/{file_id}", Body=body)

    async def read(self, key: str) -> bytes:
        """Return the bytes of one object."""
        async with self.connect() as client:
            answer = await client.get_object(Bucket=self.name, Key=key)
            async with answer["Body"] as stream:
                return bytes(await stream.read())

    async def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects under ``prefix``."""
        async with self.connect() as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            return [each["Key"] async for page in pages for each in page.get("Contents", [])]

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

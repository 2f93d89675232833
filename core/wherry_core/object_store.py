"""The S3 client for everything except the data path of an archive."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from wherry_core.settings import StoreSettings

MAX_POOL_CONNECTIONS = 64


def connect(
    settings: StoreSettings,
    *,
    public: bool = False,
    max_connections: int = MAX_POOL_CONNECTIONS,
    max_attempts: int = 4,
) -> AbstractAsyncContextManager[Any]:
    """Return a context manager that yields an S3 client.

    Credentials come from the standard AWS variables, files or pod identity. ``public`` returns a
    client that signs URLs for downloading clients. Checksums are sent to AWS only, because other
    stores reject or drop the trailers that newer SDKs add.
    """
    endpoint = settings.endpoint_url
    if public and settings.public_endpoint_url:
        endpoint = settings.public_endpoint_url
    checksums = "when_supported" if settings.endpoint_url is None else "when_required"
    config = AioConfig(
        signature_version="s3v4",
        max_pool_connections=max_connections,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
    )
    return get_session().create_client(  # type: ignore[no-any-return]
        "s3", region_name=settings.region, endpoint_url=endpoint, config=config
    )

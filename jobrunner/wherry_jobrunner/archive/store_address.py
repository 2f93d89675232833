"""Where a bucket is, and the proxy on the way there."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from wherry_core.http_proxy import proxy_for


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is: scheme and host, the host to sign, the path before every key."""

    origin: str
    host: str
    prefix: str
    proxy: str | None = None
    """URL of the proxy that the environment names for this host, if it does."""


async def address_of(client: Any, bucket: str) -> Address:
    """Ask the client itself: it knows addressing styles, regions and special endpoints."""
    url = await client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    proxy = proxy_for(parts.scheme, parts.netloc)
    return Address(origin, parts.netloc, parts.path.removesuffix("x"), proxy)

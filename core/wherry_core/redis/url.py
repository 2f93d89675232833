"""URLs of Redis: one server, Sentinels, or a cluster.

An unusable URL is refused as the settings are read. No message shows a part of it, because where a
password ends is unknown in a URL that cannot be parsed.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

SINGLE_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
CLUSTER_SCHEME: Final = "redis+cluster"
SENTINEL_SCHEME: Final = "redis+sentinel"
REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
DEFAULT_MASTER: Final = "mymaster"


class RedisUrlError(ValueError):
    """Raised for a URL that cannot be used; says why without a part of the URL."""


@dataclass(frozen=True)
class RedisUrl:
    """The parts of a URL that was checked."""

    scheme: str
    url: str = field(repr=False)
    hosts: tuple[tuple[str, int], ...]
    """Host and port of each address; empty for a Unix socket."""
    username: str | None
    password: str | None = field(repr=False)
    database: int
    master: str
    """Name by which Sentinels know the master."""


def parse(url: str) -> RedisUrl:
    """Return the parts of ``url``. Raises RedisUrlError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RedisUrlError(
            "The Redis URL has a '[' or ']' that encloses no IPv6 address. Percent-encode both in "
            "the password, as %5B and %5D."
        ) from None
    if parts.scheme not in SINGLE_SCHEMES | {CLUSTER_SCHEME, SENTINEL_SCHEME}:
        raise RedisUrlError(
            "The Redis URL has an unknown scheme. Start it with redis://, rediss://, unix://, "
            "redis+sentinel:// or redis+cluster://."
        )
    if "@" in parts.path + parts.query + parts.fragment:
        raise RedisUrlError(
            "The Redis URL has a '/', '?' or '#' before its last '@'. Percent-encode them in the "
            "password, as %2F, %3F and %23."
        )
    credentials, _, addresses = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    hosts = () if parts.scheme == "unix" else _hosts(parts.scheme, addresses)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    checked = RedisUrl(
        scheme=parts.scheme,
        url=url,
        hosts=hosts,
        username=unquote(username) or None,
        password=unquote(password) or None,
        database=_database(parts.scheme, parts.path, query),
        master=unquote(parts.path.strip("/")) or DEFAULT_MASTER,
    )
    if parts.scheme in SINGLE_SCHEMES:
        _check_parameters(url)
    elif query.keys() - ({"db"} if parts.scheme == SENTINEL_SCHEME else set()):
        raise RedisUrlError(
            "The Redis URL has a parameter that its scheme does not know; TLS is available with "
            "rediss:// alone. Remove what follows the '?', except db in a redis+sentinel:// URL."
        )
    return checked


def _hosts(scheme: str, addresses: str) -> tuple[tuple[str, int], ...]:
    default = SENTINEL_PORT if scheme == SENTINEL_SCHEME else REDIS_PORT
    hosts = tuple(_host(address, default) for address in addresses.split(","))
    if len(hosts) > 1 and scheme in SINGLE_SCHEMES:
        raise RedisUrlError(
            "The Redis URL names several hosts. Use redis+sentinel:// or redis+cluster:// for "
            "them, and percent-encode a ',' in the password as %2C."
        )
    return hosts


def _host(address: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = "unknown", 0
    if not host:
        raise RedisUrlError(
            "The Redis URL names no host. Write it as redis://:<password>@<host>:<port>/<database>."
        )
    if port == 0:
        raise RedisUrlError(
            "The Redis URL has a port that is not a number from 1 to 65535. Correct it, or "
            "percent-encode ':', '/' and '@' in the password."
        )
    return host, port or default_port


def _database(scheme: str, path: str, query: dict[str, str]) -> int:
    inside_path = "" if scheme in {"unix", SENTINEL_SCHEME} else path.strip("/")
    number = query.get("db", inside_path) or "0"
    if not (number.isascii() and number.isdigit()):
        raise RedisUrlError(
            "The Redis URL has a database that is not a number. Write it as "
            "redis://<host>:<port>/0, or ?db=0 with unix:// and redis+sentinel://."
        )
    if scheme == CLUSTER_SCHEME and int(number) != 0:
        raise RedisUrlError(
            "The Redis URL names a database of a cluster, which has only database 0. Remove the "
            "number, and set WHERRY_RELEASE to share the cluster."
        )
    return int(number)


def _check_parameters(url: str) -> None:
    """Refuse parameters that redis-py would only refuse when it connects."""
    try:
        pool = BlockingConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, RedisError):
        raise RedisUrlError(
            "The Redis URL has a parameter that redis-py refuses. Remove it from what follows the "
            "'?', or correct its value."
        ) from None

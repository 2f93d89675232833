"""The settings and connections that every attempt of a runner uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from wherry_core.redis.client import Redis
from wherry_core.redis.link import RedisLink
from wherry_core.settings import LifetimeSettings, StoreSettings
from wherry_jobrunner.archive.interface import ArchiveProgress, ArchiveRequest, ArchiveResult
from wherry_jobrunner.kubernetes_client import JobClient
from wherry_jobrunner.settings import RunnerSettings


class Bundle(Protocol):
    """The archive engine's ``bundle``."""

    def __call__(
        self,
        request: ArchiveRequest,
        client: Any,
        settings: StoreSettings,
        *,
        report: Callable[[ArchiveProgress], None],
        redis: Redis | None = None,
    ) -> Awaitable[ArchiveResult]:
        """Make one archive."""
        ...


@dataclass(frozen=True)
class Dependencies:
    """Settings and connections of the process."""

    settings: RunnerSettings
    store_settings: StoreSettings
    lifetimes: LifetimeSettings
    jobs: JobClient
    redis: RedisLink
    store: Any
    """S3 client."""
    bundle: Bundle

"""Settings of the runner, read from the environment and checked at start."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.redis.runner_registry import RunnerId
from wherry_core.settings import DNS_LABEL

DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"


class RunnerSettings(BaseSettings):
    """Identity, concurrency and times of a runner."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    name: Annotated[
        str, Field(validation_alias="WHERRY_RUNNER_NAME", pattern=DNS_SUBDOMAIN, max_length=253)
    ]
    """Name of the runner's pod. The operator sets it."""
    uid: Annotated[str, Field(validation_alias="WHERRY_RUNNER_UID", max_length=64)] = ""
    """Uid of the runner's pod. A pod with the same name and another uid is another runner. The
    operator sets it. Empty: the name alone identifies the runner."""
    pool: Annotated[
        str, Field(validation_alias="WHERRY_POOL", pattern=DNS_LABEL, max_length=63)
    ] = "default"
    """Pool whose queue the runner pops. The operator sets it."""
    concurrency: Annotated[int, Field(validation_alias="WHERRY_CONCURRENCY", ge=1, le=100)] = 5
    """Number of concurrent jobs. The operator sets it from the pool."""
    health_port: Annotated[int, Field(validation_alias="WHERRY_HEALTH_PORT", ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics. 0: none."""
    stop_grace_seconds: Annotated[
        float, Field(validation_alias="WHERRY_STOP_GRACE_SECONDS", ge=0, le=86_400)
    ] = 20
    """Seconds after SIGTERM for which claimed jobs may still finish before they are handed back.
    Set it to ten seconds less than the pod's terminationGracePeriodSeconds."""
    completion_patience_seconds: Annotated[
        float, Field(validation_alias="WHERRY_COMPLETION_PATIENCE_SECONDS", ge=10, le=86_400)
    ] = 900
    """Seconds for which the result of an attempt is kept and sent again while the API server is
    unavailable."""
    delay_enabled: Annotated[bool, Field(validation_alias="DOWNLOAD_DELAY_ENABLED")] = False
    """Add a random delay before each archive, to simulate slow jobs while developing a client."""
    delay_min_ms: Annotated[
        int, Field(validation_alias="DOWNLOAD_DELAY_MIN_MS", ge=0, le=86_400_000)
    ] = 10_000
    """Minimum simulated delay in milliseconds."""
    delay_max_ms: Annotated[
        int, Field(validation_alias="DOWNLOAD_DELAY_MAX_MS", ge=0, le=86_400_000)
    ] = 120_000
    """Maximum simulated delay in milliseconds."""

    @property
    def runner(self) -> RunnerId:
        """The identity of this runner."""
        return RunnerId(self.name, self.uid)

    @model_validator(mode="after")
    def _ordered(self) -> "RunnerSettings":
        if self.delay_enabled and self.delay_min_ms > self.delay_max_ms:
            raise ValueError("DOWNLOAD_DELAY_MIN_MS must not be greater than DOWNLOAD_DELAY_MAX_MS")
        return self

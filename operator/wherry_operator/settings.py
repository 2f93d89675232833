"""Settings of the operator, read from the environment."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.settings import DNS_LABEL

ALL_NAMESPACES = "*"


class OperatorSettings(BaseSettings):
    """Namespaces, limits and intervals of the operator."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    namespace: Annotated[str, Field(validation_alias="WHERRY_NAMESPACE", pattern=DNS_LABEL)]
    """Namespace of the release: pools, runner pods and the Lease."""
    tenant_namespaces: Annotated[str, Field(validation_alias="WHERRY_TENANT_NAMESPACES")] = ""
    """Namespaces with jobs, comma-separated, or `*` for all. Empty: the release's own."""
    health_port: Annotated[int, Field(validation_alias="WHERRY_HEALTH_PORT", ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics. 0: none."""
    workers: Annotated[int, Field(validation_alias="WHERRY_OPERATOR_WORKERS", ge=1, le=256)] = 16
    """Number of jobs that are reconciled concurrently."""
    tenant_running_limit: Annotated[
        int, Field(validation_alias="WHERRY_TENANT_RUNNING_LIMIT", ge=0)
    ] = 0
    """Maximum jobs per tenant that are queued or running; others are held back. 0: no limit."""
    lost_attempts_limit: Annotated[
        int, Field(validation_alias="WHERRY_LOST_ATTEMPTS_LIMIT", ge=0, le=100)
    ] = 10
    """Lost runners per job after which it fails."""
    explain_after_seconds: Annotated[
        float, Field(validation_alias="WHERRY_EXPLAIN_AFTER_SECONDS", ge=1)
    ] = 30
    """Seconds that a job waits before it gets the condition Waiting."""
    heartbeat_timeout_seconds: Annotated[
        float, Field(validation_alias="WHERRY_HEARTBEAT_TIMEOUT_SECONDS", ge=6)
    ] = 30
    """Seconds without a heartbeat after which a runner is lost, while Redis is available."""
    leader_election: Annotated[bool, Field(validation_alias="WHERRY_LEADER_ELECTION")] = True
    """Elect a leader with a Lease. A single replica does not need it."""
    lease_seconds: Annotated[int, Field(validation_alias="WHERRY_LEASE_SECONDS", ge=6, le=60)] = 12
    """Seconds after which the Lease of a dead leader expires."""
    sweep_seconds: Annotated[float, Field(validation_alias="WHERRY_SWEEP_SECONDS", ge=1)] = 60
    """Seconds between comparisons of the cache with the API server."""
    watch_silence_seconds: Annotated[
        float, Field(validation_alias="WHERRY_WATCH_SILENCE_SECONDS", ge=5)
    ] = 75
    """Seconds without an event or bookmark after which a watch is restarted."""
    archive_sweep_seconds: Annotated[
        float, Field(validation_alias="WHERRY_ARCHIVE_SWEEP_SECONDS", ge=1)
    ] = 3_600
    """Seconds between sweeps for orphaned archives and uploads."""
    orphan_age_seconds: Annotated[
        float, Field(validation_alias="WHERRY_ORPHAN_AGE_SECONDS", ge=0)
    ] = 3_600
    """Minimum age in seconds of an orphan in the store."""

    @field_validator("tenant_namespaces")
    @classmethod
    def _names(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if ALL_NAMESPACES in names and len(names) > 1:
            raise ValueError("use either a list of namespaces or *, not both")
        return ",".join(dict.fromkeys(names))

    @property
    def tenants(self) -> tuple[str, ...] | None:
        """Namespaces with jobs, or None for all namespaces."""
        if self.tenant_namespaces == ALL_NAMESPACES:
            return None
        return (
            tuple(self.tenant_namespaces.split(","))
            if self.tenant_namespaces
            else (self.namespace,)
        )

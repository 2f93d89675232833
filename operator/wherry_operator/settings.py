"""Settings of the operator, read from the environment."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.settings import DNS_LABEL

ALL_NAMESPACES = "*"


class OperatorSettings(BaseSettings):
    """What the operator watches, and the limits that it holds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    namespace: Annotated[str, Field(validation_alias="WHERRY_NAMESPACE", pattern=DNS_LABEL)]
    """Namespace of the release: pools, runner pods and the Lease."""
    tenant_namespaces: Annotated[str, Field(validation_alias="WHERRY_TENANT_NAMESPACES")] = ""
    """Namespaces with jobs, separated by commas; * for all; left out, the release's own."""
    health_port: Annotated[int, Field(validation_alias="WHERRY_HEALTH_PORT", ge=0, le=65535)] = 8080
    """Port of /healthz, /readyz and /metrics; 0 for none."""
    workers: Annotated[int, Field(validation_alias="WHERRY_OPERATOR_WORKERS", ge=1, le=256)] = 16
    """Jobs that are reconciled at the same time."""
    tenant_running_limit: Annotated[
        int, Field(validation_alias="WHERRY_TENANT_RUNNING_LIMIT", ge=0)
    ] = 0
    """Jobs of one tenant that may be in the queue's front or run at the same time; 0: no limit."""
    lost_attempts_limit: Annotated[
        int, Field(validation_alias="WHERRY_LOST_ATTEMPTS_LIMIT", ge=0, le=100)
    ] = 10
    """Attempts that a job may lose with their runners before it fails."""
    explain_after_seconds: Annotated[
        float, Field(validation_alias="WHERRY_EXPLAIN_AFTER_SECONDS", ge=1)
    ] = 30
    """Seconds that a job waits before its condition Waiting tells why."""
    heartbeat_timeout_seconds: Annotated[
        float, Field(validation_alias="WHERRY_HEARTBEAT_TIMEOUT_SECONDS", ge=6)
    ] = 30
    """Seconds without a heartbeat after which a runner counts as lost, while Redis answers."""
    leader_election: Annotated[bool, Field(validation_alias="WHERRY_LEADER_ELECTION")] = True
    """Hold a Lease, so that one of several replicas acts; one replica may go without."""
    lease_seconds: Annotated[int, Field(validation_alias="WHERRY_LEASE_SECONDS", ge=6, le=60)] = 12
    """Seconds that the Lease outlives a leader that is gone."""
    sweep_seconds: Annotated[float, Field(validation_alias="WHERRY_SWEEP_SECONDS", ge=1)] = 60
    """Seconds between two comparisons of the cache with the API server."""
    watch_silence_seconds: Annotated[
        float, Field(validation_alias="WHERRY_WATCH_SILENCE_SECONDS", ge=5)
    ] = 75
    """Seconds after which a watch that brings nothing, not even a bookmark, is made anew."""
    archive_sweep_seconds: Annotated[
        float, Field(validation_alias="WHERRY_ARCHIVE_SWEEP_SECONDS", ge=1)
    ] = 3_600
    """Seconds between two searches for archives and uploads that no job owns."""
    orphan_age_seconds: Annotated[
        float, Field(validation_alias="WHERRY_ORPHAN_AGE_SECONDS", ge=0)
    ] = 3_600
    """Age below which nothing in the store counts as unowned."""

    @field_validator("tenant_namespaces")
    @classmethod
    def _names(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",") if name.strip()]
        if ALL_NAMESPACES in names and len(names) > 1:
            raise ValueError("name either single namespaces or * for all of them, not both")
        return ",".join(dict.fromkeys(names))

    @property
    def tenants(self) -> tuple[str, ...] | None:
        """The namespaces with jobs, or None for all of the cluster."""
        if self.tenant_namespaces == ALL_NAMESPACES:
            return None
        return (
            tuple(self.tenant_namespaces.split(","))
            if self.tenant_namespaces
            else (self.namespace,)
        )

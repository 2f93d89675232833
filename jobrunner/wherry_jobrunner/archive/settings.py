"""Settings of the archive engine, read from the environment and checked at start."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ArchiveSettings(BaseSettings):
    """Memory, concurrency and lookup of the archive engine."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    budget_mib: Annotated[
        int, Field(validation_alias="WHERRY_ARCHIVE_BUDGET_MIB", ge=48, le=65_536)
    ] = 128
    """MiB of file contents in memory, across all jobs of a runner."""
    part_mib: Annotated[int, Field(validation_alias="WHERRY_ARCHIVE_PART_MIB", ge=5, le=64)] = 8
    """MiB of an uploaded part. Parts are larger if the archive would need more than 10,000."""
    connections: Annotated[
        int, Field(validation_alias="WHERRY_ARCHIVE_CONNECTIONS", ge=1, le=1_024)
    ] = 64
    """Concurrent requests for objects and parts per job."""
    attempts: Annotated[
        int, Field(validation_alias="WHERRY_ARCHIVE_REQUEST_ATTEMPTS", ge=1, le=20)
    ] = 6
    """Tries of one request before the job's attempt fails."""
    request_timeout_seconds: Annotated[
        float, Field(validation_alias="WHERRY_ARCHIVE_REQUEST_TIMEOUT_SECONDS", gt=0, le=3_600)
    ] = 60.0
    """Seconds without a byte after which a request fails."""
    sha256: Annotated[bool, Field(validation_alias="WHERRY_ARCHIVE_SHA256")] = True
    """Put the SHA-256 of every streamed file into the manifest beside the archive."""
    copy_mode: Annotated[
        Literal["auto", "never"], Field(validation_alias="WHERRY_ARCHIVE_STORE_COPIES")
    ] = "auto"
    """`auto`: the store copies large ranges if a probe shows that it can. `never`: stream them."""
    copy_mib: Annotated[int, Field(validation_alias="WHERRY_ARCHIVE_COPY_MIB", ge=5, le=2_560)] = 64
    """MiB of one range that the store copies."""
    copies: Annotated[int, Field(validation_alias="WHERRY_ARCHIVE_COPIES", ge=1, le=256)] = 32
    """Concurrently copied ranges per job."""
    catalogue_url: Annotated[SecretStr | None, Field(validation_alias="WHERRY_CATALOGUE_URL")] = (
        None
    )
    """URL of a service that maps file ids to object keys and names. Empty: the key template."""
    catalogue_token: Annotated[
        SecretStr | None, Field(validation_alias="WHERRY_CATALOGUE_TOKEN")
    ] = None
    """Bearer token for the catalogue."""
    catalogue_batch: Annotated[
        int, Field(validation_alias="WHERRY_CATALOGUE_BATCH", ge=1, le=10_000)
    ] = 500
    """File ids per request to the catalogue."""
    catalogue_timeout_seconds: Annotated[
        float, Field(validation_alias="WHERRY_CATALOGUE_TIMEOUT_SECONDS", gt=0, le=600)
    ] = 10.0
    """Seconds for one response of the catalogue."""

    @field_validator("catalogue_url")
    @classmethod
    def _http(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value

"""Settings that all components read from the environment and check as they start.

Redis, TTL, URL expiry and the simulated delay keep their well-known names; everything else
carries the prefix ``WHERRY_``. Store credentials come from the standard AWS variables.
"""

import sys
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.redis import url as redis_url

Settings = TypeVar("Settings", bound=BaseSettings)

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
RELEASE = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?)?$"


class RedisSettings(BaseSettings):
    """How to connect to Redis, and the prefix of this release's keys."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    host: Annotated[str, Field(validation_alias="REDIS_HOST")] = "localhost"
    """Redis host name or address."""
    port: Annotated[int, Field(validation_alias="REDIS_PORT", ge=1, le=65535)] = 6379
    """Redis port."""
    password: Annotated[SecretStr | None, Field(validation_alias="REDIS_PASSWORD")] = None
    """Redis password."""
    database: Annotated[int, Field(validation_alias="REDIS_DB", ge=0)] = 0
    """Redis database number."""
    url: Annotated[SecretStr | None, Field(validation_alias="WHERRY_REDIS_URL")] = None
    """URL (`redis`, `rediss`, `redis+sentinel`, `redis+cluster`) that replaces the four above."""
    release: Annotated[str, Field(validation_alias="WHERRY_RELEASE", pattern=RELEASE)] = ""
    """Namespace and name of the release, for example `wherry/main`. All Redis keys contain it, so
    that two releases can share a database. Empty: keys contain no release. The chart sets it."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            redis_url.parse(value.get_secret_value())
        return value

    @property
    def parsed_url(self) -> redis_url.RedisUrl | None:
        """The parsed ``url``, or None if it is not set."""
        return None if self.url is None else redis_url.parse(self.url.get_secret_value())


class StoreSettings(BaseSettings):
    """The S3 store, and the location of files and archives in it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    endpoint_url: Annotated[str | None, Field(validation_alias="WHERRY_S3_ENDPOINT_URL")] = None
    """URL of the store for the pods. Empty: AWS."""
    public_endpoint_url: Annotated[
        str | None, Field(validation_alias="WHERRY_S3_PUBLIC_ENDPOINT_URL")
    ] = None
    """URL of the store for clients, used in presigned URLs. Empty: the same as for the pods."""
    region: Annotated[str, Field(validation_alias="WHERRY_S3_REGION")] = "us-east-1"
    """Region for signing requests."""
    addressing_style: Annotated[
        Literal["auto", "path", "virtual"], Field(validation_alias="WHERRY_S3_ADDRESSING_STYLE")
    ] = "auto"
    """Bucket in the path or in the host name. `auto`: `path` if an endpoint URL is set."""
    source_bucket: Annotated[
        str, Field(validation_alias="WHERRY_SOURCE_BUCKET", min_length=3, max_length=255)
    ]
    """Bucket with the source files."""
    source_key_template: Annotated[str, Field(validation_alias="WHERRY_SOURCE_KEY_TEMPLATE")] = (
        "files/{id}"
    )
    """Object key of a file id. `{tenant}` is the job's namespace."""
    archive_bucket: Annotated[
        str, Field(validation_alias="WHERRY_ARCHIVE_BUCKET", min_length=3, max_length=255)
    ]
    """Bucket for the archives."""
    archive_prefix: Annotated[str, Field(validation_alias="WHERRY_ARCHIVE_PREFIX")] = "archives/"
    """Key prefix of all archives. Nothing is written or deleted outside it."""

    @field_validator("endpoint_url", "public_endpoint_url")
    @classmethod
    def _an_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            usable = usable and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            # Not the value itself, which may contain a password.
            raise ValueError("it must start with http:// or https:// and name a host")
        return value

    @field_validator("source_key_template")
    @classmethod
    def _one_placeholder(cls, value: str) -> str:
        rest = value.replace("{tenant}", "", 1).replace("{id}", "", 1)
        if "{id}" not in value or "{" in rest:
            raise ValueError(
                "it must contain {id} exactly once, {tenant} at most once, and no other braces"
            )
        return value

    @field_validator("archive_prefix")
    @classmethod
    def _a_folder(cls, value: str) -> str:
        if not value.endswith("/") or value.startswith("/"):
            raise ValueError("it must end with a slash and not start with one, as in archives/")
        return value

    @model_validator(mode="after")
    def _apart(self) -> "StoreSettings":
        template = self.source_key_template
        if self.source_bucket == self.archive_bucket and template.startswith(self.archive_prefix):
            raise ValueError(
                "WHERRY_SOURCE_KEY_TEMPLATE must not be under WHERRY_ARCHIVE_PREFIX in one bucket"
            )
        return self

    @property
    def path_style(self) -> bool:
        """True when the bucket goes into the path of a URL."""
        if self.addressing_style == "auto":
            return self.endpoint_url is not None
        return self.addressing_style == "path"


class LifetimeSettings(BaseSettings):
    """TTLs of finished jobs and validity of presigned URLs, in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    completed: Annotated[int, Field(validation_alias="JOB_TTL_SECONDS", ge=0)] = 86_400
    """TTL of a completed job and its archive, in seconds."""
    failed: Annotated[int, Field(validation_alias="WHERRY_FAILED_TTL_SECONDS", ge=0)] = 3_600
    """TTL of a failed or cancelled job, in seconds."""
    dead_lettered: Annotated[
        int, Field(validation_alias="WHERRY_DEAD_LETTER_TTL_SECONDS", ge=0)
    ] = 604_800
    """TTL of a dead-lettered job (all attempts used up), in seconds."""
    presigned_url: Annotated[
        int, Field(validation_alias="PRESIGNED_URL_EXPIRY_SECONDS", ge=1, le=900)
    ] = 900
    """Validity of a presigned download URL, in seconds. Anyone who has the URL can download the
    archive for that time."""

    @property
    def longest(self) -> int:
        """Longest TTL in seconds of a finished job without ttlSecondsAfterFinished."""
        return max(self.completed, self.failed, self.dead_lettered)


class LogSettings(BaseSettings):
    """Level and format of logs."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(validation_alias="WHERRY_LOG_LEVEL")
    ] = "info"
    """Minimum severity of logged messages."""
    format: Annotated[
        Literal["auto", "json", "text"], Field(validation_alias="WHERRY_LOG_FORMAT")
    ] = "auto"
    """`json`: one object per line; `text`: for people; `auto`: text in a terminal, else JSON."""


def load(settings: type[Settings]) -> Settings:
    """Read ``settings`` from the environment, or exit with status 2 and a sentence for each fault.

    Each sentence names its variable, but not the value, which may be a secret.
    """
    try:
        return settings()
    except ValidationError as error:
        lines = [
            f"  {_variable(settings, e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False)
        ]
        sys.stderr.write("These settings are invalid:\n")
        sys.stderr.write("\n".join(lines) + "\nSee docs/settings.md for the valid values.\n")
        raise SystemExit(2) from None


def _variable(settings: type[BaseSettings], place: tuple[str | int, ...]) -> str:
    """Return the name of the variable at fault."""
    first, *rest = (str(part) for part in place) if place else ("the settings together",)
    if first in settings.model_fields:
        first = (settings.model_config.get("env_prefix", "") + first).upper()
    return ".".join((first, *rest))

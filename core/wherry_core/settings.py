"""Settings that all components read from the environment, checked at start.

Redis, TTL, URL expiry and the simulated delay keep their well-known names; everything else
carries the prefix ``WHERRY_``. Store credentials come from the standard AWS variables.
"""

import sys
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.redis import url as redis_url

Settings = TypeVar("Settings", bound=BaseSettings)

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
RELEASE = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?)?$"


class RedisSettings(BaseSettings):
    """Where Redis is, and which keys in it are this release's."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    host: Annotated[str, Field(validation_alias="REDIS_HOST")] = "localhost"
    """Host name or address."""
    port: Annotated[int, Field(validation_alias="REDIS_PORT", ge=1, le=65535)] = 6379
    """TCP port."""
    password: Annotated[SecretStr | None, Field(validation_alias="REDIS_PASSWORD")] = None
    """Password, if Redis asks for one."""
    database: Annotated[int, Field(validation_alias="REDIS_DB", ge=0)] = 0
    """Database number."""
    url: Annotated[SecretStr | None, Field(validation_alias="WHERRY_REDIS_URL")] = None
    """A redis, rediss, redis+sentinel or redis+cluster URL instead of the four above."""
    release: Annotated[str, Field(validation_alias="WHERRY_RELEASE", pattern=RELEASE)] = ""
    """Namespace and name of the release, as in `wherry/main`: all keys in Redis carry it, so that
    two releases can share a database. Left out, keys carry none; the chart sets it."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            redis_url.parse(value.get_secret_value())
        return value

    @property
    def parsed_url(self) -> redis_url.RedisUrl | None:
        """The parts of ``url``; None where the other settings say where Redis is."""
        return None if self.url is None else redis_url.parse(self.url.get_secret_value())


class StoreSettings(BaseSettings):
    """Where the S3 store is, and what lies where in it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    endpoint_url: Annotated[str | None, Field(validation_alias="WHERRY_S3_ENDPOINT_URL")] = None
    """URL of the store as the pods reach it; left out for AWS."""
    public_endpoint_url: Annotated[
        str | None, Field(validation_alias="WHERRY_S3_PUBLIC_ENDPOINT_URL")
    ] = None
    """URL of the store as downloading clients reach it; left out, the same as the pods'."""
    region: Annotated[str, Field(validation_alias="WHERRY_S3_REGION")] = "us-east-1"
    """Region name that requests are signed for."""
    addressing_style: Annotated[
        Literal["auto", "path", "virtual"], Field(validation_alias="WHERRY_S3_ADDRESSING_STYLE")
    ] = "auto"
    """Bucket in the path or in the host name; auto: path where an endpoint URL is set."""
    source_bucket: Annotated[
        str, Field(validation_alias="WHERRY_SOURCE_BUCKET", min_length=3, max_length=255)
    ]
    """Bucket that holds the files."""
    source_key_template: Annotated[str, Field(validation_alias="WHERRY_SOURCE_KEY_TEMPLATE")] = (
        "files/{id}"
    )
    """Object key of a file id; `{tenant}` in it stands for the job's namespace."""
    archive_bucket: Annotated[
        str, Field(validation_alias="WHERRY_ARCHIVE_BUCKET", min_length=3, max_length=255)
    ]
    """Bucket that takes the archives."""
    archive_prefix: Annotated[str, Field(validation_alias="WHERRY_ARCHIVE_PREFIX")] = "archives/"
    """Key prefix of all archives: nothing is ever written or deleted outside it."""

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
            raise ValueError("WHERRY_SOURCE_KEY_TEMPLATE must not lie under WHERRY_ARCHIVE_PREFIX")
        return self

    @property
    def path_style(self) -> bool:
        """True when the bucket goes into the path of a URL."""
        if self.addressing_style == "auto":
            return self.endpoint_url is not None
        return self.addressing_style == "path"


class LifetimeSettings(BaseSettings):
    """How long ended jobs and signed URLs live, in seconds."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    completed: Annotated[int, Field(validation_alias="JOB_TTL_SECONDS", ge=0)] = 86_400
    """A completed job and its archive, from its end."""
    failed: Annotated[int, Field(validation_alias="WHERRY_FAILED_TTL_SECONDS", ge=0)] = 3_600
    """A failed or cancelled job, from its end."""
    dead_lettered: Annotated[
        int, Field(validation_alias="WHERRY_DEAD_LETTER_TTL_SECONDS", ge=0)
    ] = 604_800
    """A job that failed with its attempts used up, from its end."""
    presigned_url: Annotated[
        int, Field(validation_alias="PRESIGNED_URL_EXPIRY_SECONDS", ge=1, le=900)
    ] = 900
    """A signed download URL, from the click; whoever has it has the archive for so long."""


class LogSettings(BaseSettings):
    """How logs look."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(validation_alias="WHERRY_LOG_LEVEL")
    ] = "info"
    """Least severity that is written."""
    format: Annotated[
        Literal["auto", "json", "text"], Field(validation_alias="WHERRY_LOG_FORMAT")
    ] = "auto"
    """One JSON object a line, or text for a person; auto: text on a terminal."""


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
        sys.stderr.write("The environment has settings that Wherry cannot use:\n")
        sys.stderr.write("\n".join(lines) + "\nSee docs/settings.md for what each one takes.\n")
        raise SystemExit(2) from None


def _variable(settings: type[BaseSettings], place: tuple[str | int, ...]) -> str:
    """Return the name of the variable at fault."""
    first, *rest = (str(part) for part in place) if place else ("the settings together",)
    if first in settings.model_fields:
        first = (settings.model_config.get("env_prefix", "") + first).upper()
    return ".".join((first, *rest))

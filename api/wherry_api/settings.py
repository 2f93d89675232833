"""Settings of the API, read from the environment and checked at the start."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wherry_core.settings import (
    DNS_LABEL,
    LifetimeSettings,
    LogSettings,
    RedisSettings,
    StoreSettings,
    load,
)

AuthMode = Literal["none", "kubernetes", "oidc", "api-keys"]
CommaList = Annotated[tuple[str, ...], NoDecode]
ASYMMETRIC_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class ApiSettings(BaseSettings):
    """Listening addresses, authentication and limits of the API."""

    model_config = SettingsConfigDict(
        env_prefix="WHERRY_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 3000
    """TCP port to listen on. 0: any free port."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """TCP port for Prometheus metrics, separate from the public port. 0: no metrics."""
    public_url: str | None = None
    """Public URL of the API. If set, downloadUrl is absolute; otherwise it is a path."""
    auth_mode: AuthMode | None = None
    """Authentication mode. Empty: `none` on loopback; elsewhere the API does not start."""
    default_tenant: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = "default"
    """Auth mode none: namespace of all jobs."""
    tenant_namespaces: CommaList = ()
    """Namespaces in which jobs may be created, or `*`. Empty: only the default tenant."""
    default_pool: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = "default"
    """Pool of the jobs that the API creates."""
    cors_origins: CommaList = ()
    """Origins whose pages may call the API from a browser."""
    allowed_hosts: CommaList = ()
    """Accepted host names, or `*`. Empty: all, or in mode none on loopback, only this machine's."""

    max_body_bytes: Annotated[int, Field(ge=1_024, le=67_108_864)] = 3_145_728
    """Maximum bytes of a request body. The Kubernetes API accepts at most 3 MiB."""
    rate_limit_requests: Annotated[int, Field(ge=0)] = 1_200
    """Rate limit per tenant and window, shared by all processes. 0: no limit."""
    rate_limit_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Seconds of the rate limit's window."""
    estimate_seconds_per_file: Annotated[float, Field(gt=0, le=86_400)] = 2.0
    """Estimated seconds per file until enough jobs have been measured."""

    creates_at_once: Annotated[int, Field(ge=1, le=256)] = 16
    """Concurrent job creations of one process at the Kubernetes API. Others wait in order."""

    max_streams: Annotated[int, Field(ge=1)] = 20_000
    """Maximum open streams per process."""
    max_streams_per_tenant: Annotated[int, Field(ge=1)] = 10_000
    """Maximum open streams per tenant and process."""
    stream_heartbeat_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Seconds between heartbeats on a stream."""
    stream_send_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 20.0
    """Seconds after which a stalled client is disconnected."""
    stream_fallback_reads_per_second: Annotated[float, Field(gt=0, le=1_000)] = 20.0
    """Maximum jobs per second that streams read from Kubernetes while Redis is unavailable."""
    drain_seconds: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    """Seconds after SIGTERM over which open streams are closed one by one."""
    shutdown_delay_seconds: Annotated[float, Field(ge=0, le=3_600)] = 3.0
    """Seconds after SIGTERM for which new connections are still accepted."""

    token_audiences: CommaList = ("wherry",)
    """Auth mode kubernetes: accepted token audiences."""
    auth_cache_seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    """Auth mode kubernetes: seconds for which a positive review is cached."""
    oidc_issuer: str | None = None
    """Auth mode oidc: issuer, exactly as in the tokens' iss claim."""
    oidc_audience: str | None = None
    """Auth mode oidc: required token audience."""
    oidc_jwks_url: str | None = None
    """Auth mode oidc: URL of the issuer's keys. Empty: from the discovery document."""
    oidc_allow_http: bool = False
    """Auth mode oidc: allow plain http for issuer and keys, only within a trusted network."""
    oidc_algorithms: CommaList = ("RS256", "ES256")
    """Auth mode oidc: accepted signature algorithms."""
    oidc_tenant_claim: str = "tenant"
    """Auth mode oidc: claim with the tenant (a namespace)."""
    api_keys_file: str | None = None
    """Auth mode api-keys: file of hashed keys, usually a mounted Secret."""

    @field_validator(
        "tenant_namespaces",
        "cors_origins",
        "allowed_hosts",
        "token_audiences",
        "oidc_algorithms",
        mode="before",
    )
    @classmethod
    def _comma_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(item.strip() for item in value.split(",") if item.strip())
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= ASYMMETRIC_ALGORITHMS:
            raise ValueError(f"use one or more of {', '.join(sorted(ASYMMETRIC_ALGORITHMS))}")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, _, rest = origin.partition("://")
            if scheme not in {"http", "https"} or not rest or "/" in rest or "*" in rest:
                raise ValueError("use full origins, for example https://app.example.com")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if "/" in host or ":" in host or ("*" in host and host != "*"):
                raise ValueError(
                    "use host names without scheme and port, for example wherry.example.com, or *"
                )
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _mode_complete(self) -> "ApiSettings":
        if self.auth_mode is None and not is_loopback(self.http_host):
            raise ValueError(
                "WHERRY_AUTH_MODE is not set and WHERRY_HTTP_HOST is not a loopback address: "
                "set it to kubernetes, oidc or api-keys, or to none to allow everyone who can "
                "reach the port"
            )
        if self.auth_mode == "oidc" and not (self.oidc_issuer and self.oidc_audience):
            raise ValueError(
                "WHERRY_AUTH_MODE=oidc needs WHERRY_OIDC_ISSUER and WHERRY_OIDC_AUDIENCE"
            )
        if self.auth_mode == "oidc":
            for name, url in (("ISSUER", self.oidc_issuer), ("JWKS_URL", self.oidc_jwks_url)):
                if url and (fault := provider_url_fault(url, allow_http=self.oidc_allow_http)):
                    raise ValueError(f"WHERRY_OIDC_{name} {fault}")
        if self.auth_mode == "api-keys" and not self.api_keys_file:
            raise ValueError("WHERRY_AUTH_MODE=api-keys needs WHERRY_API_KEYS_FILE")
        return self

    def serves(self, tenant: str) -> bool:
        """Return whether the namespace ``tenant`` may contain jobs."""
        if self.auth_mode in {None, "none"} or not self.tenant_namespaces:
            return tenant == self.default_tenant
        return "*" in self.tenant_namespaces or tenant in self.tenant_namespaces


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def provider_url_fault(url: str, *, allow_http: bool) -> str | None:
    """Return why an identity provider's keys must not be read from ``url``, or None.

    An attacker who can impersonate the provider could supply keys and sign tokens. Therefore https
    is required (OpenID Connect Discovery 1.0, section 4), except on loopback or if http is allowed.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme not in {"http", "https"}:
        return "must be a URL that starts with https:// and names a host"
    if parts.scheme == "https" or allow_http or is_loopback(host):
        return None
    return (
        "must start with https://, because over plain http an attacker on the network could supply "
        "keys and impersonate anyone. For a provider inside a trusted network, set "
        "WHERRY_OIDC_ALLOW_HTTP=true"
    )


@dataclass(frozen=True)
class Settings:
    """All settings of the API."""

    api: ApiSettings
    redis: RedisSettings
    store: StoreSettings
    lifetimes: LifetimeSettings
    logs: LogSettings


def load_settings() -> Settings:
    """Read all settings. Exits with status 2 and a message if one is invalid."""
    return Settings(
        api=load(ApiSettings),
        redis=load(RedisSettings),
        store=load(StoreSettings),
        lifetimes=load(LifetimeSettings),
        logs=load(LogSettings),
    )

"""Settings of the API, read from the environment and checked at start."""

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
    """How the API listens, whom it lets in, and how much it does at once."""

    model_config = SettingsConfigDict(
        env_prefix="WHERRY_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 3000
    """TCP port to listen on; 0 takes a free one."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """TCP port of Prometheus metrics, apart from the public one; 0: no metrics are served."""
    public_url: str | None = None
    """URL under which clients reach the API; set, downloadUrl is absolute, else a path."""
    auth_mode: AuthMode | None = None
    """Who may call; left out, "none" on a loopback address and a refusal to start elsewhere."""
    default_tenant: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = "default"
    """Namespace of all jobs in the auth mode none."""
    tenant_namespaces: CommaList = ()
    """Namespaces that jobs may be created in, or *; left out, only the default tenant."""
    default_pool: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = "default"
    """Pool of the jobs that the API creates."""
    cors_origins: CommaList = ()
    """Origins whose pages may call the API from a browser; left out, none."""
    allowed_hosts: CommaList = ()
    """Host names to answer for, or *; left out, all, but without auth on loopback only its own."""

    max_body_bytes: Annotated[int, Field(ge=1_024, le=67_108_864)] = 3_145_728
    """Bytes of a request body at the most; the Kubernetes API server takes no more than 3 MiB."""
    rate_limit_requests: Annotated[int, Field(ge=0)] = 1_200
    """Requests of a tenant that change or list jobs, in all processes and a window; 0: no limit."""
    rate_limit_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Length of that window."""
    estimate_seconds_per_file: Annotated[float, Field(gt=0, le=86_400)] = 2.0
    """Seconds that a file is thought to take until enough jobs were measured."""

    creates_at_once: Annotated[int, Field(ge=1, le=256)] = 16
    """Jobs of one process that the Kubernetes API creates at the same time; more wait in turn."""

    max_streams: Annotated[int, Field(ge=1)] = 20_000
    """Open streams of one process at the most."""
    max_streams_per_tenant: Annotated[int, Field(ge=1)] = 10_000
    """Open streams of one tenant in one process at the most."""
    stream_heartbeat_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Pause between two heartbeats on a stream."""
    stream_send_timeout_seconds: Annotated[float, Field(gt=0, le=3_600)] = 20.0
    """A client that takes nothing for so long loses its stream."""
    stream_fallback_reads_per_second: Annotated[float, Field(gt=0, le=1_000)] = 20.0
    """Jobs that streams read from the Kubernetes API in a second at the most."""
    drain_seconds: Annotated[float, Field(ge=0, le=3_600)] = 10.0
    """At SIGTERM the open streams are ended one after another within this time."""
    shutdown_delay_seconds: Annotated[float, Field(ge=0, le=3_600)] = 3.0
    """At SIGTERM new connections are still taken for so long, until no one sends them here."""

    token_audiences: CommaList = ("wherry",)
    """Auth mode kubernetes: audiences that a token must be made for, one of them."""
    auth_cache_seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    """Auth mode kubernetes: how long an answer of the API server is kept."""
    oidc_issuer: str | None = None
    """Auth mode oidc: the issuer, exactly as in the tokens' iss claim."""
    oidc_audience: str | None = None
    """Auth mode oidc: the audience that a token must be made for."""
    oidc_jwks_url: str | None = None
    """Auth mode oidc: URL of the keys; left out, the issuer's discovery document names it."""
    oidc_allow_http: bool = False
    """Auth mode oidc: take issuer and keys over plain http, from inside a trusted network only."""
    oidc_algorithms: CommaList = ("RS256", "ES256")
    """Auth mode oidc: signature algorithms that are accepted."""
    oidc_tenant_claim: str = "tenant"
    """Auth mode oidc: claim whose value is the tenant (a namespace)."""
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
                raise ValueError("name each origin in full, as in https://app.example.com")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if "/" in host or ":" in host or ("*" in host and host != "*"):
                raise ValueError("name each host alone, as in wherry.example.com, or say *")
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
                "choose kubernetes, oidc or api-keys, or set WHERRY_AUTH_MODE=none to let "
                "everyone in who can reach the port"
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
        """Return whether jobs may live in the namespace ``tenant``."""
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

    Who can answer in the provider's place names the keys, and so makes the tokens: https is a
    must (OpenID Connect Discovery 1.0, section 4), but for this machine and where it is set.
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
        "must start with https://: over plain http whoever sits in between can name keys of their "
        "own and so be anyone. For a provider inside a network that you trust set "
        "WHERRY_OIDC_ALLOW_HTTP=true"
    )


@dataclass(frozen=True)
class Settings:
    """Everything that the API reads from the environment."""

    api: ApiSettings
    redis: RedisSettings
    store: StoreSettings
    lifetimes: LifetimeSettings
    logs: LogSettings


def load_settings() -> Settings:
    """Read all settings; ends the process with a clear sentence when one cannot be used."""
    return Settings(
        api=load(ApiSettings),
        redis=load(RedisSettings),
        store=load(StoreSettings),
        lifetimes=load(LifetimeSettings),
        logs=load(LogSettings),
    )

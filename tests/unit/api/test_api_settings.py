import re
from typing import Any

import pytest
from pydantic import ValidationError

from wherry_api.settings import ApiSettings, is_loopback


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHERRY_AUTH_MODE", "WHERRY_HTTP_HOST", "WHERRY_TENANT_NAMESPACES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_mode_none_outside_loopback_must_be_explicit() -> None:
    with pytest.raises(ValidationError, match="WHERRY_AUTH_MODE is not set"):
        ApiSettings(http_host="0.0.0.0")
    assert ApiSettings(http_host="0.0.0.0", auth_mode="none").auth_mode == "none"
    assert ApiSettings().auth_mode is None


@pytest.mark.parametrize(
    ("settings", "served", "not_served"),
    [
        ({}, ["default"], ["other"]),
        ({"auth_mode": "none", "tenant_namespaces": ("*",)}, ["default"], ["other"]),
        ({"auth_mode": "kubernetes"}, ["default"], ["other"]),
        ({"auth_mode": "kubernetes", "tenant_namespaces": ("a", "b")}, ["a", "b"], ["default"]),
        ({"auth_mode": "kubernetes", "tenant_namespaces": ("*",)}, ["a", "default"], []),
    ],
)
def test_which_tenants_are_served(
    settings: dict[str, Any], served: list[str], not_served: list[str]
) -> None:
    parsed = ApiSettings(**settings)
    assert all(parsed.serves(tenant) for tenant in served)
    assert not any(parsed.serves(tenant) for tenant in not_served)


def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_TENANT_NAMESPACES", "a, b,,c")
    assert ApiSettings().tenant_namespaces == ("a", "b", "c")


OIDC: dict[str, Any] = {"auth_mode": "oidc", "oidc_audience": "wherry"}


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc_issuer": "https://id.example.com/realms/a"},
        {"oidc_issuer": "http://localhost:8080"},
        {"oidc_issuer": "http://127.0.0.1:8080"},
        {"oidc_issuer": "http://[::1]:8080"},
        {"oidc_issuer": "http://dex.auth.svc:5556", "oidc_allow_http": True},
        {"oidc_issuer": "https://id.example.com", "oidc_jwks_url": "https://keys.example.com"},
    ],
)
def test_providers_that_are_read(settings: dict[str, Any]) -> None:
    assert ApiSettings(**OIDC, **settings).oidc_issuer == settings["oidc_issuer"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"oidc_issuer": "http://id.example.com"}, "WHERRY_OIDC_ISSUER must start with https://"),
        ({"oidc_issuer": "http://10.0.0.1"}, "WHERRY_OIDC_ALLOW_HTTP=true"),
        ({"oidc_issuer": "http://localhost.example.com"}, "must start with https://"),
        ({"oidc_issuer": "id.example.com"}, "must be a URL that starts with https://"),
        ({"oidc_issuer": "https://"}, "names a host"),
        ({"oidc_issuer": "ftp://id.example.com", "oidc_allow_http": True}, "must be a URL"),
        (
            {"oidc_issuer": "https://a.example.com", "oidc_jwks_url": "http://b.example.com/keys"},
            "WHERRY_OIDC_JWKS_URL must start with https://",
        ),
    ],
)
def test_providers_that_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        ApiSettings(**OIDC, **settings)
    # In another mode they are ignored.
    assert ApiSettings(**settings).auth_mode is None

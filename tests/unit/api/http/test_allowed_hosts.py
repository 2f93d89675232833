from typing import Any

import pytest
from pydantic import ValidationError

from wherry_api.http import allowed_hosts
from wherry_api.http.allowed_hosts import is_this_machine, name_of
from wherry_api.settings import ApiSettings


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:3000", "localhost"),
        ("127.0.0.1:3000", "127.0.0.1"),
        ("[::1]:3000", "::1"),
        ("wherry.example.com.", "wherry.example.com"),
        ("localhost:80:evil", "localhost"),
        ("localhost@evil.example", "evil.example"),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_name_in_a_header(header: str, name: str) -> None:
    assert name_of(header) == name


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("", False),
        ("evil-localhost", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
    ],
)
def test_this_machine(name: str, answer: bool) -> None:
    assert is_this_machine(name) is answer


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, True),
        ({"auth_mode": "none"}, True),
        ({"allowed_hosts": "*"}, False),
        ({"auth_mode": "none", "http_host": "0.0.0.0"}, False),
        ({"auth_mode": "none", "http_host": "0.0.0.0", "allowed_hosts": "a.example"}, True),
        ({"auth_mode": "kubernetes"}, False),
        ({"auth_mode": "kubernetes", "allowed_hosts": "a.example"}, True),
    ],
)
def test_when_names_are_checked(settings: dict[str, Any], needed: bool) -> None:
    assert allowed_hosts.needed(ApiSettings(**settings)) is needed


def test_the_name_of_the_public_url_is_allowed() -> None:
    settings = ApiSettings(
        public_url="https://Files.example.com:8443/x", allowed_hosts="A.example, b.example"
    )
    assert allowed_hosts.names(settings) == {"files.example.com", "a.example", "b.example"}


@pytest.mark.parametrize("host", ["https://a.example", "a.example:3000", "*.example.com"])
def test_hosts_are_plain_names(host: str) -> None:
    with pytest.raises(ValidationError, match="use host names"):
        ApiSettings(allowed_hosts=host)

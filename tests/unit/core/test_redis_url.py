"""Redis URLs: the parts of those that can be used, and one sentence for each that cannot."""

import traceback
from typing import Any

import pytest

from wherry_core.redis.client import connect
from wherry_core.redis.url import RedisUrlError, parse
from wherry_core.settings import RedisSettings, load

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "hosts", "username", "password", "database"),
    [
        ("redis://h.example", [("h.example", 6379)], None, None, 0),
        ("redis://h.example:6380/3", [("h.example", 6380)], None, None, 3),
        ("redis://:a%2Fb%40c@h.example/?db=2", [("h.example", 6379)], None, "a/b@c", 2),
        ("rediss://me:p@[::1]:7000/0", [("::1", 7000)], "me", "p", 0),
        ("redis://:p@ss@h.example", [("h.example", 6379)], None, "p@ss", 0),
        ("unix://:p@/run/redis.sock?db=4", [], None, "p", 4),
        ("unix:///run/redis.sock", [], None, None, 0),
        ("redis+cluster://me:p@a,b:7001", [("a", 6379), ("b", 7001)], "me", "p", 0),
        ("redis+cluster://a/0", [("a", 6379)], None, None, 0),
        ("redis+sentinel://:p@a,b:7/main?db=2", [("a", 26379), ("b", 7)], None, "p", 2),
    ],
)
def test_usable_urls(
    url: str,
    hosts: list[tuple[str, int]],
    username: str | None,
    password: str | None,
    database: int,
) -> None:
    parsed = parse(url)
    assert list(parsed.hosts) == hosts
    assert (parsed.username, parsed.password) == (username, password)
    assert parsed.database == database
    assert not password or password not in repr(parsed)


def test_the_name_of_the_master() -> None:
    assert parse("redis+sentinel://a/shuttle").master == "shuttle"
    assert parse("redis+sentinel://a").master == "mymaster"


UNUSABLE: list[Any] = [
    pytest.param(f"redis://:{SECRET}/xyz@127.0.0.1:6379/0", "%2F", id="slash in the password"),
    pytest.param(f"redis://:12/{SECRET}@host:6399/0", "%2F", id="password that looks like a port"),
    pytest.param(f"redis://:{SECRET}#xyz@host/0", "%23", id="hash sign in the password"),
    pytest.param(f"redis://:{SECRET}?xyz@host/0", "%3F", id="question mark in the password"),
    pytest.param(f"redis://:p@{SECRET}/x@host/0", "%2F", id="at sign and slash in the password"),
    pytest.param(f"redis+cluster://:{SECRET}/xyz@a,b", "%2F", id="slash, cluster"),
    pytest.param(f"redis+sentinel://:{SECRET}/xyz@a,b/m", "%2F", id="slash, sentinels"),
    pytest.param(f"unix://:{SECRET}/x@/run/r.sock", "%2F", id="slash, Unix socket"),
    pytest.param(f"redis://:[{SECRET}@host/0", "%5B", id="bracket in the password"),
    pytest.param(f"redis://host:{SECRET}/0", "1 to 65535", id="port that is not a number"),
    pytest.param("redis://host:0/0", "1 to 65535", id="port 0"),
    pytest.param("redis://host:70000/0", "1 to 65535", id="port beyond 65535"),
    pytest.param(f"redis+cluster://a:{SECRET}", "1 to 65535", id="port not a number, cluster"),
    pytest.param(f"redis://:{SECRET}@", "names no host", id="no host"),
    pytest.param(f"redis://:{SECRET}@:6379/0", "names no host", id="port alone"),
    pytest.param("redis:///0", "names no host", id="nothing"),
    pytest.param(f"redis+cluster://:{SECRET}@a,", "names no host", id="no second host"),
    pytest.param(f"redis://:{SECRET}@a,b/0", "several hosts", id="several hosts"),
    pytest.param(f"{SECRET}:x@host", "unknown scheme", id="no scheme"),
    pytest.param(f"http://:{SECRET}@host", "unknown scheme", id="another scheme"),
    pytest.param(f"{SECRET}", "unknown scheme", id="no URL"),
    pytest.param("redis://host/main", "database", id="database that is not a number"),
    pytest.param("redis://host/0?db=x", "database", id="db that is not a number"),
    pytest.param("redis+sentinel://a/m?db=x", "database", id="db that is not a number, sentinels"),
    pytest.param("redis+cluster://a/3", "WHERRY_RELEASE", id="database of a cluster"),
    pytest.param(f"redis+cluster://:{SECRET}@a?ssl=true", "rediss://", id="TLS, cluster"),
    pytest.param(f"redis+sentinel://:{SECRET}@a/m?ssl=true", "rediss://", id="TLS, sentinels"),
    pytest.param(f"rediss+cluster://:{SECRET}@a", "unknown scheme", id="rediss+cluster"),
    pytest.param(f"redis://:{SECRET}@host/0?ssl=true", "redis-py refuses", id="TLS by parameter"),
    pytest.param(f"redis://h?passwort={SECRET}", "redis-py refuses", id="unknown parameter"),
    pytest.param("redis://h?socket_timeout=soon", "redis-py refuses", id="value of a parameter"),
    pytest.param("rediss://h?ssl_cert_reqs=x", "redis-py refuses", id="value of a TLS parameter"),
]


@pytest.mark.parametrize(("url", "said"), UNUSABLE)
def test_an_unusable_url_ends_the_program_with_a_sentence_and_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    monkeypatch.setenv("WHERRY_REDIS_URL", url)
    with pytest.raises(SystemExit) as ended:
        load(RedisSettings)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert "WHERRY_REDIS_URL: The Redis URL " in message
    assert SECRET not in message
    assert "xyz" not in message


@pytest.mark.parametrize(("url", "said"), UNUSABLE)
def test_the_error_shows_no_part_of_the_url_in_a_traceback(url: str, said: str) -> None:
    with pytest.raises(RedisUrlError, match=said) as raised:
        parse(url)
    shown = "".join(traceback.format_exception(raised.value))
    assert SECRET not in shown
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_no_unusable_url_reaches_a_connection() -> None:
    """``redis://:12/…@host`` once connected to localhost, port 12."""
    with pytest.raises(ValueError, match="WHERRY_REDIS_URL") as raised:
        connect(RedisSettings.model_validate({"WHERRY_REDIS_URL": f"redis://:12/{SECRET}@host/0"}))
    assert SECRET not in str(raised.value)

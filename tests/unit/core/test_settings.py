import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

from wherry_core.settings import LifetimeSettings, RedisSettings, StoreSettings, load

BUCKETS = {"WHERRY_SOURCE_BUCKET": "sources", "WHERRY_ARCHIVE_BUCKET": "archives"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in BUCKETS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_well_known_names_are_read(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REDIS_HOST", "redis.example")
    environment.setenv("REDIS_PORT", "6380")
    environment.setenv("REDIS_DB", "3")
    environment.setenv("REDIS_PASSWORD", "secret")
    environment.setenv("JOB_TTL_SECONDS", "60")
    environment.setenv("PRESIGNED_URL_EXPIRY_SECONDS", "300")
    redis = load(RedisSettings)
    assert (redis.host, redis.port, redis.database) == ("redis.example", 6380, 3)
    assert redis.password is not None
    assert redis.password.get_secret_value() == "secret"
    assert "secret" not in repr(redis)
    lifetimes = load(LifetimeSettings)
    assert (lifetimes.completed, lifetimes.presigned_url) == (60, 300)


def test_defaults(environment: pytest.MonkeyPatch) -> None:
    lifetimes = load(LifetimeSettings)
    assert (lifetimes.completed, lifetimes.failed) == (86_400, 3_600)
    assert (lifetimes.dead_lettered, lifetimes.presigned_url) == (604_800, 900)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WHERRY_SOURCE_KEY_TEMPLATE", "files/", "{id} exactly once"),
        ("WHERRY_SOURCE_KEY_TEMPLATE", "{id}/{id}", "{id} exactly once"),
        ("WHERRY_SOURCE_KEY_TEMPLATE", "{id}/{other}", "no other braces"),
        ("WHERRY_SOURCE_KEY_TEMPLATE", "{tenant}/", "{id} exactly once"),
        ("WHERRY_SOURCE_KEY_TEMPLATE", "{tenant}/{tenant}/{id}", "{tenant} at most once"),
        ("WHERRY_ARCHIVE_PREFIX", "archives", "end with a slash"),
        ("WHERRY_ARCHIVE_PREFIX", "/", "end with a slash"),
        ("WHERRY_S3_ADDRESSING_STYLE", "host", "'auto', 'path' or 'virtual'"),
        ("WHERRY_S3_ENDPOINT_URL", "store:9000", "start with http:// or https://"),
        ("WHERRY_S3_ENDPOINT_URL", "https://", "name a host"),
        ("WHERRY_S3_ENDPOINT_URL", "http://host:x", "start with http:// or https://"),
        ("WHERRY_S3_PUBLIC_ENDPOINT_URL", "ftp://store", "start with http:// or https://"),
        ("WHERRY_SOURCE_BUCKET", "", "at least 3 characters"),
    ],
)
def test_a_wrong_value_ends_the_process_with_a_sentence(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    said: str,
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(StoreSettings)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert name in message


def test_sources_under_the_archive_prefix_are_refused(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("WHERRY_SOURCE_BUCKET", "archives")
    environment.setenv("WHERRY_SOURCE_KEY_TEMPLATE", "archives/{id}")
    with pytest.raises(SystemExit):
        load(StoreSettings)
    assert "must not be under WHERRY_ARCHIVE_PREFIX" in capsys.readouterr().err


class Prefixed(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WHERRY_")

    rate_limit_requests: int = 1200


def test_a_variable_with_the_common_prefix_is_named_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHERRY_RATE_LIMIT_REQUESTS", "many")
    with pytest.raises(SystemExit):
        load(Prefixed)
    assert "WHERRY_RATE_LIMIT_REQUESTS: Input should be a valid integer" in capsys.readouterr().err


def test_a_missing_bucket_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in BUCKETS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        load(StoreSettings)
    assert "WHERRY_ARCHIVE_BUCKET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("style", "endpoint", "path_style"),
    [
        ("auto", "http://store:9000", True),
        ("auto", None, False),
        ("virtual", "http://store:9000", False),
        ("path", None, True),
    ],
)
def test_where_the_bucket_goes(
    environment: pytest.MonkeyPatch, style: str, endpoint: str | None, path_style: bool
) -> None:
    environment.setenv("WHERRY_S3_ADDRESSING_STYLE", style)
    if endpoint:
        environment.setenv("WHERRY_S3_ENDPOINT_URL", endpoint)
    assert load(StoreSettings).path_style is path_style

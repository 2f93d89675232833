import pytest

from wherry_core.http_proxy import proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize(
    ("environment", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"https_proxy": "http://proxy:3128"}, "https", "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "http", None),
        ({"all_proxy": "http://proxy:3128"}, "http", "http://proxy:3128"),
        ({"http_proxy": "proxy:3128"}, "http", "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "store.internal"}, "http", None),
        ({"http_proxy": "http://proxy:3128", "no_proxy": ".internal,other"}, "http", None),
        (
            {"http_proxy": "http://proxy:3128", "no_proxy": "other"},
            "http",
            "http://proxy:3128",
        ),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    environment: dict[str, str],
    scheme: str,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(scheme, "store.internal:9000") == expected

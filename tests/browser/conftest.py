"""A real browser (Debian's Chromium) on the page of a real API."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from localcluster.redisserver import start_redis
from localcluster.stores import Store
from tests.browser.system import FAST, System, running_system
from tests.harness.cluster import Cluster

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def running(
    cluster: Cluster, versitygw_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    # A private Redis, because a test flushes it.
    server = start_redis(tmp_path_factory.mktemp("page-redis"))
    try:
        folder = tmp_path_factory.mktemp("system")
        with running_system(cluster, server, versitygw_store, folder) as system:
            yield system
    finally:
        server.stop()


@pytest.fixture
def system(running: System) -> System:
    """The servers behind the page, with no jobs and a fast store."""
    running.link.bytes_per_second = FAST
    if not running.api.running:
        running.api.start().wait_ready_blocking()
    running.set_pool(paused=False, minRunners=1, maxRunners=1)
    running.delete_jobs()
    return running


@pytest.fixture(scope="session")
def browser(running: System) -> Iterator[Browser]:
    """The browser. It starts after the servers, whose start needs a free event loop."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise RuntimeError("chromium is not installed: apt-get install chromium")
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *as_root])
        yield launched
        launched.close()


@pytest.fixture
def new_context(browser: Browser, system: System) -> Iterator[NewContext]:
    """Return a function that opens a new browser profile; no page in one may log an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note(page: Page) -> None:
        page.on("pageerror", lambda error: errors.append(f"{error}"))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if is_policy_violation(message.text) else None
            ),
        )

    def make(**options: Any) -> BrowserContext:
        settings = {
            "base_url": system.url,
            "viewport": {"width": 1_000, "height": 900},
            "locale": "en-GB",
            **options,
        }
        context = browser.new_context(**settings)
        context.set_default_timeout(20_000)
        context.on("page", note)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert not errors


def is_policy_violation(text: str) -> bool:
    """Return whether a console message reports a violation of the Content-Security-Policy."""
    return "Content Security Policy" in text or "TrustedHTML" in text


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A tab with the page."""
    tab = new_context().new_page()
    tab.goto("/")
    # The page may render after its load event, and Tab on an empty page leaves it for good.
    expect(tab.get_by_role("main")).to_be_visible()
    return tab

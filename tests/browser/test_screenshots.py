"""Screenshots of the page for the documentation, written to the folder WHERRY_PICTURES.

Run: WHERRY_PICTURES=docs/images .venv/bin/python -m pytest tests/browser/test_screenshots.py
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import actions
from tests.browser.conftest import NewContext
from tests.browser.system import LARGE_FILES, SLOW, SMALL_FILES, System
from tests.harness.waiting import eventually_blocking

FOLDER = os.environ.get("WHERRY_PICTURES", "")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

pytestmark = pytest.mark.skipif(not FOLDER, reason="WHERRY_PICTURES is not set")


def save(page: Page, name: str, **options: Any) -> None:
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.screenshot(path=str(Path(FOLDER) / f"{name}.png"), animations="disabled", **options)


def test_screenshots_of_a_busy_page(system: System, new_context: NewContext) -> None:
    context = new_context(
        viewport={"width": 900, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_text("No downloads yet.")).to_be_visible()
    save(page, "page-empty")
    actions.expect_status(
        actions.start(page, SMALL_FILES, archive_name="invoices-2030.zip"), "completed"
    )
    failed = actions.start(page, [SMALL_FILES[0], "70099"])
    actions.expect_status(failed, "failed")
    system.link.bytes_per_second = SLOW * 2 // 3
    running = actions.start(page, LARGE_FILES, archive_name="site-photos.zip")
    actions.start(page, [*LARGE_FILES, *SMALL_FILES])
    waiting = actions.start(page, SMALL_FILES[:5])
    page.get_by_label("File ids").fill("70000..70011, 81234")
    expect(waiting).to_contain_text("in the queue", timeout=20_000)
    eventually_blocking("progress", lambda: actions.progress_of(running) >= 40, within=60)
    save(page, "page-light")
    page.emulate_media(color_scheme="dark")
    save(page, "page-dark")
    page.set_viewport_size({"width": 390, "height": 844})
    save(page, "page-phone-dark", full_page=True)


def test_screenshots_of_a_failure(system: System, new_context: NewContext) -> None:
    page = new_context(viewport={"width": 900, "height": 460}, color_scheme="light").new_page()
    page.goto("/")
    system.link.bytes_per_second = SLOW // 10
    job = actions.start(page, ["no-such-file", *LARGE_FILES])
    actions.expect_status(job, "failed")
    job.get_by_role("button", name=re.compile("^Details")).click()
    expect(job.get_by_role("list")).to_be_visible()
    job.scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, document.querySelector('#recent-title').offsetTop - 24)")
    save(page, "page-failure")


def test_screenshots_on_a_phone(system: System, new_context: NewContext) -> None:
    page = new_context(color_scheme="light", reduced_motion="reduce", **PHONE).new_page()
    page.goto("/")
    actions.expect_status(
        actions.start(page, SMALL_FILES, archive_name="invoices-2030.zip"), "completed"
    )
    system.link.bytes_per_second = SLOW * 2 // 3
    running = actions.start(page, LARGE_FILES, archive_name="site-photos.zip")
    eventually_blocking("progress", lambda: actions.progress_of(running) >= 20, within=60)
    save(page, "page-phone")


def test_screenshots_of_errors(system: System, new_context: NewContext) -> None:
    page = new_context(viewport={"width": 900, "height": 760}, color_scheme="light").new_page()
    page.goto("/")
    actions.expect_status(actions.start(page, SMALL_FILES), "completed")
    page.route(re.compile("/v1/"), lambda route: route.abort())
    expect(page.get_by_text("No connection to the server")).to_be_visible(timeout=40_000)
    save(page, "trouble-offline")
    page.unroute_all()
    page.route(
        re.compile("/v1/"),
        lambda route: route.fulfill(status=401, body='{"detail": "Send an API key."}'),
    )
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    save(page, "trouble-sign-in")
    page.unroute_all()
    page.route(re.compile("/v1/"), lambda route: None)
    page.reload()
    expect(page.locator(".skeleton").first).to_be_visible()
    save(page, "trouble-loading")

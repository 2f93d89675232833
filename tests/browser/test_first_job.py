"""A job from the pasted ids to the saved archive."""

import io
import re
import zipfile
from urllib.request import ProxyHandler, build_opener

from playwright.sync_api import Page, expect

from tests.browser import actions
from tests.browser.system import LARGE_FILES, SLOW, SMALL_FILES, System


def test_a_job_from_pasted_ids_to_the_saved_archive(system: System, page: Page) -> None:
    expect(page.get_by_text("No downloads yet.")).to_be_visible()
    system.link.bytes_per_second = SLOW
    job = actions.start(page, LARGE_FILES, archive_name="photos.zip")
    expect(job.get_by_role("heading")).to_have_text("photos.zip")
    actions.expect_connection(job, "streaming")
    expect(job).to_contain_text("of 60 files")
    expect(job).to_contain_text("left")
    expect(job).to_contain_text("files/s", timeout=20_000)
    bar = job.get_by_role("progressbar", name="Progress of photos.zip")
    expect(bar).to_have_attribute(
        "aria-valuetext", re.compile(r"^[1-9]\d? per cent, \d+ of 60 files$"), timeout=20_000
    )
    system.link.bytes_per_second *= 10
    actions.expect_status(job, "completed")
    link = job.get_by_role("link", name="Download photos.zip")
    with page.expect_request(lambda request: "archives/" in request.url) as found:
        link.click()
    with build_opener(ProxyHandler({})).open(found.value.url) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
        assert 'filename="photos.zip"' in answer.headers["Content-Disposition"]
    assert archive.testzip() is None
    assert len([name for name in archive.namelist() if name != "manifest.json"]) == 60


def test_start_with_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the downloads")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("File ids")).to_be_focused()
    page.keyboard.type(" ".join(SMALL_FILES[:3]))
    page.keyboard.press("Control+Enter")
    job = page.locator("#recent-title ~ ul [data-job]")
    actions.expect_status(job, "completed")
    expect(page.get_by_label("File ids")).to_be_focused()
    expect(page.get_by_test_id("announcer")).to_contain_text("is ready.")

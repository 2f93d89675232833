"""Cancel, retry, errors, details, queue, filter, search and paging."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser import actions
from tests.browser.system import LARGE_FILES, SLOW, SMALL_FILES, System
from tests.harness.waiting import eventually_blocking


def test_cancel_and_retry(system: System, page: Page) -> None:
    system.link.bytes_per_second = SLOW
    job = actions.start(page, LARGE_FILES)
    actions.expect_status(job, "processing")
    job.get_by_role("button", name=re.compile("^Cancel")).click()
    actions.expect_status(job, "failed")
    expect(job.locator(".mark")).to_have_text("Cancelled")
    expect(job.locator(".reason")).to_have_count(0)
    system.link.bytes_per_second = SLOW * 10
    job.get_by_role("button", name=re.compile("^Retry")).click()
    again = page.locator("#recent-title ~ ul [data-job]").first
    actions.expect_status(again, "completed")
    assert len(system.jobs()) == 2
    again.get_by_role("button", name=re.compile("^Details")).click()
    expect(again).to_contain_text(actions.job_id_of(job))


def test_a_failed_job_shows_its_error_and_attempts(system: System, page: Page) -> None:
    job = actions.start(page, [SMALL_FILES[0], "no-such-file"])
    actions.expect_status(job, "failed")
    expect(job.locator(".reason")).to_contain_text("no-such-file")
    toggle = job.get_by_role("button", name=re.compile("^Details"))
    toggle.click()
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(job.get_by_role("list").get_by_role("listitem")).to_have_count(1)
    expect(job.get_by_role("list")).to_contain_text("no-such-file")


def test_missing_files_can_be_skipped(system: System, page: Page) -> None:
    actions.open_options(page)
    page.get_by_label("Skip missing files").check()
    job = actions.start(page, [*SMALL_FILES[:2], "no-such-file"])
    actions.expect_status(job, "completed")
    job.get_by_role("button", name=re.compile("^Details")).click()
    expect(job).to_contain_text("1 file was missing")


def test_a_queued_job_shows_its_position(system: System, page: Page) -> None:
    system.set_pool(paused=True, minRunners=0)
    eventually_blocking(
        "no runner", lambda: "runner" not in system.kubectl("get", "pods", "-o", "name"), within=60
    )
    first, second = actions.start(page, SMALL_FILES[:1]), actions.start(page, SMALL_FILES[:2])
    expect(first).to_contain_text("1st in the queue", timeout=20_000)
    expect(second).to_contain_text("2nd in the queue", timeout=20_000)
    waiting = second.get_by_role("progressbar")
    expect(waiting).to_have_attribute("aria-valuetext", "Waiting for a runner")
    system.set_pool(paused=False, minRunners=1)
    actions.expect_status(first, "completed")
    actions.expect_status(second, "completed")


def test_a_double_click_creates_one_job(system: System, page: Page) -> None:
    page.get_by_label("File ids").fill(" ".join(SMALL_FILES))
    page.get_by_role("button", name="Bundle 12 files").dblclick()
    actions.expect_status(page.locator("#recent-title ~ ul [data-job]"), "completed")
    assert len(system.jobs()) == 1


def test_invalid_ids_are_explained(system: System, page: Page) -> None:
    page.get_by_label("File ids").fill("1..10001")
    expect(page.get_by_role("alert")).to_contain_text("10,000 files")
    expect(page.get_by_role("button", name="Bundle")).to_be_disabled()
    page.get_by_label("File ids").fill("tab\u0001inside")
    page.get_by_role("button", name=re.compile("^Bundle")).click()
    expect(page.get_by_role("alert")).to_contain_text("control character")
    assert system.jobs() == []


def test_filter_search_and_pages(system: System, page: Page) -> None:
    system.set_pool(paused=True, minRunners=0)
    failed = actions.start(page, ["no-such-file"])
    for _ in range(24):
        system.kubectl("create", "-f", str(manifest(system)))
    system.set_pool(paused=False, minRunners=1)
    actions.expect_status(failed, "failed")
    page.evaluate("localStorage.clear()")
    page.reload()
    rows = page.locator("#jobs-title").locator("xpath=../..").locator("[data-job]")
    expect(rows).to_have_count(20)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 2")).to_be_visible()
    expect(rows).to_have_count(5)
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Failed", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("no-such-file")
    page.get_by_role("button", name="All", exact=True).click()
    find = page.get_by_label(re.compile("^Find by id"))
    find.fill(actions.job_id_of(rows.last))
    expect(rows).to_have_count(1)
    find.fill("zebra")
    expect(page.get_by_text("No downloads match.")).to_be_visible()


def test_a_job_started_elsewhere_shows_its_archive_name(system: System, page: Page) -> None:
    file_ids = list(SMALL_FILES[:2])
    system.kubectl(
        "create", "-f", str(manifest(system, fileIDs=file_ids, archiveName="order 4711.zip"))
    )
    row = page.locator("#jobs-title").locator("xpath=../..").locator("[data-job]")
    expect(row.get_by_role("heading")).to_have_text("order 4711.zip", timeout=20_000)
    actions.expect_status(row, "completed")
    with page.expect_request(lambda request: "archives/" in request.url) as found:
        row.get_by_role("link", name="Download order 4711.zip").click()
    assert "order%204711.zip" in found.value.url


def manifest(system: System, **spec: Any) -> Path:
    """Return the path of a manifest for a job that no browser started."""
    document = {
        "apiVersion": "wherry.dev/v1",
        "kind": "DownloadJob",
        "metadata": {"generateName": "made-"},
        "spec": {"fileIDs": ["70000"], "pool": "default", **spec},
    }
    file = system.folder / "job.json"
    file.write_text(json.dumps(document))
    return file

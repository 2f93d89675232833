"""Actions on the page, and what is expected there afterwards."""

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

READY_MS = 60_000


def start(page: Page, file_ids: Sequence[str], *, archive_name: str = "") -> Locator:
    """Paste ids and press the button; return the row of the new job."""
    before = page.locator("#recent-title ~ ul [data-job]").count()
    page.get_by_label("File ids").fill(", ".join(file_ids))
    if archive_name:
        open_options(page)
        page.get_by_label("Name of the archive").fill(archive_name)
    page.get_by_role("button", name=re.compile("^Bundle")).click()
    expect(page.get_by_label("File ids")).to_have_value("")
    rows = page.locator("#recent-title ~ ul [data-job]")
    expect(rows).to_have_count(before + 1)
    return row(page, rows.first.get_attribute("data-job") or "")


def open_options(page: Page) -> None:
    """Open the options of the form, unless they are open."""
    if not page.get_by_label("Name of the archive").is_visible():
        page.get_by_role("button", name="Options").click()


def row(page: Page, job_id: str) -> Locator:
    """Return the row of a job that was started in this browser."""
    return page.locator(f"#recent-title ~ ul [data-job='{job_id}']")


def job_id_of(found: Locator) -> str:
    """Return the id of the job in a row."""
    return found.get_attribute("data-job") or ""


def progress_of(found: Locator) -> int:
    """Return the value of a row's progress bar; 0 while the job is queued."""
    return int(found.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)


def expect_status(found: Locator, status: str) -> None:
    """Wait until the row's job has the status."""
    expect(found).to_have_attribute("data-status", status, timeout=READY_MS)


def expect_connection(found: Locator, connection: str) -> None:
    """Wait until the row shows its connection: streaming, polling or offline."""
    shown = found.locator(f".connection[data-connection='{connection}']")
    expect(shown).to_be_visible(timeout=READY_MS)

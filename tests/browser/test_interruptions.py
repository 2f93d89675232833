"""The page while servers and connections break during a job."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import actions
from tests.browser.conftest import NewContext
from tests.browser.nginx_proxy import nginx_proxy
from tests.browser.system import LARGE_FILES, SLOW, System
from tests.harness.waiting import eventually_blocking


def start_slow_job(system: System, page: Page) -> str:
    """Start a slow job, wait for its first progress, and return its id."""
    system.link.bytes_per_second = SLOW
    job = actions.start(page, LARGE_FILES)
    actions.expect_connection(job, "streaming")
    eventually_blocking("the first progress", lambda: actions.progress_of(job) > 0)
    return actions.job_id_of(job)


def test_a_reload_resumes_the_job(system: System, page: Page) -> None:
    job_id = start_slow_job(system, page)
    page.reload()
    job = actions.row(page, job_id)
    actions.expect_connection(job, "streaming")
    assert actions.progress_of(job) > 0
    actions.expect_status(job, "completed")
    assert len(system.jobs()) == 1


def test_the_api_is_killed_and_restarted(system: System, page: Page) -> None:
    job_id = start_slow_job(system, page)
    job = actions.row(page, job_id)
    system.api.kill()
    expect(page.get_by_role("alert")).to_contain_text("No connection", timeout=30_000)
    actions.expect_connection(job, "offline")
    expect(job.get_by_role("progressbar")).to_be_visible()
    system.api.start().wait_ready_blocking()
    actions.expect_status(job, "completed")
    expect(page.get_by_role("alert").filter(has_text="No connection")).to_have_count(0)
    assert len(system.jobs()) == 1


def test_redis_is_flushed(system: System, page: Page) -> None:
    job_id = start_slow_job(system, page)
    job = actions.row(page, job_id)
    before = actions.progress_of(job)
    system.redis.flushall()
    eventually_blocking("further progress", lambda: has_progressed(job_id, page, before), within=30)
    actions.expect_status(job, "completed")
    page.reload()
    actions.expect_status(job, "completed")
    assert len(system.jobs()) == 1


def has_progressed(job_id: str, page: Page, before: int) -> bool:
    job = actions.row(page, job_id)
    if job.get_attribute("data-status") == "completed":
        return True
    return actions.progress_of(job) > before


def test_polling_behind_a_buffering_proxy(
    system: System, new_context: NewContext, tmp_path: Path
) -> None:
    with nginx_proxy(tmp_path / "nginx", system.url) as proxy:
        proxy.start(buffers=True)
        page = new_context(base_url=proxy.url).new_page()
        page.goto("/")
        system.link.bytes_per_second = SLOW // 2
        job = actions.start(page, LARGE_FILES)
        actions.expect_connection(job, "polling")
        first = actions.progress_of(job)
        eventually_blocking("polled progress", lambda: actions.progress_of(job) > first, within=30)
        proxy.start(buffers=False)
        actions.expect_connection(job, "streaming")
        system.link.bytes_per_second = SLOW * 10
        actions.expect_status(job, "completed")
    assert len(system.jobs()) == 1


def test_two_tabs_show_one_job(system: System, new_context: NewContext) -> None:
    context = new_context()
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto("/")
    job_id = start_slow_job(system, first)
    there = actions.row(second, job_id)
    expect(there).to_be_visible()
    actions.expect_status(there, "completed")
    actions.expect_status(actions.row(first, job_id), "completed")
    assert len(system.jobs()) == 1

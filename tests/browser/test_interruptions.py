"""What the page does when things around it break in the middle of a job."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.conftest import NewContext
from tests.browser.nginx_proxy import nginx_proxy
from tests.browser.world import LARGE_FILES, SLOW, World
from tests.harness.waiting import eventually_blocking


def started_slowly(world: World, page: Page) -> str:
    """Start a job that lasts, wait until it moves, and return its id."""
    world.link.bytes_per_second = SLOW
    job = steps.start(page, LARGE_FILES)
    steps.expect_news(job, "streaming")
    eventually_blocking("the job to move", lambda: steps.progress_of(job) > 0)
    return steps.job_id_of(job)


def test_a_reload_in_the_middle_takes_the_job_up_again(world: World, page: Page) -> None:
    job_id = started_slowly(world, page)
    page.reload()
    job = steps.row(page, job_id)
    steps.expect_news(job, "streaming")
    assert steps.progress_of(job) > 0
    steps.expect_status(job, "completed")
    assert len(world.jobs()) == 1


def test_the_api_killed_and_back(world: World, page: Page) -> None:
    job_id = started_slowly(world, page)
    job = steps.row(page, job_id)
    world.api.kill()
    expect(page.get_by_role("alert")).to_contain_text("No connection", timeout=30_000)
    steps.expect_news(job, "offline")
    expect(job.get_by_role("progressbar")).to_be_visible()
    world.api.start().wait_ready_blocking()
    steps.expect_status(job, "completed")
    expect(page.get_by_role("alert").filter(has_text="No connection")).to_have_count(0)
    assert len(world.jobs()) == 1


def test_redis_flushed_in_the_middle(world: World, page: Page) -> None:
    job_id = started_slowly(world, page)
    job = steps.row(page, job_id)
    before = steps.progress_of(job)
    world.redis.flushall()
    eventually_blocking("the bar to go on", lambda: moved_on(job_id, page, before), within=30)
    steps.expect_status(job, "completed")
    page.reload()
    steps.expect_status(job, "completed")
    assert len(world.jobs()) == 1


def moved_on(job_id: str, page: Page, before: int) -> bool:
    job = steps.row(page, job_id)
    if job.get_attribute("data-status") == "completed":
        return True
    return steps.progress_of(job) > before


def test_polling_behind_a_proxy_that_holds_streams_back(
    world: World, new_context: NewContext, tmp_path: Path
) -> None:
    with nginx_proxy(tmp_path / "nginx", world.url) as proxy:
        proxy.start(holds_back=True)
        page = new_context(base_url=proxy.url).new_page()
        page.goto("/")
        world.link.bytes_per_second = SLOW // 2
        job = steps.start(page, LARGE_FILES)
        steps.expect_news(job, "polling")
        first = steps.progress_of(job)
        eventually_blocking("polled progress", lambda: steps.progress_of(job) > first, within=30)
        proxy.start(holds_back=False)
        steps.expect_news(job, "streaming")
        world.link.bytes_per_second = SLOW * 10
        steps.expect_status(job, "completed")
    assert len(world.jobs()) == 1


def test_two_tabs_show_one_job(world: World, new_context: NewContext) -> None:
    context = new_context()
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto("/")
    job_id = started_slowly(world, first)
    there = steps.row(second, job_id)
    expect(there).to_be_visible()
    steps.expect_status(there, "completed")
    steps.expect_status(steps.row(first, job_id), "completed")
    assert len(world.jobs()) == 1

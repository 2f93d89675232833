"""axe finds no violation in any state of the page, in both themes, wide and narrow."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import actions
from tests.browser.conftest import NewContext
from tests.browser.system import LARGE_FILES, SLOW, SMALL_FILES, System
from tests.harness.cluster import REPOSITORY

AXE = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
WIDE = {"viewport": {"width": 1_000, "height": 900}}
RUN = "async () => (await axe.run(document, {resultTypes: ['violations', 'incomplete']}))"


def violations(page: Page) -> list[str]:
    """Return the violations that axe finds, one line for each rule.

    Injected through the debugger: the page's policy refuses added scripts.
    """
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    answer = session.send(
        "Runtime.evaluate",
        {
            "expression": f"({RUN})().then(found => JSON.stringify(found.violations))",
            "awaitPromise": True,
        },
    )
    session.detach()
    found: list[dict[str, Any]] = json.loads(answer["result"]["value"])
    return [
        f"{each['id']}: {[node['html'][:120] for node in each['nodes']]}: "
        f"{each['nodes'][0]['failureSummary']}"
        for each in found
    ]


@pytest.fixture(params=["light", "dark"])
def colours(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def themed_page(request: pytest.FixtureRequest, new_context: NewContext, colours: str) -> Page:
    page = new_context(color_scheme=colours, reduced_motion="reduce", **request.param).new_page()
    page.goto("/")
    return page


def test_no_violations_in_any_state(system: System, themed_page: Page) -> None:
    page = themed_page
    expect(page.get_by_text("No downloads yet.")).to_be_visible()
    assert violations(page) == []
    actions.expect_status(actions.start(page, SMALL_FILES), "completed")
    failed = actions.start(page, ["no-such-file"])
    actions.expect_status(failed, "failed")
    failed.get_by_role("button", name=re.compile("^Details")).click()
    expect(failed.get_by_role("list")).to_be_visible()
    actions.open_options(page)
    system.link.bytes_per_second = SLOW
    running = actions.start(page, LARGE_FILES)
    actions.expect_status(running, "processing")
    page.get_by_label("File ids").fill("9..3")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_violations_without_a_server_or_without_credentials(
    system: System, themed_page: Page
) -> None:
    page = themed_page
    page.route(re.compile("/v1/"), refuse)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert violations(page) == []
    page.unroute_all()
    page.route(re.compile("/v1/"), lambda route: route.abort())
    page.reload()
    expect(page.get_by_text("No connection to the server")).to_be_visible()
    assert violations(page) == []


def refuse(route: Route) -> None:
    route.fulfill(
        status=401,
        content_type="application/problem+json",
        body=json.dumps({"title": "Credentials are missing", "detail": "Send an API key."}),
    )


def test_touch_targets_are_large_enough(new_context: NewContext) -> None:
    page = new_context(**PHONE).new_page()
    page.goto("/")
    actions.expect_status(actions.start(page, SMALL_FILES), "completed")
    for button in page.get_by_role("main").locator("button, a.button").all():
        box = button.bounding_box()
        assert box is None or (box["height"] >= 40 and box["width"] >= 40), button.inner_text()


def test_the_policy_refuses_inline_script(page: Page) -> None:
    ran = page.evaluate(
        """() => {
            const script = document.createElement('script');
            try { script.textContent = 'window.ran = true'; } catch { return 'refused'; }
            document.body.append(script);
            return window.ran ? 'ran' : 'refused';
        }"""
    )
    assert ran == "refused"

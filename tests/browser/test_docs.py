"""The API documentation at /docs, without access to the internet."""

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.system import System


def test_docs_load_only_from_the_api_and_can_be_tried_out(
    system: System, new_context: NewContext
) -> None:
    context = new_context()
    page = context.new_page()
    requested: list[str] = []
    logged: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    page.goto("/docs")
    initiate = page.locator("#operations-jobs-initiate")
    expect(initiate).to_contain_text("/v1/download/initiate")
    page.locator("#operations-health-health").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status")).to_contain_text(
        "200"
    )
    expect(page.locator(".live-responses-table")).to_contain_text('"status": "ok"')
    initiate.get_by_role("button").first.click()
    expect(initiate).to_contain_text("file_ids")
    elsewhere = [
        url for url in requested if not url.startswith((f"{system.url}/", "data:", "blob:"))
    ]
    assert elsewhere == []
    assert logged == []

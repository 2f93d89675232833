"""The API's description at /docs, without the internet."""

from playwright.sync_api import expect

from tests.browser.conftest import NewContext
from tests.browser.world import World


def test_docs_load_from_the_api_alone_and_can_be_tried_out(
    world: World, new_context: NewContext
) -> None:
    context = new_context()
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
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
    elsewhere = [url for url in asked if not url.startswith((f"{world.url}/", "data:", "blob:"))]
    assert elsewhere == []
    assert said == []

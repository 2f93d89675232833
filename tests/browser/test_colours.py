"""Dark and light: the system's, or the chosen one, which stays."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_colours_follow_the_system_until_they_are_chosen(new_context: NewContext) -> None:
    page = new_context(color_scheme="dark").new_page()
    page.goto("/")
    dark = ground(page)
    page.emulate_media(color_scheme="light")
    light = ground(page)
    assert dark != light
    page.get_by_role("button", name="Use dark colours").click()
    assert ground(page) == dark
    page.reload()
    assert ground(page) == dark
    expect(page.get_by_role("button", name="Use light colours")).to_be_visible()

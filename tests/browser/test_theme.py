"""Dark and light colours: those of the system until the user chooses."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_colours_follow_the_system_until_the_user_chooses(new_context: NewContext) -> None:
    page = new_context(color_scheme="dark").new_page()
    page.goto("/")
    dark = background(page)
    page.emulate_media(color_scheme="light")
    light = background(page)
    assert dark != light
    page.get_by_role("button", name="Use dark colours").click()
    assert background(page) == dark
    page.reload()
    assert background(page) == dark
    expect(page.get_by_role("button", name="Use light colours")).to_be_visible()

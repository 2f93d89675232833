"""The page at /docs: complete, and without other hosts."""

import re
from html.parser import HTMLParser

from wherry_api.http import docs_page


class AppComponents(HTMLParser):
    """The addresses in a document, and its inline code."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [found[name] or "" for name in ("src", "href") if name in found]
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)


def test_the_document_asks_only_for_files_that_are_served() -> None:
    files = docs_page.read()
    parts = AppComponents()
    parts.feed(files["/docs"].content.decode())
    assert parts.inline == []
    ours = [f"/{address}" for address in parts.addresses if address != "favicon.svg"]
    assert sorted(ours) == ["/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]
    assert sorted(files) == ["/docs", *sorted(ours)]


def test_nothing_loads_from_another_host() -> None:
    files = docs_page.read()
    for path in ("/docs", "/docs/start.js"):
        assert b"//" not in files[path].content.replace(b"\n// ", b"").removeprefix(b"// "), path
    addresses = re.findall(rb"url\((.)", files["/docs/swagger-ui.css"].content)
    assert set(addresses) <= {b'"', b"d"}
    quoted = re.findall(rb'url\("?([a-z]+:)', files["/docs/swagger-ui.css"].content)
    assert len(quoted) == len(addresses)
    assert set(quoted) == {b"data:"}


def test_every_file_carries_a_policy_without_other_hosts_and_without_anything_inline() -> None:
    for file in docs_page.read().values():
        policy = file.answer("", "").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_the_licence_is_next_to_the_files() -> None:
    assert "Apache License" in (docs_page.FOLDER / "LICENSE").read_text()
    assert (docs_page.FOLDER / "swagger-ui-bundle.js.LICENSE.txt").exists()

"""Reading a text as it becomes on its way: proxies and stores may decode it, and repeatedly."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

DECODINGS: Final = 3
"""How often a text is decoded in the search for what hides in it."""


def decoded_forms(text: str) -> Iterator[str]:
    """Yield ``text``, and what each of up to three decodings makes of it (RFC 3986, 2.1)."""
    yield text
    for _ in range(DECODINGS):
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
        yield text

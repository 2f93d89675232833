"""Percent-decoding as proxies and stores apply it, possibly several times."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

DECODINGS: Final = 3
"""Number of decodings that are tried."""


def decoded_forms(text: str) -> Iterator[str]:
    """Yield ``text`` and the results of up to three decodings (RFC 3986, section 2.1)."""
    yield text
    for _ in range(DECODINGS):
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
        yield text

"""The file name that a server proposes (RFC 6266, RFC 8187)."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

EXTENDED: Final = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
QUOTED: Final = re.compile(r'filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
PLAIN: Final = re.compile(r"filename\s*=\s*([^;\s\"]+)", re.IGNORECASE)
FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
MAX_BYTES: Final = 200


def proposed_name(header: str | None) -> str | None:
    """Return the name of a Content-Disposition header, safe on every system, or None."""
    if not header:
        return None
    if match := EXTENDED.search(header):
        return safe_name(unquote_to_bytes(match[1]).decode(errors="replace"))
    if match := QUOTED.search(header):
        return safe_name(re.sub(r"\\(.)", r"\1", match[1]))
    match = PLAIN.search(header)
    return safe_name(match[1]) if match else None


def safe_name(name: str) -> str | None:
    """Return ``name`` as the name of a file in the folder at hand, or None if nothing is left.

    A server must not choose where it writes: no folders, no hidden files, no names that Windows
    keeps for itself.
    """
    clean = FORBIDDEN.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(" .")
    if RESERVED.fullmatch(clean):
        clean = f"_{clean}"
    stem, dot, ending = clean.rpartition(".")
    kept = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
    whole = clean.removesuffix(kept).encode()[: MAX_BYTES - len(kept.encode())]
    return (whole.decode(errors="ignore") + kept) or None

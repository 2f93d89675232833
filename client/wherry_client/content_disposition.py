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
    """Return the file name in a Content-Disposition header, made safe; None if it has none."""
    if not header:
        return None
    if match := EXTENDED.search(header):
        return safe_name(unquote_to_bytes(match[1]).decode(errors="replace"))
    if match := QUOTED.search(header):
        return safe_name(re.sub(r"\\(.)", r"\1", match[1]))
    match = PLAIN.search(header)
    return safe_name(match[1]) if match else None


def safe_name(name: str) -> str | None:
    """Return ``name`` as a plain file name for any system, or None if nothing of it remains.

    A server must not choose where the client writes: no folders, no hidden files, and no name
    that Windows reserves.
    """
    clean = FORBIDDEN.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(" .")
    if RESERVED.fullmatch(clean):
        clean = f"_{clean}"
    stem, dot, suffix = clean.rpartition(".")
    kept = f"{dot}{suffix}" if stem and len(suffix) <= 10 else ""
    shortened = clean.removesuffix(kept).encode()[: MAX_BYTES - len(kept.encode())]
    return (shortened.decode(errors="ignore") + kept) or None

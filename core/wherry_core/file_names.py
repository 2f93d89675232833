"""File names that are valid and unambiguous on every common file system."""

import re
import unicodedata
from typing import Final

from wherry_core.percent_decoding import decoded_forms

MAX_SEGMENT_BYTES: Final = 240
"""Under the 255 bytes of common file systems, with room for a collision suffix."""
FORBIDDEN: Final = frozenset('<>:"|?*\\')
"""Characters that Windows does not allow in a file name; the slash separates segments."""
NOT_IN_XML: Final = frozenset("\ufffe\uffff")
"""Characters that the lists of S3 stores cannot hold (XML 1.0, section 2.2)."""
RESERVED: Final = re.compile(
    r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])$", re.IGNORECASE
)
"""Device names of Windows, reserved with every extension, source:
https://learn.microsoft.com/windows/win32/fileio/naming-a-file"""


def _unsafe(character: str) -> bool:
    # Cc: control, Cs: surrogate, Zl and Zp: line breaks. Cf contains the direction overrides that
    # disguise a name, but also the joiners that scripts and emoji need.
    category = unicodedata.category(character)
    if character in FORBIDDEN or character in NOT_IN_XML or category in {"Cc", "Cs", "Zl", "Zp"}:
        return True
    return category == "Cf" and character not in {"\u200c", "\u200d"}


def _shorten(segment: str) -> str:
    if len(segment.encode()) <= MAX_SEGMENT_BYTES:
        return segment
    stem, extension = split_extension(segment)
    if len(extension.encode()) > 32:
        stem, extension = segment, ""
    room = MAX_SEGMENT_BYTES - len(extension.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + extension


def split_extension(segment: str) -> tuple[str, str]:
    """Split ``a.txt`` into ``a`` and ``.txt``; a leading dot does not start an extension."""
    position = segment.rfind(".")
    return (segment[:position], segment[position:]) if position > 0 else (segment, "")


def safe_segment(segment: str) -> str:
    """Return ``segment`` as a safe name for one path segment; "" when only spaces are left.

    The result has no control characters, direction overrides, or characters and names that
    Windows reserves, is not ``.`` or ``..``, and has at most 240 bytes of UTF-8. Idempotent.
    """
    clean = "".join("_" if _unsafe(character) else character for character in segment)
    clean = clean.lstrip(" ")
    kept = clean.rstrip(" .")
    clean = kept + "_" * (len(clean) - len(kept))
    if RESERVED.match(clean.split(".", 1)[0].rstrip(" ")):
        clean = "_" + clean
    return _shorten(clean)


def safe_file_name(name: str) -> str:
    """Return ``name`` as one safe file name; "" when only spaces are left.

    A name that decoding would turn into a path (``..%2Fx``) loses its percent signs.
    """
    normal = unicodedata.normalize("NFC", name).replace("/", "_")
    *_, decoded = decoded_forms(normal)
    if decoded != normal and any(
        character in "/\\" or unicodedata.category(character) == "Cc" for character in decoded
    ):
        normal = normal.replace("%", "_")
    return safe_segment(normal)

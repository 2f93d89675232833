"""Names of archive members that are safe to unpack on every system."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

MAX_SEGMENT_BYTES: Final = 240
"""Under the 255 bytes of common file systems, with room for a collision suffix."""
MAX_SEGMENTS: Final = 32
FORBIDDEN: Final = frozenset('<>:"|?*\\')
"""Characters that Windows does not allow in a file name; the slash separates segments."""
RESERVED: Final = re.compile(
    r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])$", re.IGNORECASE
)
"""Device names of Windows, reserved with every extension, source:
https://learn.microsoft.com/windows/win32/fileio/naming-a-file"""
FALLBACK: Final = "file"


def _unsafe(character: str) -> bool:
    # Cc: control, Cs: half of a pair, Zl and Zp: line breaks; Cf has the direction overrides that
    # make a name read otherwise than it is, and also the joiners that scripts and emoji need.
    category = unicodedata.category(character)
    if character in FORBIDDEN or category in {"Cc", "Cs", "Zl", "Zp"}:
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
    """Split ``a.txt`` into ``a`` and ``.txt``; a leading dot begins no extension."""
    position = segment.rfind(".")
    return (segment[:position], segment[position:]) if position > 0 else (segment, "")


def _safe_segment(segment: str) -> str:
    clean = "".join("_" if _unsafe(character) else character for character in segment)
    clean = clean.lstrip(" ")
    kept = clean.rstrip(" .")
    clean = kept + "_" * (len(clean) - len(kept))
    if RESERVED.match(clean.split(".", 1)[0].rstrip(" ")):
        clean = "_" + clean
    return _shorten(clean)


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that no system refuses or misreads.

    NFC; no absolute or drive paths, no ``.`` or ``..``, no control characters, no character or
    name that Windows reserves, no segment over 240 bytes of UTF-8. Applying it twice changes
    nothing more.
    """
    normal = unicodedata.normalize("NFC", name)
    segments = [s for s in normal.split("/") if s not in {"", ".", ".."}]
    safe = [part for part in (_safe_segment(segment) for segment in segments) if part]
    if len(safe) > MAX_SEGMENTS:
        safe = [*safe[: MAX_SEGMENTS - 1], safe[-1]]
    return "/".join(safe) or FALLBACK


def fold(name: str) -> str:
    """Return the form under which two names are the same on a system that ignores case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def folders(name: str) -> Iterable[str]:
    """Yield every folder above ``name``, the outermost first."""
    position = name.find("/")
    while position >= 0:
        yield name[:position]
        position = name.find("/", position + 1)


def unique_names(names: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """Return safe, distinct names in the order of ``names``.

    Of names that differ in case only, or of a file called like a folder, the later ones get a
    suffix: ``a (2).txt``. ``taken`` are names that no file may have.
    """
    safe = [safe_name(name) for name in names]
    used = {fold(name) for name in taken}
    for name in safe:
        used.update(fold(folder) for folder in folders(name))
    next_number: dict[str, int] = {}
    result: list[str] = []
    for name in safe:
        chosen = name
        if fold(chosen) in used:
            parent, slash, last = name.rpartition("/")
            stem, extension = split_extension(last)
            number = next_number.get(fold(name), 2)
            while fold(chosen) in used:
                chosen = f"{parent}{slash}{stem} ({number}){extension}"
                number += 1
            next_number[fold(name)] = number
        used.add(fold(chosen))
        result.append(chosen)
    return result

"""Names of archive members that are safe to unpack on every system."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from wherry_core.file_names import safe_segment, split_extension

MAX_SEGMENTS: Final = 32
FALLBACK: Final = "file"


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that no system refuses or misreads.

    NFC; no absolute or drive paths, no ``.`` or ``..``, no control characters, no character or
    name that Windows reserves, no segment over 240 bytes of UTF-8. Applying it twice changes
    nothing more.
    """
    normal = unicodedata.normalize("NFC", name)
    segments = [s for s in normal.split("/") if s not in {"", ".", ".."}]
    safe = [part for part in (safe_segment(segment) for segment in segments) if part]
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

"""``manifest.json``: what is in an archive, and what is not and why."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from wherry_jobrunner.archive.store.objects import SkippedFile, SourceObject

MANIFEST_NAME: Final = "manifest.json"


def manifest(
    files: Sequence[tuple[str, SourceObject]],
    checksums: Sequence[int],
    skipped: Sequence[SkippedFile],
    sha256: Sequence[str | None] | None = None,
) -> bytes:
    """Return the manifest as JSON; ``files`` are (name in the archive, object) in their order.

    Its length does not depend on ``checksums``, so an archive can be laid out before they are
    known. ``sha256`` is left out of the manifest within the archive: the archive's bytes must not
    depend on whether a member was streamed or copied by the store.
    """
    listed: list[dict[str, Any]] = []
    for index, ((name, source), crc32) in enumerate(zip(files, checksums, strict=True)):
        item: dict[str, Any] = {
            "id": source.file_id,
            "name": name,
            "key": source.key,
            "etag": source.etag,
            "size": source.size,
            "crc32": f"{crc32:08x}",
        }
        digest = source.sha256 or (sha256[index] if sha256 is not None else None)
        if digest:
            item["sha256"] = digest
        listed.append(item)
    document = {
        "version": 1,
        "files": listed,
        "skipped": [{"id": item.file_id, "reason": item.reason} for item in skipped],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"

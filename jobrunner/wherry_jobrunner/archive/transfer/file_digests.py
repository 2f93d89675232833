"""SHA-256 of files while they are streamed: pieces of one file are hashed in their order."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any

from wherry_jobrunner.archive.plan.plan import Plan


@dataclass(slots=True)
class _Running:
    at: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class FileDigests:
    """Collects the bytes of files; one with a gap (a range that the store copied) has no digest."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._running: dict[int, _Running] = {}
        self._broken: set[int] = set()
        self._done: dict[int, str] = {}

    def gap(self, member: int) -> None:
        """Note that some of the member's bytes will not be read: it has no digest."""
        self._broken.add(member)
        if running := self._running.pop(member, None):
            running.moved.set()

    async def add(self, member: int, start: int, view: memoryview) -> None:
        """Add a piece, waiting for the pieces before it."""
        size = self._plan.members[member].size
        while member not in self._broken:
            running = self._running.setdefault(member, _Running())
            if running.at == start:
                break
            running.moved.clear()
            await running.moved.wait()
        else:
            return
        await asyncio.to_thread(running.digest.update, view)
        running.at += len(view)
        if running.at == size:
            self._done[member] = running.digest.hexdigest()
            self._running.pop(member, None)
        running.moved.set()

    def set(self, member: int, digest: str) -> None:
        """Set the digest of a whole file."""
        self._done[member] = digest

    def of_files(self) -> list[str | None]:
        """Return the digests of all members that come from the store, in their order."""
        return [
            self._done.get(index)
            for index, member in enumerate(self._plan.members)
            if member.source is not None
        ]

"""A partly downloaded file: it gets its final name only when it is complete."""

import contextlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from wherry_client.errors import DownloadError
from wherry_client.resume import PartRecord

try:
    import fcntl
except ImportError:  # Windows has no flock: two downloads to one file are not detected there.
    fcntl = None  # type: ignore[assignment]


class PartFile:
    """The bytes in ``<name>.part``, and a :class:`PartRecord` in ``<name>.part.json``.

    All methods block on the disk: call them in a thread.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._part = target.with_name(f"{target.name}.part")
        self._record = target.with_name(f"{target.name}.part.json")
        self._file: FileIO | None = None

    def open(self) -> int:
        """Open the part, or create it; return how many bytes it has.

        Raises DownloadError when another process writes it, OSError when the disk refuses.
        """
        # Unbuffered: when the disk is full, nothing remains that a later flush would write.
        file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        # Between opening and locking, another process may have finished and renamed the file.
        # The open file is then the archive itself and must not be written.
        if not (_lock(file) and _is_same_file(file, self._part)):
            file.close()
            raise DownloadError(
                f"Another download to {self.target} is in progress. Wait for it, or choose "
                "another name."
            )
        self._file = file
        return file.seek(0, os.SEEK_END)

    @property
    def _open_file(self) -> FileIO:
        if self._file is None:
            raise RuntimeError("the part is not open")
        return self._file

    def read_record(self) -> PartRecord | None:
        """Return the record of the part, or None if there is no readable one."""
        try:
            return PartRecord.from_json(self._record.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def begin_at(self, offset: int, record: PartRecord) -> None:
        """Discard all bytes after ``offset`` and store the record of the archive."""
        self._open_file.truncate(offset)
        self._open_file.seek(offset)
        self._record.write_text(record.to_json(), encoding="utf-8")

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._open_file.write(rest) :]

    def finish(self, *, overwrite: bool) -> None:
        """Rename the part to its final name. Raises FileExistsError unless ``overwrite``."""
        os.fsync(self._open_file.fileno())
        if self.target.exists() and not overwrite:
            raise FileExistsError(f"{self.target} was created during the download.")
        if fcntl is None:
            self.close()  # Windows cannot rename an open file.
        self._part.replace(self.target)
        self._record.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part and leave it on the disk."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove_if_empty(self) -> None:
        """Delete the part and its record if it has no bytes."""
        with contextlib.suppress(OSError):
            if self._part.stat().st_size == 0:
                self._part.unlink()
                self._record.unlink(missing_ok=True)


@contextlib.contextmanager
def closing_part(target: Path) -> Iterator[PartFile]:
    """Yield the part file of ``target``; close it at the end and delete it if it is empty."""
    part = PartFile(target)
    try:
        yield part
    finally:
        part.close()
        part.remove_if_empty()


def _lock(file: FileIO) -> bool:
    """Lock the file until it is closed; return False when another process holds the lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # The file system does not support locks.
    return True


def _is_same_file(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False

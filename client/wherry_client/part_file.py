"""A file that arrives in parts: it gets its name only when all of it is there."""

import contextlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from wherry_client.download_plan import PartRecord
from wherry_client.errors import DownloadError

try:
    import fcntl
except ImportError:  # Windows: the lock is left out there
    fcntl = None  # type: ignore[assignment]


class PartFile:
    """``<name>.part`` and, beside it, ``<name>.part.json``: what is known of the whole.

    All methods block on the disk: call them in a thread.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._part = target.with_name(f"{target.name}.part")
        self._record = target.with_name(f"{target.name}.part.json")
        self._file: FileIO | None = None

    def open(self) -> int:
        """Open the part, made anew or as it was left; return how many bytes it has.

        Raises DownloadError when another process writes it, OSError when the disk refuses.
        """
        # Unbuffered: after a full disk the file holds a true part, nothing is written later.
        file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        # Between opening and locking another process may have finished and renamed the file: what
        # is open then is the archive itself.
        if not (_locks(file) and _is_still(file, self._part)):
            file.close()
            raise DownloadError(
                f"Another download to {self.target} is under way: wait for it, or choose another "
                "name."
            )
        self._file = file
        return file.seek(0, os.SEEK_END)

    @property
    def _open_file(self) -> FileIO:
        if self._file is None:
            raise RuntimeError("the part is not open")
        return self._file

    def read_record(self) -> PartRecord | None:
        """Return what is known of the whole, or None."""
        try:
            return PartRecord.from_json(self._record.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def begin_at(self, offset: int, record: PartRecord) -> None:
        """Drop all bytes after ``offset`` and note what the whole will be."""
        self._open_file.truncate(offset)
        self._open_file.seek(offset)
        self._record.write_text(record.to_json(), encoding="utf-8")

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._open_file.write(rest) :]

    def finish(self, *, overwrite: bool) -> None:
        """Give the file its name, in one step. Raises FileExistsError unless ``overwrite``."""
        os.fsync(self._open_file.fileno())
        if self.target.exists() and not overwrite:
            raise FileExistsError(f"{self.target} has come into being meanwhile.")
        if fcntl is None:
            self.close()  # Windows renames no open file
        self._part.replace(self.target)
        self._record.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the part and leave it where it is."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _locks(file: FileIO) -> bool:
    """Lock the file until it is closed; False when another process has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _is_still(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def closing_part(target: Path) -> Iterator[PartFile]:
    """Yield the part file of ``target``, closed in any case; an empty one is removed."""
    part = PartFile(target)
    try:
        yield part
    finally:
        part.close()
        _remove_if_empty(part)


def _remove_if_empty(part: PartFile) -> None:
    path = part.target.with_name(f"{part.target.name}.part")
    with contextlib.suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()
            path.with_name(f"{path.name}.json").unlink(missing_ok=True)

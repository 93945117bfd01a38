"""Which files an archive's recordings were made of, so that none is imported twice.

Theory of operation. A recording keeps its file's SHA-256, which is the proof. It also keeps a mark,
a digest of where the file lay and of what the system said of it (device, inode, size, and the times
of its last change in nanoseconds). A file that has the same mark has not been touched and need not
be read again. Where the file system counts time coarsely (FAT on a recorder's card), or the change
is so recent that another one could have the same time, there is no mark, and the hash decides.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opuscule.archive.reading.archive import open_archive

__all__ = ["KnownSources", "SourceFile", "file_mark", "look_at"]

_READ_BYTES = 1 << 20
_SETTLED_NS = 2_000_000_000
_COARSE_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What is known of a file before it is imported."""

    shown: str
    """Its path below the folder that was imported, with ``/``; its name if it was named itself."""
    sha256: str
    """Of its content, 64 hexadecimal digits."""
    size_bytes: int
    """How long that is."""
    mark: str | None
    """The same as long as it is not touched, 32 hexadecimal digits; None where that is not sure."""

    def facts(self) -> dict[str, object]:
        """Return what a recording keeps of it."""
        known = {"path": self.shown, "sha256": self.sha256, "bytes": self.size_bytes}
        return {**known, "mark": self.mark} if self.mark else dict(known)


def look_at(
    path: Path, *, now_ns: int, shown: str | None = None, on_read: Callable[[], None] | None = None
) -> SourceFile:
    """Read a file to its end for its hash.

    Args:
        path: the file.
        now_ns: the wall time, in nanoseconds since 1970.
        shown: its path as it is to be kept; None for its name.
        on_read: is called again and again.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        while data := file.read(_READ_BYTES):
            digest.update(data)
            size += len(data)
            if on_read:
                on_read()
    mark = file_mark(path, status, now_ns)
    return SourceFile(shown or path.name, digest.hexdigest(), size, mark)


def file_mark(path: Path, status: os.stat_result, now_ns: int) -> str | None:
    """Return the mark of a file, or None where it would not be safe."""
    changed_ns = max(status.st_ctime_ns, status.st_mtime_ns)
    if not status.st_ctime_ns % _COARSE_NS or now_ns - changed_ns < _SETTLED_NS:
        return None
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    text = f"{os.path.realpath(path)}\0{facts}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


class KnownSources:
    """The sources of all recordings of an archive. Not for two threads at a time.

    Of a file, other channels are other content; who chose none means any.

    Args:
        archive: the archive; one that is not there yet has none.
        channels: which channels are to be imported, counted from 1; empty where none were chosen.

    Raises:
        NotAnArchiveError: something else is there.
    """

    def __init__(self, archive: str | os.PathLike[str], channels: tuple[int, ...] = ()) -> None:
        self.names: set[str] = set()
        """What recordings are called."""
        self.hashes: set[str] = set()
        """Of all files, whichever channels were taken."""
        self._by_mark: dict[str, list[str]] = {}
        self._by_hash: dict[str, list[tuple[str, str | None]]] = {}
        # Where something else is, whoever writes says so.
        if Path(archive, "zarr.json").exists():
            for entry in open_archive(archive).catalogue().values():
                picked = entry.picked_channels
                same = not picked or not channels or picked == channels
                self._add(entry.name, entry.path, entry.sha256, entry.mark, same)

    def add(self, name: str, file: SourceFile) -> None:
        """Take note of a recording and of the file that it was made of, with these channels."""
        self._add(name, file.shown, file.sha256, file.mark, True)

    def _add(
        self, name: str, path: str | None, sha256: str | None, mark: str | None, same: bool
    ) -> None:
        self.names.add(name)
        if sha256 is not None:
            self.hashes.add(sha256)
        if not same:
            return
        if mark is not None:
            self._by_mark.setdefault(mark, []).append(name)
        if sha256 is not None:
            self._by_hash.setdefault(sha256, []).append((name, path))

    def untouched(self, mark: str | None) -> list[str]:
        """Tell which recordings were made of the file with this mark."""
        return self._by_mark.get(mark, []) if mark else []

    def same_content(self, file: SourceFile, name: str | None = None) -> tuple[str, bool] | None:
        """Tell which recording has the content of a file, and whether it was at the same path.

        Of several the one called ``name``, or else one at the same path. None if there is none.
        """
        found = [(known, path == file.shown) for known, path in self._by_hash.get(file.sha256, [])]
        return max(found, key=lambda one: (one[0] == name, one[1]), default=None)

"""The segments of a journal on disk: written, read back, deleted.

A segment is never written to after a restart or a failed write; the next write begins a new one.
So what follows the last good record of a segment is the remains of one interrupted write. Reading
stops there, since after a wrong length nothing says where the next record begins, and tells what
stopped it as a :class:`Damage`: the other segments are still good.

Every segment begins by repeating the beginnings of the recordings that are not sealed yet, so that
damage to one does not take a recording's name along.

A segment is deleted when all that it mentions is sealed, the oldest first. What keeps an older one
keeps this one too, for it repeats it: so the mark that a recording is sealed never goes before the
recording's packets, after which a restart would seal them again.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from opuscule.errors import JournalError
from opuscule.files import why
from opuscule.journal.records import (
    FRAME,
    HEADER,
    MAX_BODY_BYTES,
    MIN_BODY_BYTES,
    checksum,
    owner,
)

if sys.platform != "win32":
    import fcntl

__all__ = ["Damage", "DirectoryLock", "SegmentReader", "Segments"]


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a segment that cannot be read."""

    segment: Path
    """The segment's file."""
    offset: int
    """Bytes from its beginning to the first that cannot be read."""
    lost_bytes: int
    """How many bytes from there to the end of the file."""
    torn: bool
    """It is the unfinished last write of a program that was killed: nothing in it was ever
    reported durable. Otherwise bytes were changed after they had been written."""
    reason: str
    """What is wrong there."""


class SegmentReader:
    """Reads the good records of a segment, or of a part of it that begins with a record.

    Iterating yields ``(recording, body)`` pairs; afterwards ``spans`` has the numbers of those
    that it met and between which bytes they are, ``good_bytes`` is where what was read ends and
    ``damage`` tells what stopped it, or is None at a clean end.
    """

    def __init__(self, path: Path, span: tuple[int, int] | None = None) -> None:
        self.path = path
        self.spans: dict[int, tuple[int, int]] = {}
        self.good_bytes = 0
        self.damage: Damage | None = None
        self._span = span

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if self._span:
                size = min(size, self._span[1])
            header = file.read(min(len(HEADER), size))
            if header != HEADER:
                torn = len(header) < len(HEADER)
                self._stop(size, "the header is cut off" if torn else "no header", torn=torn)
                return
            self.good_bytes = file.seek(self._span[0] if self._span else len(HEADER))
            while self.good_bytes < size:
                body = self._record(file, size)
                if body is None:
                    return
                begin = self.good_bytes
                self.good_bytes += FRAME.size + len(body)
                number = owner(body)
                self.spans[number] = (self.spans.get(number, (begin,))[0], self.good_bytes)
                yield number, body

    def _record(self, file: BinaryIO, size: int) -> bytes | None:
        left = size - self.good_bytes - FRAME.size
        if left < 0:
            self._stop(size, "a record is cut off", torn=True)
            return None
        crc, length = FRAME.unpack(file.read(FRAME.size))
        if not MIN_BODY_BYTES <= length <= MAX_BODY_BYTES:
            zeros = not crc and not length and not any(file.read(left))
            self._stop(size, f"a record claims {length} bytes", torn=zeros)
            return None
        if length > left:
            self._stop(size, "a record is cut off", torn=True)
            return None
        body = file.read(length)
        if checksum(body) != crc:
            self._stop(size, "a record's checksum is wrong", torn=False)
            return None
        return body

    def _stop(self, size: int, reason: str, *, torn: bool) -> None:
        lost = size - self.good_bytes
        self.damage = Damage(self.path, self.good_bytes, lost, torn, reason)


@dataclass(slots=True)
class _Segment:
    path: Path
    ids: set[int] = field(default_factory=set)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Between which bytes a recording's own records are, so that no others need be read."""
    size: int = 0
    damaged: bool = False


class Segments:
    """The segments in a directory, oldest first."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        # Replaced and never changed in place: one thread reads while another writes.
        self._segments: tuple[_Segment, ...] = ()
        self._file: BinaryIO | None = None
        names = (path.name.split(".")[0] for path in directory.glob("*.journal*"))
        self._next_number = max((int(name) for name in names if name.isdecimal()), default=0) + 1

    def readers(self) -> Iterator[SegmentReader]:
        """Take up what is in the directory: each reader must be read to its end."""
        for path in sorted(self._directory.glob("*.journal")):
            reader = SegmentReader(path)
            yield reader
            segment = _Segment(path, set(reader.spans), reader.spans)
            segment.size = reader.good_bytes
            segment.damaged = reader.damage is not None and not reader.damage.torn
            self._segments += (segment,)

    def mentioning(self, recording: int) -> list[tuple[Path, tuple[int, int]]]:
        """List the segments in which a recording's records are, and between which bytes."""
        return [(s.path, s.spans[recording]) for s in self._segments if recording in s.spans]

    def write(
        self, data: bytes | bytearray, ids: AbstractSet[int], live: Mapping[int, bytes]
    ) -> None:
        """Append ``data`` with one write, and wait until the disk has it.

        Args:
            data: whole records.
            ids: the recordings that they belong to.
            live: the beginnings of the recordings that are not sealed, repeated in a new segment.

        Raises:
            OSError: it is not all on disk. The segment is given up; what was written before stays.
        """
        if self._file is None:
            self._begin_segment(live)
        assert self._file is not None  # noqa: S101 - for the type checker; made just above
        segment = self._segments[-1]
        try:
            self._write_all(data)
        except OSError:
            # A torn write is not read back in any case; cut it off so that it is not reported.
            with contextlib.suppress(OSError):
                self._file.truncate(segment.size)
            self._give_up(segment)
            raise
        segment.ids |= ids
        end = segment.size + len(data)
        for number in ids:
            segment.spans[number] = (segment.spans.get(number, (segment.size,))[0], end)
        segment.size = end
        if segment.size >= self._segment_bytes:
            self.close()

    def delete(self, sealed: AbstractSet[int]) -> set[int]:
        """Delete the segments that only ``sealed`` recordings need; returns who is mentioned yet.

        Raises:
            OSError: a file cannot be deleted.
        """
        kept: list[_Segment] = []
        mentioned: set[int] = set()
        for segment in self._segments:
            # The mark that a recording is sealed has to outlive what it is said of.
            if not segment.ids <= sealed or segment.ids & mentioned:
                kept.append(segment)
                mentioned |= segment.ids
                continue
            if segment is self._segments[-1]:
                self.close()
            if segment.damaged:
                # There may be audio in what could not be read: out of the way, but kept.
                with contextlib.suppress(FileNotFoundError):
                    segment.path.rename(segment.path.with_suffix(".journal-damaged"))
            else:
                segment.path.unlink(missing_ok=True)
        self._segments = tuple(kept)
        return mentioned

    def close(self) -> None:
        """Write no more to the present segment."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _begin_segment(self, live: Mapping[int, bytes]) -> None:
        path = self._directory / f"{self._next_number:010d}.journal"
        self._next_number += 1
        self._file = path.open("xb", buffering=0)
        segment = _Segment(path, set(live))
        self._segments += (segment,)
        head = HEADER + b"".join(live.values())
        try:
            self._write_all(head)
            _sync_directory(self._directory)
        except OSError:
            self._give_up(segment)
            raise
        segment.size = len(head)

    def _give_up(self, segment: _Segment) -> None:
        """Write no more to the present segment, which a disk that stays full would make many of."""
        self.close()
        if not segment.spans:  # nothing in it but the beginnings that it repeats
            with contextlib.suppress(OSError):
                segment.path.unlink()
                self._segments = self._segments[:-1]

    def _write_all(self, data: bytes | bytearray) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker; callers have opened it
        written = 0
        # Released even where the error is kept: nothing can be appended to what a view looks at.
        with memoryview(data) as view:
            while written < len(view):
                with view[written:] as left:
                    written += self._file.write(left)
        os.fsync(self._file.fileno())


def _sync_directory(directory: Path) -> None:
    if sys.platform != "win32":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class DirectoryLock:
    """Keeps a second process, or a second journal in this one, out of a directory.

    Raises:
        JournalError: the directory is in use or cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "lock"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(
                f"{directory}: cannot be used for a journal: {why(error)}"
            ) from error
        try:
            if sys.platform != "win32":
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise JournalError(
                f"{directory}: another process is using this journal; stop it or choose another "
                "directory"
            ) from error

    def release(self) -> None:
        """Let others in; a second call does nothing. The file stays: removing it would race."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

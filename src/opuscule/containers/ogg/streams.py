"""What logical streams a file has (RFC 3533 §4): side by side, and one after the other."""

from dataclasses import dataclass
from typing import BinaryIO

from opuscule._native import OggPages
from opuscule.containers.ogg.source import CHUNK_BYTES
from opuscule.files import check_open

__all__ = ["OggStream", "list_streams"]

_FIRST, _LAST = 2, 4
_KINDS = {
    b"OpusHead": "opus",
    b"\x01vorbis": "vorbis",
    b"\x7fFLAC": "flac",
    b"Speex   ": "speex",
    b"\x80theora": "theora",
    b"fishead\0": "skeleton",
    b"OVP80": "vp8",
}
_MAX_STREAMS = 65_536


@dataclass(frozen=True, slots=True)
class OggStream:
    """One logical stream of a file."""

    serial: int
    """Its serial number."""
    kind: str
    """``opus``, ``vorbis``, ``flac``, ``speex``, ``theora``, ``skeleton``, ``vp8``, or how it
    begins; ``unknown`` where its first page is not there."""
    group: int
    """Streams of one number run side by side; groups are chained, from 0."""
    offset_bytes: int
    """Where its first page begins."""
    pages: int
    """How many sound pages it has."""
    size_bytes: int
    """What they take in the file."""
    finished: bool
    """Whether one of them is marked as its last."""
    page_samples: tuple[int, int]
    """By how much the granule position grows from one page to the next on which a packet ends, at
    least and at most; of Opus that is 48 kHz samples. 0 and 0 without two such pages in a row."""


@dataclass(slots=True)
class _Counted:
    kind: str
    group: int
    offset_bytes: int
    pages: int = 0
    size_bytes: int = 0
    finished: bool = False
    page_samples: tuple[int, int] = (0, 0)
    _last: tuple[int, int] | None = None

    def measure(self, sequence: int, granule: int, ends: int) -> None:
        """Take the next page's number and time; what is missing before it belongs to no page."""
        if self._last and ends and granule > self._last[1] and sequence == self._last[0] + 1:
            lasts = granule - self._last[1]
            low, high = self.page_samples
            self.page_samples = (min(low or lasts, lasts), max(high, lasts))
        self._last = (sequence, granule) if ends and granule > 0 else None


def list_streams(file: BinaryIO) -> tuple[OggStream, ...]:
    """List the logical streams of a file, by reading it from where it stands to its end.

    Offsets are counted from there. At most 65,536 streams are listed.
    """
    check_open(file, "rb")
    scanner = OggPages()
    found: list[tuple[int, _Counted]] = []
    current: dict[int, _Counted] = {}
    group, begun = 0, False
    data = b"..."
    while data:
        data = file.read(CHUNK_BYTES)
        for offset, length, serial, sequence, granule, flags, ends, begin in scanner.feed(data):
            first = bool(flags & _FIRST)
            if first and begun:
                group, begun, current = group + 1, False, {}
            begun = begun or not first
            if serial not in current:
                kind = _kind(begin) if first else "unknown"
                current[serial] = _Counted(kind, group, offset)
                if len(found) < _MAX_STREAMS:
                    found.append((serial, current[serial]))
            stream = current[serial]
            stream.pages += 1
            stream.size_bytes += length
            stream.finished |= bool(flags & _LAST)
            stream.measure(sequence, granule, ends)
    return tuple(
        OggStream(
            serial=serial,
            kind=s.kind,
            group=s.group,
            offset_bytes=s.offset_bytes,
            pages=s.pages,
            size_bytes=s.size_bytes,
            finished=s.finished,
            page_samples=s.page_samples,
        )
        for serial, s in found
    )


def _kind(begin: bytes) -> str:
    for magic, kind in _KINDS.items():
        if begin.startswith(magic):
            return kind
    return begin.decode("ascii", errors="backslashreplace")

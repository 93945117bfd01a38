"""The page from which to read on so as to reach a media time: bisection over a file.

Theory of operation. A page with a granule position tells at which media time the packets that end
on it end. These times rise through a link, so the last page that ends at or before a wanted time is
found by halving the bytes between two offsets: from the middle, the next sound page of the stream
is looked for, whatever damage, other streams or pages without a time lie before it. The last
stretch is looked through page by page. A first page (of the next link of a chain) ends the stretch.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from opuscule._native import OggPages
from opuscule.containers.ogg.source import CHUNK_BYTES

__all__ = ["TimedPage", "find_page"]

_FIRST, _LAST = 2, 4
_LINEAR_BYTES = 2 * CHUNK_BYTES
"""Stretches below this are not halved any more."""


@dataclass(frozen=True, slots=True)
class TimedPage:
    """A page that tells its time."""

    offset_bytes: int
    length_bytes: int
    end_samples: int
    """Media time just after the last packet that ends on it."""


def find_page(
    file: BinaryIO, serial: int, start_granule: int, offset_bytes: int, limit_samples: int
) -> TimedPage | None:
    """Find the last page of a stream that ends at or before a media time.

    Args:
        file: a seekable binary file; where it stands afterwards is not defined.
        serial: the stream's serial number.
        start_granule: granule position of media time 0.
        offset_bytes: where the stream's first page with audio begins.
        limit_samples: the media time, 48 kHz samples.

    Returns:
        The page, or None if even the first one ends later. The stream's last page is never given.
    """

    def pages(start: int, stop: int) -> Iterator[TimedPage]:
        return _pages(file, serial, start_granule, start, stop)

    low, high = offset_bytes, file.seek(0, os.SEEK_END)
    best = None
    while high - low > _LINEAR_BYTES:
        middle = (low + high) // 2
        page = next(pages(middle, high), None)
        if page is None or page.end_samples > limit_samples:
            high = middle
        else:
            best, low = page, page.offset_bytes + page.length_bytes
    for page in pages(low, high):
        if page.end_samples > limit_samples:
            break
        best = page
    return best


def _pages(
    file: BinaryIO, serial: int, start_granule: int, start: int, stop: int
) -> Iterator[TimedPage]:
    """Give the pages of a stream that begin in ``[start, stop)`` and tell their time."""
    file.seek(start)
    scanner = OggPages(start)
    data = b"..."
    while data:
        data = file.read(CHUNK_BYTES)
        for offset, length, number, _, granule, flags, ends, _ in scanner.feed(data):
            if offset >= stop or flags & _FIRST:
                return
            if number != serial:
                continue
            if flags & _LAST:
                return
            if ends and granule >= 0:
                yield TimedPage(offset, length, granule - start_granule)
        if not data:
            return

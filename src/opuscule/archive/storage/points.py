"""Sync points: where decoding may begin and still be exact.

A point is the first packet at or behind a multiple of the interval. How soon a decoder that begins
there gives the same samples as the sequential one was measured by ``prepare``: the point's depth.
It is known up to some place where sound is made up, a gap or a pause of discontinuous transmission,
because that depends on more of a decoder's memory than packets do. A stretch with such places in it
is therefore put together from parts, each by a point of its own.
"""

import logging
import math
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from opuscule import _native
from opuscule.archive.layout import Index
from opuscule.archive.storage.local import StoredArray
from opuscule.errors import CorruptArchiveError

__all__ = [
    "COLUMNS",
    "DEPTH_UNIT_SAMPLES",
    "NEVER",
    "Part",
    "SyncPoints",
    "decoder_identity",
    "read_points",
]

COLUMNS = 4
"""Bytes of a point."""

DEPTH_UNIT_SAMPLES = 960
"""The unit in which depths are written, in 48 kHz samples."""

NEVER = 255
"""The depth of a point from which no decoder was seen to become exact."""

_FOREVER = 0xFFFF

_log = logging.getLogger(__name__)


def decoder_identity() -> dict[str, str]:
    """What exactness depends on: the decoder's version and the code that this processor runs.

    Two machines of one identity decode to the same samples, bit for bit.
    """
    return {
        "libopus": _native.libopus_version(),
        "cpu": f"{platform.machine().lower()} {_native.cpu_path()}".strip(),
        "build": _native.__version__,
    }


def read_points(source: StoredArray, index: Index, complexity: int) -> "SyncPoints | None":
    """Read a recording's points; None, and a word in the log, if another decoder found them.

    Raises:
        CorruptArchiveError: they do not fit the recording.
    """
    known = source.attributes
    if known.get("decoder") != decoder_identity() or known.get("complexity") != complexity:
        _log.warning(
            "%s: prepared by another decoder (%s); until this one prepares it again it is decoded "
            "from its beginning: opuscule archive prepare",
            str(source.place).removesuffix("/points"),
            known.get("decoder"),
        )
        return None
    interval = known.get("interval_samples")
    if not isinstance(interval, int):
        raise CorruptArchiveError(f"{source.place}: interval_samples is {interval!r}")
    rows = source.read(0, source.size_bytes)
    if known.get("rows_crc32c") != _native.crc32c(rows):
        # Prepared anew by another process since the recording was opened.
        raise CorruptArchiveError(
            f"{source.place}: these are not the points that the recording speaks of; open it again"
        )
    return SyncPoints(rows, interval, index)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stretch: where to begin to decode, and what to keep."""

    begin_samples: int
    """Media time of the packet to begin with; 0 begins with what is before it, too."""
    start_samples: int
    """First sample to keep, in media time."""
    stop_samples: int
    """One past the last."""


class SyncPoints:
    """The points of a recording.

    Args:
        rows: four bytes a point: its depth for int16, its depth for float32, both in units of
            20 ms, and up to how many intervals behind its multiple it is good, little-endian.
        interval_samples: at every so many 48 kHz samples there is a point.
        index: of the recording.

    Raises:
        CorruptArchiveError: their number does not fit the recording.
    """

    def __init__(self, rows: bytes, interval_samples: int, index: Index) -> None:
        count = len(rows) // COLUMNS
        expected = index.last_start // interval_samples + 1 if len(index) else 0
        if len(rows) % COLUMNS or interval_samples < 1 or count != expected:
            raise CorruptArchiveError(
                f"there are {count} sync points every {interval_samples} samples; the packets "
                f"want {expected}: prepare the recording again"
            )
        self._rows, self._interval, self._index = rows, interval_samples, index

    def __len__(self) -> int:
        """Count them."""
        return len(self._rows) // COLUMNS

    @property
    def never(self) -> int:
        """How many are of no use."""
        return self._rows[1::COLUMNS].count(NEVER)

    @property
    def median_depth_ms(self) -> float:
        """What half of the others have to throw away at most, for float32."""
        depths = sorted(depth for depth in self._rows[1::COLUMNS] if depth != NEVER)
        return depths[len(depths) // 2] * DEPTH_UNIT_SAMPLES / 48 if depths else 0.0

    def parts(self, start_samples: int, stop_samples: int, *, float_output: bool) -> Iterator[Part]:
        """Plan a stretch of media time, so that every sample is the sequential decoder's."""
        while start_samples < stop_samples:
            begin, until = self._nearest(start_samples, float_output)
            stop = stop_samples if until is None else min(until, stop_samples)
            yield Part(begin, start_samples, stop)
            start_samples = stop

    def exact_again(self, behind: int, after: int, *, float_output: bool) -> int | None:
        """Find the first instant after one at which a point at or behind another is exact.

        Args:
            behind: media time at or behind which a decoder may begin.
            after: the media time after which.
            float_output: whether float32 comes out.

        Returns:
            Media time; None if there is no such instant.
        """
        rows, best = self._rows, None
        for point in range(max(1, behind // self._interval), len(self)):
            if best is not None and point * self._interval >= best:
                break
            at = point * COLUMNS
            begin = self._index.first_from(point * self._interval)
            if begin < behind or rows[at + 1] == NEVER:
                continue
            exact = begin + rows[at + (1 if float_output else 0)] * DEPTH_UNIT_SAMPLES
            if after < exact and (best is None or exact < best) and exact < self._until(point):
                best = exact
        return best

    def _until(self, point: int) -> float:
        """Tell in media time until when a point is good; infinity for ever."""
        at = point * COLUMNS
        intervals = self._rows[at + 2] | self._rows[at + 3] << 8
        return math.inf if intervals == _FOREVER else (point + intervals) * self._interval

    def _nearest(self, time: int, float_output: bool) -> tuple[int, int | None]:
        """Find the last point that is exact from ``time`` on: where it is, and until when it is."""
        rows = self._rows
        for point in range(min(time // self._interval, len(self) - 1), 0, -1):
            at = point * COLUMNS
            if rows[at + 1] == NEVER:
                continue
            begin = self._index.first_from(point * self._interval)
            if begin + rows[at + (1 if float_output else 0)] * DEPTH_UNIT_SAMPLES > time:
                continue
            until = self._until(point)
            if until > time:
                return begin, None if until == math.inf else int(until)
        return 0, None

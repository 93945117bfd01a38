"""Packets in columns, for those who take many at once."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass

from opuscule.packets import Gap

__all__ = ["PacketColumns"]


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """Many packets at once, in media time order."""

    payload: bytes
    """The packets, end to end."""
    lengths: "array[int]"
    """Bytes of each packet; unsigned 32 bit."""
    times_samples: "array[int]"
    """Media time of each packet's first sample; signed 64 bit."""
    durations_samples: "array[int]"
    """What each packet decodes to, in 48 kHz samples; unsigned 32 bit."""
    gaps: tuple[tuple[int, Gap], ...]
    """Gaps, each with the number of the packet here that it is before (their count: after all)."""

    def without_start(self, from_samples: int) -> "PacketColumns":
        """Leave out what ends at or before a media time."""
        times, durations = self.times_samples, self.durations_samples
        first = max(0, bisect_right(times, from_samples) - 1) if from_samples else 0
        if first < len(times) and times[first] + durations[first] <= from_samples:
            first += 1
        kept = [(before, gap) for before, gap in self.gaps if gap.end_samples > from_samples]
        if not first and len(kept) == len(self.gaps):
            return self
        return PacketColumns(
            self.payload[sum(self.lengths[:first]) :],
            self.lengths[first:],
            times[first:],
            durations[first:],
            tuple((max(0, before - first), gap) for before, gap in kept),
        )

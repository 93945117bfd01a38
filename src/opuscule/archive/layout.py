"""Index arithmetic of a recording: which packets hold which samples, and where their bytes are.

Theory of operation. The packets of a recording lie end to end. Stored is how long each is, in some
six bits; what each decodes to, where that is not the same for all; and the gaps between them. Media
times and byte offsets are sums of those, which are made when an index is read
(``crates/core/src/archive/index.rs``). That is some 1.5 % of speech at 24 kb/s, where five 64-bit
columns would be 73 %. Nothing here reads a file.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from struct import Struct

from opuscule import _native
from opuscule.errors import CorruptArchiveError, InvalidArgumentError
from opuscule.packets import MAX_PACKET_BYTES, Gap, GapKind, Packet

__all__ = [
    "DURATION_UNIT_SAMPLES",
    "GAP_CODES",
    "REDUNDANCY_SAMPLES",
    "Index",
    "IndexBuilder",
    "PlacedGap",
    "Run",
    "summary",
]

DURATION_UNIT_SAMPLES = 120
"""The unit in which durations are stored, in 48 kHz samples: 2.5 ms (RFC 6716 §3.1)."""

_MAX_PACKET_SAMPLES = 5760

REDUNDANCY_SAMPLES = 1_040 * 48
"""How far back a packet's redundancy can reach, in 48 kHz samples: DRED's 1040 ms."""

GAP_CODES = {GapKind.LOST: 1, GapKind.UNSENT: 2, GapKind.DISCONTINUITY: 3}
"""How the kind of a gap is written in the archive."""

_GAP = Struct("<4q")
_GAP_KINDS = {code: kind for kind, code in GAP_CODES.items()}


@dataclass(frozen=True, slots=True)
class PlacedGap:
    """A gap and the packet that it comes before."""

    before: int
    """Number of that packet in the recording; the count of packets for a gap at the end."""
    gap: Gap


@dataclass(frozen=True, slots=True)
class Run:
    """Packets ``[first, stop)``, to be decoded in order by a fresh decoder."""

    first: int
    stop: int
    start_samples: int
    """Media time of the first sample that comes out."""
    start_byte: int
    stop_byte: int
    lengths: "array[int]"
    """Bytes of each packet, unsigned 16 bit."""
    gaps: tuple[tuple[int, int, str], ...]
    """Gaps on the way: before which packet of the run, how many samples at 48 kHz, and the value
    of the gap's kind."""


class IndexBuilder:
    """Makes the index from packets and gaps in media time order.

    Grows by four bytes a packet, 2 MB in three hours.
    """

    def __init__(self) -> None:
        self.lengths = array("H")
        self._units = array("H")
        self.gaps: list[PlacedGap] = []
        self.payload_bytes = 0
        self.time_samples = 0
        """Media time just after what was added last."""
        self._durations: set[int] = set()

    @property
    def packet_samples(self) -> int | None:
        """What every packet decodes to, in 48 kHz samples, or None if they differ."""
        return next(iter(self._durations)) if len(self._durations) == 1 else None

    def add(self, item: Packet | Gap) -> None:
        """Take the next packet or gap.

        Raises:
            InvalidArgumentError: it does not begin where the one before ended, is empty or too
                long, or would carry media time over 2**62.
        """
        start = item.time_samples if isinstance(item, Packet) else item.start_samples
        if start != self.time_samples:
            raise InvalidArgumentError(
                f"{type(item).__name__.lower()} after {len(self.lengths)} packets begins at media "
                f"sample {start}; expected {self.time_samples}: what is missing must be a Gap"
            )
        if item.duration_samples <= 0 or item.end_samples > 1 << 62:
            raise InvalidArgumentError(f"a duration of {item.duration_samples} samples is no use")
        if isinstance(item, Packet):
            if not 1 <= len(item.data) <= MAX_PACKET_BYTES:
                raise InvalidArgumentError(
                    f"packet {len(self.lengths)} has {len(item.data)} bytes; expected 1 to "
                    f"{MAX_PACKET_BYTES}"
                )
            _check_durations({item.duration_samples})
            self.lengths.append(len(item.data))
            self._units.append(item.duration_samples // DURATION_UNIT_SAMPLES)
            self.payload_bytes += len(item.data)
            self._durations.add(item.duration_samples)
        else:
            self._add_gap(item)
        self.time_samples = item.end_samples

    def add_packets(
        self, lengths: Sequence[int], durations: Sequence[int], start_samples: int
    ) -> None:
        """Take packets that follow on one another, as :meth:`add` takes one.

        Args:
            lengths: bytes of each.
            durations: what each decodes to, in 48 kHz samples.
            start_samples: media time at which the first begins.

        Raises:
            InvalidArgumentError: as for :meth:`add`; none is taken then.
        """
        end = start_samples + sum(durations)
        kinds = set(durations)
        if start_samples != self.time_samples or end > 1 << 62 or (kinds and min(kinds) <= 0):
            raise InvalidArgumentError(
                f"{len(lengths)} packets of {sorted(kinds)} samples begin at media sample "
                f"{start_samples}; expected {self.time_samples}: what is missing must be a Gap"
            )
        if lengths and not 1 <= min(lengths) <= max(lengths) <= MAX_PACKET_BYTES:
            raise InvalidArgumentError(
                f"packets have {min(lengths)} to {max(lengths)} bytes; expected 1 to "
                f"{MAX_PACKET_BYTES}"
            )
        _check_durations(kinds)
        self.lengths.extend(array("H", lengths))
        if len(kinds) == 1:
            (samples,) = kinds
            self._units.extend(array("H", [samples // DURATION_UNIT_SAMPLES]) * len(lengths))
        else:
            self._units.extend(samples // DURATION_UNIT_SAMPLES for samples in durations)
        self.payload_bytes += sum(lengths)
        self.time_samples = end
        self._durations |= kinds

    def stored(self) -> tuple[bytes, dict[str, int]]:
        """Return the index as it is stored, and what has to be known to read it."""
        lengths = _native.pack_values(self.lengths)
        same = self.packet_samples is not None
        durations = b"" if same else _native.pack_values(self._units)
        gaps = b"".join(
            _GAP.pack(g.before, g.gap.start_samples, g.gap.duration_samples, GAP_CODES[g.gap.kind])
            for g in self.gaps
        )
        sections = {
            "lengths_bytes": len(lengths),
            "durations_bytes": len(durations),
            "gaps": len(self.gaps),
        }
        return lengths + durations + gaps, sections

    def _add_gap(self, gap: Gap) -> None:
        before = len(self.lengths)
        if self.gaps and self.gaps[-1].before == before and self.gaps[-1].gap.kind is gap.kind:
            # One gap in two parts is one gap: what fills it depends on where it ends.
            start = self.gaps.pop().gap.start_samples
            gap = Gap(start, gap.end_samples - start, gap.kind)
        self.gaps.append(PlacedGap(before, gap))


def summary(gaps: Iterable[Gap]) -> dict[str, object]:
    """Count gaps by kind, and add up their samples, as a recording's attributes have it."""
    counts: dict[str, dict[str, int]] = {}
    for gap in gaps:
        kind = counts.setdefault(gap.kind.value, {"count": 0, "samples": 0})
        kind["count"] += 1
        kind["samples"] += gap.duration_samples
    return dict(counts)


def _check_durations(kinds: set[int]) -> None:
    for samples in kinds:
        if samples % DURATION_UNIT_SAMPLES or samples > _MAX_PACKET_SAMPLES:
            raise InvalidArgumentError(
                f"a packet of {samples} samples is no Opus packet; expected multiples of "
                f"{DURATION_UNIT_SAMPLES} up to {_MAX_PACKET_SAMPLES}"
            )


class Index:
    """The index as it was read: looked things up in, and checked.

    Args:
        data: the index as it is stored.
        sections: what :meth:`IndexBuilder.stored` says about it.
        packets: how many packets there are.
        packet_samples: what each decodes to, or None if they differ.
        payload_bytes: length of all packets.

    Raises:
        CorruptArchiveError: they contradict each other.
    """

    def __init__(
        self,
        data: bytes,
        sections: Mapping[str, int],
        packets: int,
        packet_samples: int | None,
        payload_bytes: int,
    ) -> None:
        try:
            self._native = _native.PacketIndex(
                data,
                packets=packets,
                packet_samples=packet_samples,
                payload_bytes=payload_bytes,
                **{name: sections[name] for name in ("lengths_bytes", "durations_bytes", "gaps")},
            )
        except (InvalidArgumentError, OverflowError) as error:
            raise CorruptArchiveError(f"the index: {error}") from error
        self._count = packets
        self._has_gaps = sections["gaps"] > 0

    def __len__(self) -> int:
        """Count the packets."""
        return self._count

    @cached_property
    def gaps(self) -> tuple[PlacedGap, ...]:
        """The gaps, in order."""
        return tuple(
            PlacedGap(before, Gap(start, duration, _GAP_KINDS[code]))
            for before, start, duration, code in self._native.gaps()
        )

    def lengths(self, first: int, stop: int) -> "array[int]":
        """Return how many bytes packets ``[first, stop)`` have."""
        return array("H", self._native.lengths(first, stop))

    def duration(self, packet: int) -> int:
        """Tell what a packet decodes to, in 48 kHz samples."""
        return self._native.duration(packet)

    def locate(self, time_samples: int) -> tuple[int, int]:
        """Find the last packet that begins at or before a media time.

        Returns:
            Its number and the media time at which it begins. Before the first packet that is the
            first packet; in a gap, the one before the gap; behind the end, the last.

        Raises:
            InvalidArgumentError: there is no packet.
        """
        if not self._count:
            raise InvalidArgumentError("the recording has no packets")
        packet = self._native.locate(time_samples)
        return packet, self._native.packet_start(packet)

    def start(self, packet: int) -> int:
        """Tell the media time of the gaps before a packet, or of the packet if there are none.

        One past the last packet gives the time behind all packets and before the gaps there.
        """
        return self._native.start(packet)

    @property
    def end_samples(self) -> int:
        """Media time just after the last packet or gap."""
        return self._native.packet_start(self._count)

    @property
    def last_start(self) -> int:
        """Media time at which the last packet begins; 0 if there is none."""
        return self.locate(1 << 62)[1] if self._count else 0

    def first_from(self, time_samples: int) -> int:
        """Tell the media time of the first packet that begins then or later, at most the last's."""
        packet, start = self.locate(time_samples)
        if start >= time_samples or packet + 1 == self._count:
            return start
        return self._native.packet_start(packet + 1)

    def packet_start(self, packet: int) -> int:
        """Tell the media time at which a packet begins, behind the gaps before it."""
        return self._native.packet_start(packet)

    def byte_offset(self, packet: int) -> int:
        """Tell where a packet begins in the payload; one past the last gives the payload's end."""
        return self._native.byte_offset(packet)

    def packets_within(self, start_byte: int, stop_byte: int) -> tuple[int, int]:
        """Find the packets ``[first, stop)`` that a range of the payload, not empty, touches."""
        return self._native.packet_at(start_byte), self._native.packet_at(stop_byte - 1) + 1

    def run(self, start_samples: int, stop_samples: int, *, rebuild: bool = False) -> Run:
        """Plan the decoding of a stretch of media time.

        The run begins with the packet that holds its first sample; in a gap with the packet before
        it, so that the decoder has something to conceal from. With gaps, or to ``rebuild`` packets,
        it goes on as far as redundancy reaches back: what is missing is made of later packets.
        """
        find, count = self._native, self._count
        reach = REDUNDANCY_SAMPLES if self._has_gaps or rebuild else 0
        first = find.locate(start_samples) if count else 0
        stop = find.locate(stop_samples - 1 + reach) + 1 if count else 0
        if reach and stop < count and find.gaps_before(stop, stop + 1):
            stop += 1  # so that the gap is inside
        # What is missing before the first packet belongs to the run.
        return self.packets_run(first, stop, find.packet_start(first) if first else 0)

    def packets_run(self, first: int, stop: int, begin: int | None = None) -> Run:
        """Take packets ``[first, stop)`` and the gaps between them.

        At both ends of the recording also those before and behind. ``begin`` is the media time of
        the first sample, where known.
        """
        find = self._native
        gaps: tuple[tuple[int, int, str], ...] = ()
        if self._has_gaps:
            at_end = stop == self._count
            gaps = tuple(
                (before - first, duration, _GAP_KINDS[code].value)
                for before, _, duration, code in find.gaps_before(
                    first + 1 if first else 0, stop + 1 if at_end else stop
                )
            )
        return Run(
            first,
            stop,
            find.start(first) if begin is None else begin,
            find.byte_offset(first),
            find.byte_offset(stop),
            self.lengths(first, stop),
            gaps,
        )

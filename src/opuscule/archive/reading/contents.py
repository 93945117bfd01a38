"""What a recording holds: its packets and the gaps between them, read, and with damage left out.

Damage. Each chunk of the payload has a checksum. A packet in a chunk whose checksum is wrong, or
one that is no Opus packet of the length in time that the index says, cannot be decoded; who wants
to go on anyway gets the time that it took as a gap of the kind *lost*, as if it never arrived.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from opuscule.archive.layout import Index, Run
from opuscule.archive.reading.damage import Damage
from opuscule.archive.storage.info import RecordingInfo
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.stores import Place
from opuscule.codec import packet_duration
from opuscule.errors import CorruptArchiveError, InvalidPacketError
from opuscule.packets import Gap, GapKind, Packet
from opuscule.units import MEDIA_RATE

__all__ = ["Contents"]

_BATCH_PACKETS = 512
_SECTIONS = ("lengths_bytes", "durations_bytes", "gaps")


class Contents:
    """The packets of a recording.

    Args:
        place: of the recording.
        arrays: metadata of its arrays, by name.
        info: what is known of it.

    Raises:
        NotAnArchiveError: they are stored in a way that is not read here.
        CorruptArchiveError: their metadata contradicts itself or ``info``.
    """

    def __init__(
        self, place: Place, arrays: Mapping[str, Mapping[str, object]], info: RecordingInfo
    ) -> None:
        self._place, self._arrays, self._info = place, arrays, info
        self._payload = self.array("packets", info.payload_bytes)
        self._stored_index = self.array("index", None)

    def array(self, name: str, rows: int | None, columns: int = 1) -> StoredArray:
        """Open one of the recording's arrays.

        Raises:
            CorruptArchiveError: there is none, or it has another shape.
            NotAnArchiveError: it is stored in a way that is not read here.
        """
        if name not in self._arrays:
            raise CorruptArchiveError(f"{self._place} has no array {name!r}")
        found = StoredArray(self._place / name, self._arrays[name])
        tail = (columns,) if columns > 1 else ()
        shape = (rows if rows is not None else found.shape[0], *tail)
        if found.shape != shape:
            raise CorruptArchiveError(f"{found.place} has shape {found.shape}; expected {shape}")
        return found

    def index_sections(self) -> dict[str, int]:
        """Return what the index says about itself.

        Raises:
            CorruptArchiveError: it does not.
        """
        known = self._stored_index.attributes
        sections = {name: n for name in _SECTIONS if isinstance(n := known.get(name), int)}
        if len(sections) != len(_SECTIONS) or min(sections.values()) < 0:
            raise CorruptArchiveError(f"{self._stored_index.place}: its attributes are {known}")
        return sections

    def raw_index(self) -> bytes:
        """Read the index whatever its checksum; what of it is missing is zeros."""
        return self._stored_index.read(0, self._stored_index.size_bytes, [])

    @cached_property
    def index(self) -> Index:
        """Where each packet is.

        Raises:
            CorruptArchiveError: it is damaged, or contradicts itself or the payload.
        """
        stored, info = self._stored_index, self._info
        try:
            return Index(
                stored.read(0, stored.size_bytes),
                self.index_sections(),
                info.packets,
                info.packet_samples,
                info.payload_bytes,
            )
        except CorruptArchiveError as error:
            raise CorruptArchiveError(
                f"{self._place}: {error}; without its index nobody can tell its {info.packets} "
                "packets apart: opuscule archive reindex tries to mend it, or take the recording "
                "from a copy or its source"
            ) from error

    def payload(
        self, start_byte: int, stop_byte: int, damaged: list[tuple[int, int]] | None = None
    ) -> bytes:
        """Read a range of the packets' bytes, as :meth:`StoredArray.read`."""
        try:
            return self._payload.read(start_byte, stop_byte, damaged)
        except CorruptArchiveError as error:
            raise CorruptArchiveError(f"{error}{self._where(start_byte, stop_byte)}") from error

    def _where(self, start_byte: int, stop_byte: int) -> str:
        """Say which packets of a range of bytes are damaged, if that can be said."""
        bad: list[tuple[int, int]] = []
        try:
            self._payload.read(start_byte, stop_byte, bad)
            first, stop = self.index.packets_within(bad[0][0], bad[0][1])
            (damage, *_) = self._damages(set(range(first, stop)))
        except (CorruptArchiveError, IndexError, OSError):
            return ""
        begin, end = damage.start_sample / MEDIA_RATE, damage.stop_sample / MEDIA_RATE
        return (
            f": packets {first} to {stop}, {max(begin, 0):.3f} s to {end:.3f} s of the audio; "
            'on_damage="conceal" (extract --conceal) treats them as lost'
        )

    def check_shards(self) -> None:
        """Check the shards' own indexes, as :meth:`StoredArray.check_shards`."""
        self._payload.check_shards()

    def damaged(self, start_samples: int, stop_samples: int) -> Iterator[tuple[int, int]]:
        """Find the damaged packets that a stretch of media time touches.

        Yields:
            In order, the media times at which they begin and end, those that adjoin together.
        """
        found: list[Damage] = []
        first = self.index.locate(start_samples)[0] if len(self.index) else 0
        stop = self.index.locate(stop_samples - 1)[0] + 1 if len(self.index) else 0
        skip = self._info.pre_skip_samples
        for _ in self._packets(first, stop, found.append):
            yield from ((one.start_sample + skip, one.stop_sample + skip) for one in found)
            found.clear()

    def sound(self, run: Run) -> tuple[bytes, Run, list[Damage]]:
        """Read the packets of a run, those that are damaged made gaps.

        Returns:
            The bytes, the run that they are now, and what was left out.
        """
        index, bad = self.index, list[tuple[int, int]]()
        data = self.payload(run.start_byte, run.stop_byte, bad)
        lost = self._lost(run.first, run.lengths, data, bad)
        if not lost:
            return data, run, []
        lengths, kept, gaps = array("H"), list[bytes](), list[tuple[int, int, str]]()

        def add(duration: int, kind: str) -> None:
            # One gap in two parts is one gap: what fills it depends on where it ends.
            if gaps and gaps[-1][0] == len(lengths) and gaps[-1][2] == kind:
                duration += gaps.pop()[1]
            gaps.append((len(lengths), duration, kind))

        at = 0
        for number in range(run.stop - run.first + 1):
            for before, duration, kind in run.gaps:
                if before == number:
                    add(duration, kind)
            if number == len(run.lengths):
                break
            if run.first + number in lost:
                add(index.duration(run.first + number), GapKind.LOST.value)
            else:
                kept.append(data[at : at + run.lengths[number]])
                lengths.append(run.lengths[number])
            at += run.lengths[number]
        found = replace(run, lengths=lengths, gaps=tuple(gaps))
        return b"".join(kept), found, self._damages(lost)

    def items(
        self,
        first: int,
        stop: int,
        on_damage: Callable[[Damage], None] | None = None,
    ) -> Iterator[Packet | Gap]:
        """Yield packets and the gaps between them, at the recording's ends also those outside.

        Args:
            first: number of the first packet.
            stop: one past the last.
            on_damage: is told of packets that are made gaps; None raises instead.
        """
        held: Gap | None = None
        for item in self._all(first, stop, on_damage):
            # One gap in two parts is one gap.
            if isinstance(item, Gap) and held is not None and held.kind is item.kind:
                held = Gap(held.start_samples, item.end_samples - held.start_samples, held.kind)
                continue
            if held is not None:
                yield held
            held = item if isinstance(item, Gap) else None
            if isinstance(item, Packet):
                yield item
        if held is not None:
            yield held

    def _all(
        self, first: int, stop: int, on_damage: Callable[[Damage], None] | None
    ) -> Iterator[Packet | Gap]:
        index = self.index
        if not len(index) or first == len(index):
            yield from (placed.gap for placed in index.gaps if not len(index))
            return
        time = index.packet_start(first)
        gaps = iter(index.gaps)
        gap = next((g for g in gaps if g.before > first or not first), None)
        for number, data, duration in self._packets(first, stop, on_damage):
            while gap is not None and gap.before == number:
                yield gap.gap
                time = gap.gap.end_samples
                gap = next(gaps, None)
            if data is None:
                yield Gap(time, duration, GapKind.LOST)
            else:
                yield Packet(number, time, duration, data)
            time += duration
        while gap is not None and gap.before == stop == len(index):
            yield gap.gap
            gap = next(gaps, None)

    def _packets(
        self, first: int, stop: int, on_damage: Callable[[Damage], None] | None
    ) -> Iterator[tuple[int, bytes | None, int]]:
        """Yield number, bytes and duration of packets; None for the bytes of damaged ones."""
        index = self.index
        while first < stop:
            until = min(first + _BATCH_PACKETS, stop)
            lengths = index.lengths(first, until)
            bad: list[tuple[int, int]] | None = None if on_damage is None else []
            block = self.payload(index.byte_offset(first), index.byte_offset(until), bad)
            lost = set() if bad is None else self._lost(first, lengths, block, bad)
            if on_damage is not None:
                for damage in self._damages(lost):
                    on_damage(damage)
            at = 0
            for number, length in enumerate(lengths, first):
                data = block[at : at + length]
                duration = index.duration(number)
                if on_damage is None:
                    self._check_packet(number, data, duration)
                yield number, None if number in lost else data, duration
                at += length
            first = until

    def _check_packet(self, number: int, data: bytes, expected: int) -> None:
        try:
            found = packet_duration(data)
        except InvalidPacketError as error:
            raise CorruptArchiveError(f"{self._place}: packet {number}: {error}") from error
        if found != expected:
            raise CorruptArchiveError(
                f"{self._place}: packet {number} decodes to {found} samples; the index says "
                f"{expected}"
            )

    def _lost(
        self, first: int, lengths: Sequence[int], data: bytes, bad: list[tuple[int, int]]
    ) -> set[int]:
        """Find the packets, from number ``first`` on, that cannot be decoded."""
        lost = set()
        at, begin = 0, self.index.byte_offset(first)
        for number, length in enumerate(lengths, first):
            low, high = begin + at, begin + at + length
            if any(start < high and low < stop for start, stop in bad):
                lost.add(number)
            else:
                try:
                    self._check_packet(number, data[at : at + length], self.index.duration(number))
                except CorruptArchiveError:
                    lost.add(number)
            at += length
        return lost

    def _damages(self, lost: set[int]) -> list[Damage]:
        """Describe packets, those that follow on one another together."""
        found: list[Damage] = []
        index, skip = self.index, self._info.pre_skip_samples
        for number in sorted(lost):
            first, start = number, index.packet_start(number)
            end = start + index.duration(number) - skip
            if found and found[-1].stop_packet == number:
                before = found.pop()
                first, start = before.first_packet, before.start_sample + skip
            found.append(Damage(first, number + 1, start - skip, end))
        return found

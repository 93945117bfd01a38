"""What arrived over a link, made a recording.

Packets come in any order, some twice, some much later than they were heard. Here they are put in
the order of their sequence numbers; what is missing between two is told apart: numbers are missing
(lost), only time is (not sent), or the sender said that its source jumped.
"""

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.storage.info import RecordingInfo
from opuscule.archive.storage.store import ensure_archive
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

__all__ = ["ArrivedPacket", "seal"]


class ArrivedPacket(Protocol):
    """A packet and how it came; the journal's are such."""

    @property
    def packet(self) -> Packet:
        """The packet."""

    @property
    def backfill(self) -> bool:
        """It was filled in later."""

    @property
    def discontinuity(self) -> bool:
        """The sender's source jumped just before it."""


def seal(
    archive: str | os.PathLike[str],
    name: str,
    form: StreamFormat,
    packets: Iterable[ArrivedPacket],
    *,
    end_samples: int | None,
    metadata: Mapping[str, object] | None = None,
) -> RecordingInfo:
    """Write a recording from packets as they arrived.

    Sealing again what an earlier, interrupted run sealed already changes nothing.

    Args:
        archive: the archive; made when it is not there.
        name: of the recording.
        form: what a decoder has to know.
        packets: in the order of their arrival; of several with one sequence number the first
            counts. Their bytes wait in a file and not in memory.
        end_samples: where the sender says that it ends, in media samples; None if it never did:
            the recording then ends with its last packet and is marked as not complete.
        metadata: kept with the source's description; ``start_epoch_ms``, if an integer, is the
            wall time of its beginning.

    Raises:
        InvalidArgumentError: the name is not valid.
        RecordingExistsError: another recording has that name.
        NotAnArchiveError, OSError: it cannot be written.
        JournalError, or whatever else ``packets`` raises; nothing is written then.
    """
    known = dict(metadata or {})
    source: dict[str, object] = {**known, "kind": "live"}
    root = ensure_archive(archive)
    there = open_archive(root)
    if name in there:
        info = there[name].info
        if _same(info, form, source, end_samples):
            return info
    start = known.get("start_epoch_ms")
    with RecordingWriter(root, name, form) as writer, _Spool(root) as spool:
        for arrived in packets:
            spool.add(arrived)
        source["counts"] = _write(writer, spool)
        reached = writer.time_samples
        if end_samples is not None and end_samples > reached:
            writer.add(Gap(reached, end_samples - reached, GapKind.LOST))
        return writer.finish(
            reached if end_samples is None else end_samples,
            complete=end_samples is not None,
            start_epoch_ms=start if isinstance(start, int) else None,
            source=source,
        )


def _same(
    info: RecordingInfo, form: StreamFormat, source: Mapping[str, object], end: int | None
) -> bool:
    """Tell whether a recording is what would be written now, but for its packets."""
    before = {key: value for key, value in info.source.items() if key != "counts"}
    ends = end == info.end_samples if info.complete else end is None
    return before == source and info.format == form and ends


def _write(writer: RecordingWriter, spool: "_Spool") -> dict[str, int]:
    counts = {"duplicates": 0, "backfilled": 0, "lost": 0, "overlaps": 0}
    following = 0
    for packet, backfill, discontinuity in spool.in_order():
        if packet.sequence < following:
            counts["duplicates"] += 1
            continue
        missing = packet.sequence - following
        following = packet.sequence + 1
        counts["lost"] += missing
        counts["backfilled"] += backfill
        time = writer.time_samples
        left_out = packet.time_samples - time
        if left_out > 0:
            kind = GapKind.LOST if missing else GapKind.UNSENT
            kind = GapKind.DISCONTINUITY if discontinuity else kind
            writer.add(Gap(time, left_out, kind))
            time = packet.time_samples
        elif left_out < 0:
            # A sender that stamps a packet before the end of the last one: its audio is kept, after
            # what it says that it overlaps. The next gap gives the time back.
            counts["overlaps"] += 1
        writer.add(Packet(packet.sequence, time, packet.duration_samples, packet.data))
    return counts


class _Spool:
    """Packets in a nameless file, in the order of arrival; 29 bytes of each in memory."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed on exit
        self._sequences = array("q")
        self._times = array("q")
        self._offsets = array("q")
        self._lengths = array("H")
        self._durations = array("H")
        self._flags = array("B")
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, arrived: ArrivedPacket) -> None:
        packet = arrived.packet
        self._file.write(packet.data)
        self._sequences.append(packet.sequence)
        self._times.append(packet.time_samples)
        self._offsets.append(self._size)
        self._lengths.append(len(packet.data))
        self._durations.append(packet.duration_samples)
        self._flags.append(arrived.backfill | arrived.discontinuity << 1)
        self._size += len(packet.data)

    def in_order(self) -> Iterator[tuple[Packet, bool, bool]]:
        """Yield packet, backfill and discontinuity by sequence number, the first come first."""
        sequences = self._sequences
        places: Iterable[int] = range(len(sequences))
        if any(later < earlier for earlier, later in pairwise(sequences)):
            places = sorted(places, key=sequences.__getitem__)
        at = -1
        for place in places:
            if self._offsets[place] != at:
                self._file.seek(self._offsets[place])
            data = self._file.read(self._lengths[place])
            at = self._offsets[place] + len(data)
            flags = self._flags[place]
            packet = Packet(sequences[place], self._times[place], self._durations[place], data)
            yield packet, bool(flags & 1), bool(flags & 2)

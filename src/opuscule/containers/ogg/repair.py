"""A damaged or cut Ogg Opus file written anew, with every packet that it still has.

Theory of operation. The file is read as any other: damaged pages are passed over, what they held is
a gap. Written again, gaps become packets that ask for concealment, so that times stay as they are;
granule positions follow from the packets; the last page is marked as the last. What was written is
read back at once and compared, packet by packet, with what was read: a repair that would lose or
change one raises an error and leaves nothing behind.
"""

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

from opuscule._native import OggOpusReader
from opuscule.containers.ogg.reader import OggLink, read_links
from opuscule.containers.ogg.writer import OggWriter
from opuscule.errors import FormatError, UnsupportedFormatError
from opuscule.files import check_open
from opuscule.packets import Packet

__all__ = ["LinkRepair", "Repair", "repair"]

_HARMLESS = {"other_stream"}
_FILL_STEP_SAMPLES = 120
"""Gaps are filled in steps of 2.5 ms."""


@dataclass(frozen=True, slots=True)
class LinkRepair:
    """What was found in one stream of the file."""

    serial: int
    """Its serial number."""
    packets: int
    """Whole packets, all of which are kept as they are."""
    payload_bytes: int
    """What they weigh."""
    payload_sha256: str
    """Hash of them, end to end."""
    end_samples: int
    """Media time at which the audio ends, 48 kHz samples with pre-skip."""
    gaps: int
    """Stretches without packets, those that the file itself marks included."""
    missing_samples: int
    """How long they are together."""
    truncated: bool
    """Its end was missing; it is where the last whole packet ends."""
    faults: dict[str, tuple[int, int]]
    """What was passed over or wrong: how often, and how many bytes. The names are those of
    :attr:`OggLink.skipped`."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.truncated and self.faults.keys() <= _HARMLESS


@dataclass(frozen=True, slots=True)
class Repair:
    """What was found in a file."""

    links: tuple[LinkRepair, ...]
    """Its Opus streams, one after the other."""
    moved_samples: int
    """How much earlier than before packets lie at most: below 120, and only behind gaps that are no
    multiple of 2.5 ms."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with the file, so that there is nothing to repair."""
        return all(link.sound for link in self.links)

    @property
    def dropped_bytes(self) -> int:
        """Bytes of the file that could not be used, or belong to other streams."""
        return sum(count for link in self.links for _, count in link.faults.values())


def repair(
    file: BinaryIO,
    target: BinaryIO | None = None,
    *,
    serial: int | None = None,
    opus_only: bool = False,
) -> Repair:
    """Examine a file, and write it anew as it should be.

    Args:
        file: a readable binary file, at the beginning of the Ogg data.
        target: a writable one; None only examines.
        serial: serial number of the stream to keep, where several run side by side.
        opus_only: leave out streams of other kinds (video, say), which are not written again; else
            they are an error where ``target`` is given.

    Raises:
        FormatError: see :class:`OggReader`; or what was written is not what was read, which would
            be a defect of this library.
        UnsupportedFormatError: there are streams of other kinds.
        OSError: a file cannot be read or written.
    """
    found = []
    moved = 0
    for link in read_links(file, serial=serial):
        checked = _Checked(target) if target else None
        found.append(_one(link, checked))
        if checked:
            moved = max(moved, checked.moved_samples)
            if "other_stream" in found[-1].faults and not opus_only:
                raise UnsupportedFormatError(
                    "the file has streams of other kinds, which a repair would leave out; say that "
                    "only Opus is wanted, if so"
                )
    return Repair(tuple(found), moved)


def _one(link: OggLink, target: "_Checked | None") -> LinkRepair:
    writer = None
    packets = payload_bytes = gaps = missing = 0
    digest = hashlib.sha256()
    for item in link:
        if not isinstance(item, Packet):
            gaps += 1
            missing += item.duration_samples
            continue
        if target:
            # Where the stream starts is known once there is a packet.
            writer = writer or OggWriter.like(target, link)
            target.expect(item)
            writer.write(item)
        packets += 1
        payload_bytes += len(item.data)
        digest.update(item.data)
    if target:
        writer = writer or OggWriter.like(target, link)
        writer.close(link.end_samples)
        target.check()
    return LinkRepair(
        link.serial,
        packets,
        payload_bytes,
        digest.hexdigest(),
        link.end_samples,
        gaps,
        missing,
        link.truncated,
        link.skipped,
    )


class _Checked:
    """A target that reads back what is written to it."""

    def __init__(self, target: BinaryIO) -> None:
        check_open(target, "w+b")
        self._target = target
        self._native = OggOpusReader()
        self._expected: deque[Packet] = deque()
        self.moved_samples = 0

    def write(self, pages: bytes) -> None:
        self._target.write(pages)
        self._native.feed(pages)
        self._compare()

    def flush(self) -> None:
        self._target.flush()

    def expect(self, packet: Packet) -> None:
        self._expected.append(packet)

    def check(self) -> None:
        """Say that nothing will be added."""
        self._native.finish()
        self._compare()
        if self._expected or self._native.skipped:
            raise FormatError(
                f"the repaired file lacks {len(self._expected)} packets and shows "
                f"{self._native.skipped}; please report this, with the file"
            )

    def _compare(self) -> None:
        every, times, _, _ = self._native.packets()
        for data, time in zip(every, times, strict=True):
            packet = self._expected.popleft()
            early = packet.time_samples - time
            if packet.data != data or not 0 <= early < _FILL_STEP_SAMPLES:
                raise FormatError(
                    f"packet {packet.sequence} at sample {packet.time_samples} would change or "
                    f"move by {early} samples; please report this, with the file"
                )
            self.moved_samples = max(self.moved_samples, early)

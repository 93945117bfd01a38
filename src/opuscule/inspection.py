"""What is in a file of Opus packets, found by reading all of it once, without decoding.

:func:`inspect_file` sums a file up; :func:`inspect_packets` says what each packet is. Both work in
pieces and keep a bounded part of what they find, so a file of a day costs no more memory than one
of a second.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from opuscule._native import Decoder as NativeDecoder
from opuscule.containers.detect import detect_file
from opuscule.containers.opening import PacketReader, open_packets
from opuscule.containers.raw import Framing
from opuscule.errors import FormatError
from opuscule.files import check_input
from opuscule.packets import Gap, Packet
from opuscule.units import MEDIA_RATE

__all__ = [
    "MAX_LISTED",
    "Coding",
    "CodingChange",
    "FileReport",
    "InspectedPacket",
    "inspect_file",
    "inspect_packets",
]

MAX_LISTED = 1000
"""How many gaps and how many changes a report lists; all are counted."""

Mode = Literal["silk", "hybrid", "celt"]
"""How frames are coded: linear prediction, both, or transform (RFC 6716 §2)."""

Bandwidth = Literal["narrowband", "mediumband", "wideband", "superwideband", "fullband"]
"""Up to 4, 6, 8, 12 or 20 kHz (RFC 6716 §2)."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How a packet is coded, from its first byte (RFC 6716 §3.1)."""

    mode: Mode
    """How its frames are coded."""
    bandwidth: Bandwidth
    """How high the audio reaches."""
    channels: int
    """1 or 2."""
    frame_samples: int
    """What each frame decodes to, in 48 kHz samples: 120 to 2880."""


@dataclass(frozen=True, slots=True)
class InspectedPacket:
    """A packet and what it is made of."""

    packet: Packet
    """The packet itself."""
    coding: Coding
    """How it is coded."""
    frames: int
    """1 to 48."""
    fec: bool
    """Whether it carries in-band FEC (LBRR) for the frame before it."""
    dtx: bool
    """Whether no frame has more than a byte: silence goes on."""
    dred_samples: int
    """How far before its first sample deep redundancy reaches, in 48 kHz samples; 0 without."""


@dataclass(frozen=True, slots=True)
class CodingChange:
    """From here on packets are coded so."""

    time_samples: int
    """Media time of the first such packet, 48 kHz samples, pre-skip included."""
    coding: Coding
    """How it and those after it are coded."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file of Opus packets, summed up. Samples are 48 kHz ones, time includes the pre-skip."""

    container: str
    """What the file is, or how a raw stream is framed."""
    file_bytes: int
    """Size of the file."""
    channels: int
    """Of the audio."""
    input_rate: int
    """In Hz, before encoding; for information only."""
    pre_skip_samples: int
    """Cut off at the beginning."""
    end_trim_samples: int
    """Cut off at the end."""
    gain_q8: int
    """What a player applies, in 1/256 dB."""
    vendor: str
    """The encoder's name; empty if the file has none."""
    comments: tuple[tuple[str, str], ...]
    """Tags: names and values."""
    duration_samples: int
    """What is heard: gaps in, pre-skip and end trim out; exact."""
    packets: int
    """How many there are."""
    payload_bytes: int
    """Of the packets alone."""
    bitrate: float
    """Of the packets over what is heard, bits a second; 0 without audio."""
    packet_bytes: tuple[int, int]
    """The shortest packet and the longest; 0 and 0 without packets."""
    packet_durations: dict[int, int]
    """How many packets there are of each duration in samples."""
    coded_samples: tuple[tuple[Coding, int], ...]
    """How much is coded in which way, in samples; the most first."""
    changes: tuple[CodingChange, ...]
    """When the coding changed, the first packet's included; at most :data:`MAX_LISTED`."""
    change_count: int
    """How often it changed after the first packet."""
    fec_packets: int
    """Packets with in-band FEC."""
    dred_packets: int
    """Packets with deep redundancy."""
    dred_longest_samples: int
    """How far the furthest reaches back."""
    dtx_packets: int
    """Packets that say no more than that silence goes on."""
    gaps: tuple[Gap, ...]
    """Where packets are missing; at most :data:`MAX_LISTED`."""
    gap_count: int
    """How many there are."""
    gap_samples: int
    """All gaps together."""
    skipped: dict[str, tuple[int, int]]
    """What was passed over: for each reason how often and how many bytes."""
    truncated: bool
    """The end of the file is missing, as far as that can be told."""
    problem: str | None
    """Why reading ended before the file did; ``None`` if it did not."""


def inspect_packets(reader: PacketReader) -> Iterator[InspectedPacket | Gap]:
    """Say of each packet what it is; gaps stay what they are.

    Raises:
        FormatError: as the reader's own iteration.
    """
    # It never decodes: it is asked for what it could rebuild from a packet.
    probe = NativeDecoder(MEDIA_RATE, 1, 0, False)
    for item in reader:
        if isinstance(item, Gap):
            yield item
            continue
        coding = _coding(item.data[0])
        frames = item.duration_samples // coding.frame_samples
        yield InspectedPacket(
            item,
            coding,
            frames,
            fec=probe.fec_samples(item.data) > 0,
            dtx=_is_dtx(item.data, frames),
            dred_samples=probe.dred_samples(item.data),
        )


def inspect_file(
    path: str | os.PathLike[str],
    *,
    raw: Framing | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> FileReport:
    """Read a file of Opus packets to its end and sum it up.

    Args:
        path: the file; its name's extension means nothing.
        raw: how a raw stream is framed; ``None`` for a file that says what it is.
        progress: is told the 48 kHz samples done so far.

    Raises:
        FormatError, MissingExtraError, OSError: see
            :func:`opuscule.containers.opening.open_packets`. What is wrong further on is in the
            report.
    """
    path = check_input(path)
    with open_packets(path, raw=raw) as reader:
        tally = _Tally()
        problem = None
        try:
            for item in inspect_packets(reader):
                tally.add(item)
                if progress:
                    progress(tally.end_samples, None)
        except FormatError as error:
            problem = str(error)
        container = detect_file(path) if raw is None else f"raw {raw}"
        return tally.report(reader, str(container), path.stat().st_size, problem)


class _Tally:
    """Counts while a file goes by."""

    def __init__(self) -> None:
        self.end_samples = 0
        self._packets = self._payload_bytes = 0
        self._shortest, self._longest = 0, 0
        self._durations: Counter[int] = Counter()
        self._codings: Counter[Coding] = Counter()
        self._changes: list[CodingChange] = []
        self._change_count = -1  # the first packet is no change
        self._last: Coding | None = None
        self._fec = self._dtx = self._dred = self._dred_longest = 0
        self._gaps: list[Gap] = []
        self._gap_count = self._gap_samples = 0

    def add(self, item: InspectedPacket | Gap) -> None:
        """Take the next packet or gap."""
        if isinstance(item, Gap):
            self.end_samples = item.end_samples
            self._gap_count += 1
            self._gap_samples += item.duration_samples
            if len(self._gaps) < MAX_LISTED:
                self._gaps.append(item)
            return
        packet, size = item.packet, len(item.packet.data)
        self.end_samples = packet.end_samples
        self._shortest = min(self._shortest, size) if self._packets else size
        self._longest = max(self._longest, size)
        self._packets += 1
        self._payload_bytes += size
        self._durations[packet.duration_samples] += 1
        self._codings[item.coding] += packet.duration_samples
        self._fec += item.fec
        self._dtx += item.dtx
        self._dred += item.dred_samples > 0
        self._dred_longest = max(self._dred_longest, item.dred_samples)
        if item.coding != self._last:
            self._last = item.coding
            self._change_count += 1
            if len(self._changes) < MAX_LISTED:
                self._changes.append(CodingChange(packet.time_samples, item.coding))

    def report(
        self, reader: PacketReader, container: str, file_bytes: int, problem: str | None
    ) -> FileReport:
        """Sum up."""
        form = reader.format
        end = self.end_samples if problem else reader.end_samples
        heard = max(0, end - form.pre_skip_samples)
        return FileReport(
            container=container,
            file_bytes=file_bytes,
            channels=form.channels,
            input_rate=form.input_rate,
            pre_skip_samples=form.pre_skip_samples,
            end_trim_samples=max(0, self.end_samples - end),
            gain_q8=form.gain_q8,
            vendor=reader.vendor,
            comments=reader.comments,
            duration_samples=heard,
            packets=self._packets,
            payload_bytes=self._payload_bytes,
            bitrate=self._payload_bytes * 8 * MEDIA_RATE / heard if heard else 0.0,
            packet_bytes=(self._shortest, self._longest),
            packet_durations=dict(self._durations.most_common()),
            coded_samples=tuple(self._codings.most_common()),
            changes=tuple(self._changes),
            change_count=max(0, self._change_count),
            fec_packets=self._fec,
            dred_packets=self._dred,
            dred_longest_samples=self._dred_longest,
            dtx_packets=self._dtx,
            gaps=tuple(self._gaps),
            gap_count=self._gap_count,
            gap_samples=self._gap_samples,
            skipped=reader.skipped,
            truncated=reader.truncated,
            problem=problem,
        )


_SILK: tuple[Bandwidth, ...] = ("narrowband", "mediumband", "wideband")
_CELT: tuple[Bandwidth, ...] = ("narrowband", "wideband", "superwideband", "fullband")


def _coding(toc: int) -> Coding:
    """Read a packet's first byte by the table of RFC 6716 §3.1."""
    config, channels = toc >> 3, 2 if toc & 0x04 else 1
    if config < 12:
        return Coding("silk", _SILK[config // 4], channels, (480, 960, 1920, 2880)[config % 4])
    if config < 16:
        wide: Bandwidth = "superwideband" if config < 14 else "fullband"
        return Coding("hybrid", wide, channels, (480, 960)[config % 2])
    return Coding("celt", _CELT[(config - 16) // 4], channels, 120 << config % 4)


def _is_dtx(data: bytes, frames: int) -> bool:
    """Whether no frame has more than one byte, of a packet that is known to be sound."""
    code = data[0] & 3
    if code < 2:
        return len(data) - 1 <= frames
    if code == 2:
        return data[1] <= 1 and len(data) - 2 - data[1] <= 1
    padded, own_lengths = data[1] & 0x40, data[1] & 0x80
    at, padding = 2, 0
    while padded:
        padding += min(data[at], 254)
        at += 1
        padded = data[at - 1] == 255
    if not own_lengths:
        return len(data) - at - padding <= frames
    lengths = data[at : at + frames - 1]
    return max(lengths, default=0) <= 1 and len(data) - at - len(lengths) - padding <= (
        sum(lengths) + 1
    )

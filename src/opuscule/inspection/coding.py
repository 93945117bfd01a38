"""What each packet of a file is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from opuscule.containers.opening import PacketReader
from opuscule.errors import InvalidPacketError
from opuscule.framing import Bandwidth, Mode, PacketInfo, inspect, undelimit
from opuscule.packets import Gap, Packet

__all__ = ["Coding", "InspectedPacket", "inspect_packets"]

_CODE = 0x03  # RFC 6716 §3.1


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
    """A packet and what it is made of; of several streams, ``coding`` is that of the first."""

    packet: Packet
    """The packet itself."""
    coding: Coding
    """How it is coded."""
    frames: int
    """1 to 48."""
    fec: bool
    """Whether it carries in-band FEC (LBRR) for the frame before it, in any stream."""
    dtx: bool
    """Whether no frame of any stream has more than a byte: silence goes on."""
    dred_samples: int
    """How far before its first sample deep redundancy reaches, in 48 kHz samples; 0 without."""
    fault: str | None
    """Which rule it breaks and where, if its time can be told and its frames cannot: decoders
    refuse it. ``fec``, ``dtx`` and ``dred_samples`` are not known then. ``None`` if it is sound."""


def inspect_packets(reader: PacketReader) -> Iterator[InspectedPacket | Gap]:
    """Say of each packet what it is; gaps stay what they are.

    Raises:
        FormatError: as the reader's own iteration.
    """
    streams = reader.format.streams
    for item in reader:
        yield item if isinstance(item, Gap) else _inspected(item, streams)


def _inspected(packet: Packet, streams: int) -> InspectedPacket:
    fault = None
    try:
        infos = _infos(packet.data, streams)
    except InvalidPacketError as error:
        fault, infos = str(error), []
    # A packet of no more than this byte is sound, and of the same kind.
    first = infos[0] if infos else inspect(bytes((packet.data[0] & ~_CODE,)))
    return InspectedPacket(
        packet,
        Coding(first.mode, first.bandwidth, first.channels, first.frame_samples),
        packet.duration_samples // first.frame_samples,
        fec=any(info.fec for info in infos),
        dtx=bool(infos) and all(info.dtx for info in infos),
        dred_samples=max((-info.dred.start for info in infos if info.dred), default=0),
        fault=fault,
    )


def _infos(data: bytes, streams: int) -> list[PacketInfo]:
    """Take apart a packet of all streams: all but the last delimit themselves (RFC 7845 §3)."""
    infos, at = [], 0
    for _ in range(streams - 1):
        one, at = undelimit(data, at)
        infos.append(inspect(one))
    return [*infos, inspect(data[at:])]

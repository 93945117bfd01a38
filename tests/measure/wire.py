"""Captures made by hand: Opus packets in RTP, UDP, IP, on several links, as pcap and pcapng."""

import struct
from collections.abc import Iterable, Sequence
from functools import cache

from opuscule.codec import StreamEncoder
from opuscule.measure.codec import sentence
from opuscule.packets import Packet

LINKS = (0, 1, 12, 101, 113, 228, 276)


@cache
def spoken(frame_ms: float = 20) -> tuple[Packet, ...]:
    """The sentence as packets, with FEC."""
    sound = sentence()
    encoder = StreamEncoder(sound.rate, sound.channels, preset="voice", frame_ms=frame_ms)
    return (*encoder.push(sound.pcm), *encoder.finish())


def rtp(
    packet: Packet,
    *,
    ssrc: int = 0x1234ABCD,
    payload_type: int = 111,
    first_sequence: int = 0,
    first_timestamp: int = 0,
    dressed: bool = False,
) -> bytes:
    """RFC 3550 §5.1; dressed with two contributing sources, an extension and padding."""
    head = struct.pack(
        ">BBHII",
        0x80 | (0x32 if dressed else 0),
        payload_type | (0x80 if dressed else 0),
        (packet.sequence + first_sequence) & 0xFFFF,
        (packet.time_samples + first_timestamp) & 0xFFFFFFFF,
        ssrc,
    )
    if not dressed:
        return head + packet.data
    extension = struct.pack(">HH", 0xBEDE, 1) + b"\x10\x7f\0\0"
    return head + bytes(8) + extension + packet.data + b"\0\0\x03"


def udp(data: bytes, *, v6: bool = False) -> bytes:
    """A UDP packet over IP."""
    body = struct.pack(">HHHH", 5004, 5006, 8 + len(data), 0) + data
    if v6:
        options = bytes([17, 0, 1, 4, 0, 0, 0, 0])  # hop by hop: six bytes of padding
        return struct.pack(">IHBB", 6 << 28, 8 + len(body), 0, 64) + bytes(32) + options + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, 17, 0)
    return head + bytes([127, 0, 0, 1] * 2) + body


def framed(packet: bytes, link: int, *, vlan: bool = False) -> bytes:
    """An IP packet as it is on a link."""
    kind = struct.pack(">H", 0x86DD if packet[0] >> 4 == 6 else 0x0800)
    heads = {
        0: struct.pack("<I", 2),
        1: bytes(12) + (b"\x81\x00\x00\x05" if vlan else b"") + kind,
        113: bytes(14) + kind,
        276: kind + bytes(18),
    }
    return heads.get(link, b"") + packet


def pcap(
    frames: Iterable[tuple[float, bytes]], link: int = 1, *, order: str = "<", nano: bool = False
) -> bytes:
    """A pcap file of frames with their times in ms."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    found = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for time_ms, frame in frames:
        units = 1_000_000 if nano else 1_000
        seconds, rest = divmod(round(time_ms * units), 1000 * units)
        found.append(struct.pack(f"{order}IIII", seconds, rest, len(frame), len(frame)) + frame)
    return b"".join(found)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(
    frames: Iterable[tuple[float, bytes]], link: int = 1, *, order: str = "<", resolution: int = 6
) -> bytes:
    """A pcapng file: a section, an interface with its resolution of time, blocks of packets."""
    section = struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)
    option = struct.pack(f"{order}HHB3x", 9, 1, resolution) + bytes(4)
    found = [block(0x0A0D0D0A, section, order)]
    found.append(block(1, struct.pack(f"{order}HHI", link, 0, 0) + option, order))
    found.append(block(5, bytes(16), order))  # statistics: nobody asks for them
    for time_ms, frame in frames:
        ticks = round(time_ms * 10 ** (resolution - 3))
        head = struct.pack(
            f"{order}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
        )
        found.append(block(6, head + frame, order))
    return b"".join(found)


def on_the_wire(
    packets: Sequence[Packet], *, link: int = 1, v6: bool = False, late_ms: float = 0.0
) -> list[tuple[float, bytes]]:
    """Frames of packets that come as they were sent."""
    return [
        (1e12 + packet.time_samples / 48 + late_ms, framed(udp(rtp(packet), v6=v6), link))
        for packet in packets
    ]

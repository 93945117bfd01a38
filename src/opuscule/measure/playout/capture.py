"""Captured packets: UDP datagrams out of pcap and pcapng files.

Of what is in them only as much is understood as leads to UDP over IPv4 and IPv6: Ethernet with VLAN
tags, Linux's cooked captures, BSD's loopback, raw IP. Fragments, and what is damaged inside, are
passed over; a file that is cut in its last packet is taken as far as it goes.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.errors import FormatError, UnsupportedFormatError

__all__ = ["Datagram", "is_capture", "read_capture"]

_MAX_BLOCK_BYTES = 1 << 20
"""Longer than any packet that is captured (262,144 is the most that tcpdump takes)."""
_MAX_INTERFACES = 1024
_CUT = "the file was cut within a packet, and ends before it"

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000),
}
"""The first four bytes: order of bytes, and how many units of the fraction are a millisecond."""
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_LINK_HEADS = {
    0: (4, None),  # BSD loopback: an address family, which differs from system to system
    1: (14, 12),  # Ethernet
    12: (0, None),  # raw IP, three names
    14: (0, None),
    101: (0, None),
    108: (4, None),  # OpenBSD loopback
    113: (16, 14),  # Linux cooked
    228: (0, None),  # IPv4
    229: (0, None),  # IPv6
    276: (20, 0),  # Linux cooked, version 2
}
"""Link types: bytes before the packet, and where the two bytes are that say what it is."""
_VLANS = (0x8100, 0x88A8, 0x9100)
_IPV4, _IPV6, _UDP = 0x0800, 0x86DD, 17
_IPV6_OPTIONS = (0, 43, 60)  # hop by hop, routing, destination


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a UDP packet carried."""

    time_ms: float
    """When it was captured, as the file says."""
    data: bytes


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a capture."""
    return head[:4] in _PCAP or head[:4] == _PCAPNG


def read_capture(file: BinaryIO, notes: list[str]) -> Iterator[Datagram]:
    """Give every UDP datagram of a capture, in the order of the file.

    Args:
        file: open at its beginning.
        notes: where it is said when the file was cut.

    Raises:
        FormatError: it is no capture, or its blocks are damaged; the message has the offset.
        UnsupportedFormatError: it was captured on a kind of link that is not known here.
    """
    magic = file.read(4)
    frames = _pcap(file, magic, notes) if magic in _PCAP else _pcapng(file, magic, notes)
    known = False
    unknown: set[int] = set()
    for link, time_ms, frame in frames:
        if link not in _LINK_HEADS:
            unknown.add(link)
            continue
        known = True
        data = _udp(link, frame)
        if data is not None:
            yield Datagram(time_ms, data)
    if unknown and not known:
        kinds = ", ".join(map(str, sorted(unknown)[:5]))
        raise UnsupportedFormatError(
            f"it was captured on links of type {kinds}; those of Ethernet, Linux cooked, loopback"
            " and raw IP are read here"
        )


Frame = tuple[int, float, bytes]
"""Link type, time in ms, bytes."""


def _pcap(file: BinaryIO, magic: bytes, notes: list[str]) -> Iterator[Frame]:
    order, units = _PCAP[magic]
    head = file.read(20)
    if len(head) < 20:
        raise FormatError("the capture ends within its header")
    link = struct.unpack(f"{order}I", head[16:])[0] & 0xFFFF
    record, at = struct.Struct(f"{order}4I"), 24
    while raw := file.read(16):
        if len(raw) < 16:
            notes.append(_CUT)
            return
        seconds, fraction, length, _ = record.unpack(raw)
        if length > _MAX_BLOCK_BYTES:
            raise FormatError(f"the packet at byte {at} says that it has {length} bytes: damaged")
        frame = file.read(length)
        if len(frame) < length:
            notes.append(_CUT)
            return
        yield link, seconds * 1000 + fraction / units, frame
        at += 16 + length


@dataclass(slots=True)
class _Interface:
    link: int
    ms_per_tick: float = 0.001
    offset_ms: float = 0.0


def _pcapng(file: BinaryIO, magic: bytes, notes: list[str]) -> Iterator[Frame]:
    if magic != _PCAPNG:
        raise FormatError(f"it is no capture: it begins with {magic.hex()}")
    order, at, interfaces, first = "<", 0, list[_Interface](), magic
    while first:
        length_bytes = file.read(4)
        if len(first + length_bytes) < 8:
            notes.append(_CUT)
            return
        if first == _PCAPNG:  # a section begins, and with it its order of bytes
            mark = file.read(4)
            if mark not in _ORDERS:
                raise FormatError(f"the section at byte {at} has no order of bytes: damaged")
            order, interfaces = _ORDERS[mark], []
        (kind,) = struct.unpack(f"{order}I", first)
        (length,) = struct.unpack(f"{order}I", length_bytes)
        if length < 12 or length % 4 or length > _MAX_BLOCK_BYTES:
            raise FormatError(f"the block at byte {at} says that it has {length} bytes: damaged")
        rest = length - (12 if first == _PCAPNG else 8)
        body = file.read(max(0, rest))
        if len(body) < rest:
            notes.append(_CUT)
            return
        body = body[:-4]
        if kind == 1:
            if len(interfaces) == _MAX_INTERFACES:
                raise UnsupportedFormatError(f"it has more than {_MAX_INTERFACES} interfaces")
            interfaces.append(_interface(order, body, at))
        elif kind == 6 and len(body) >= 20:
            number, high, low, size = struct.unpack(f"{order}4I", body[:16])
            if number >= len(interfaces):
                raise FormatError(f"the packet at byte {at} is of an interface that is not there")
            of = interfaces[number]
            time_ms = (high << 32 | low) * of.ms_per_tick + of.offset_ms
            yield of.link, time_ms, body[20 : 20 + size]
        at += length
        first = file.read(4)


def _interface(order: str, body: bytes, at: int) -> _Interface:
    if len(body) < 8:
        raise FormatError(f"the interface at byte {at} is too short: damaged")
    found = _Interface(struct.unpack(f"{order}H", body[:2])[0])
    place = 8
    while place + 4 <= len(body):
        code, length = struct.unpack(f"{order}2H", body[place : place + 4])
        value = body[place + 4 : place + 4 + length]
        if code == 0 or len(value) < length:
            break
        if code == 9 and length == 1:  # the resolution of time, a power of 10 or of 2
            base = 2.0 if value[0] & 0x80 else 10.0
            found.ms_per_tick = 1000.0 * base ** -(value[0] & 0x7F)
        elif code == 14 and length == 8:
            found.offset_ms = 1000.0 * struct.unpack(f"{order}q", value)[0]
        place += 4 + length + -length % 4
    return found


def _udp(link: int, frame: bytes) -> bytes | None:
    """The payload of a UDP packet over IP; None for everything else."""
    start, kind_at = _LINK_HEADS[link]
    if kind_at is not None:
        kind = int.from_bytes(frame[kind_at : kind_at + 2], "big")
        while kind in _VLANS and link == 1:
            kind = int.from_bytes(frame[start + 2 : start + 4], "big")
            start += 4
        if kind not in (_IPV4, _IPV6):
            return None
    packet = frame[start:]
    if len(packet) < 20:
        return None
    version = packet[0] >> 4
    body = _ipv4_body(packet) if version == 4 else _ipv6_body(packet) if version == 6 else None
    if body is None or len(body) < 8:
        return None
    length = int.from_bytes(body[4:6], "big")
    return body[8:length] if 8 <= length <= len(body) else None


def _ipv4_body(packet: bytes) -> bytes | None:
    start, total = 4 * (packet[0] & 0x0F), int.from_bytes(packet[2:4], "big")
    fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
    # A total of 0 is what cards that cut packets themselves leave behind.
    end = total or len(packet)
    if packet[9] != _UDP or fragment or not 20 <= start <= end <= len(packet):
        return None
    return packet[start:end]


def _ipv6_body(packet: bytes) -> bytes | None:
    if len(packet) < 40:
        return None
    kind, start = packet[6], 40
    end = min(len(packet), 40 + int.from_bytes(packet[4:6], "big"))
    while kind in _IPV6_OPTIONS and start + 8 <= end:
        kind, start = packet[start], start + 8 + 8 * packet[start + 1]
    return packet[start:end] if kind == _UDP and start <= end else None

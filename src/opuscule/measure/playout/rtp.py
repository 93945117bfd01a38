"""RTP: headers taken off, numbers and time stamps that wrap made to grow, losses found (RFC 3550).

Opus in RTP counts time in 48 kHz samples whatever its rate is (RFC 7587 §4.1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError

__all__ = [
    "MAX_CALL_S",
    "MAX_PACKETS",
    "Heard",
    "Numbered",
    "chosen_stream",
    "number",
    "ordered",
    "rtp_packet",
]

MAX_CALL_S = 7_200
"""The longest call that is played, in seconds."""

MAX_PACKETS = 2_000_000
"""The most packets of a call: eleven hours of 20 ms."""

_MAX_DROPOUT, _MAX_MISORDER = 3000, 100  # RFC 3550 A.1
_MAX_PAUSE_SAMPLES = 48_000 * 600
"""A longer jump of the time stamps is a new beginning, and no pause."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet as it was heard on the wire."""

    sequence: int
    """16 bits, which wrap."""
    timestamp: int
    """32 bits, which wrap, of 48 kHz samples."""
    arrival_ms: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Numbered:
    """A packet in its place; what was lost has no arrival and no payload."""

    sequence: int
    """From 0 on."""
    time_samples: int
    """Media time from 0 on."""
    arrival_ms: float | None
    payload: bytes


def rtp_packet(datagram: bytes) -> tuple[int, int, int, int, bytes] | None:
    """Take the header off: SSRC, payload type, sequence number, time stamp, payload.

    None if it is no RTP, or RTCP on the same port (RFC 5761 §4).
    """
    if len(datagram) < 12 or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
        return None
    start = 12 + 4 * (datagram[0] & 0x0F)
    end = len(datagram)
    if datagram[0] & 0x10:  # RFC 3550 §5.3.1
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if datagram[0] & 0x20:  # its last byte says how much padding there is, itself included
        padding = datagram[-1]
        if not padding:
            return None
        end -= padding
    if start > end:
        return None
    return (
        int.from_bytes(datagram[8:12], "big"),
        datagram[1] & 0x7F,
        int.from_bytes(datagram[2:4], "big"),
        int.from_bytes(datagram[4:8], "big"),
        datagram[start:end],
    )


def _step(before: int, now: int, bits: int) -> int:
    """How far a number that wraps has gone, forwards or backwards."""
    half = 1 << (bits - 1)
    return (now - before + half) % (2 * half) - half


def _follows(before: Heard, packet: Heard) -> bool:
    samples = _step(before.timestamp, packet.timestamp, 32)
    return _step(before.sequence, packet.sequence, 16) == 1 and 0 < samples < _MAX_PAUSE_SAMPLES


def number(packets: Iterable[Heard]) -> list[Numbered]:
    """Give each packet that arrived a number and a time that do not wrap, in order of arrival.

    A jump of more than 3000 numbers forwards or 100 backwards, or of ten minutes, counts when the
    next packet goes on from there: the sender began anew, and its stream is put behind what was.
    A lone one is left out (RFC 3550 A.1).
    """
    found: list[Numbered] = []
    held: Heard | None = None
    # The newest of this beginning, and where it was put.
    newest, sequence, time = None, 0, 0
    for packet in sorted(packets, key=lambda packet: packet.arrival_ms):
        if newest is None:
            newest = packet
        steps = _step(newest.sequence, packet.sequence, 16)
        samples = _step(newest.timestamp, packet.timestamp, 32)
        near = -_MAX_MISORDER <= steps <= _MAX_DROPOUT and abs(samples) < _MAX_PAUSE_SAMPLES
        if not near:
            if held is None or not _follows(held, packet):
                held = packet
                continue
            # Two in a row: what was held back is the first of a new beginning.
            pause_ms = max(20.0, held.arrival_ms - newest.arrival_ms)
            sequence, time = sequence + 1, time + round(pause_ms * 48)
            found.append(Numbered(sequence, time, held.arrival_ms, held.payload))
            newest, steps, samples = held, 1, _step(held.timestamp, packet.timestamp, 32)
        held = None
        found.append(Numbered(sequence + steps, time + samples, packet.arrival_ms, packet.payload))
        if steps > 0:
            newest, sequence, time = packet, sequence + steps, time + samples
    if not found:
        return []
    first = min(packet.sequence for packet in found)
    start = min(packet.time_samples for packet in found)
    return [
        Numbered(p.sequence - first, p.time_samples - start, p.arrival_ms, p.payload) for p in found
    ]


def ordered(packets: Sequence[Numbered]) -> tuple[list[Numbered], list[str]]:
    """In the order of sending, with what was lost in between; and what is to be said of that.

    Of two copies the earlier one counts. What lies between two packets is spread evenly.
    """
    first: dict[int, Numbered] = {}
    for packet in packets:
        first.setdefault(packet.sequence, packet)
    copies = len(packets) - len(first)
    notes = [f"{copies} packets came twice"] if copies else []
    return list(_with_lost(sorted(first.values(), key=lambda packet: packet.sequence))), notes


def _with_lost(packets: Sequence[Numbered]) -> Iterator[Numbered]:
    before: Numbered | None = None
    count = len(packets)
    for packet in packets:
        if before is not None:
            missing = packet.sequence - before.sequence
            count += missing - 1
            if count > MAX_PACKETS:
                raise UnsupportedFormatError(f"it has more than {MAX_PACKETS} packets; cut it")
            samples = max(0, packet.time_samples - before.time_samples)
            for n in range(1, missing):
                at = before.time_samples + samples * n // missing
                yield Numbered(before.sequence + n, at, None, b"")
        yield packet
        before = packet


def chosen_stream(
    streams: Mapping[tuple[int, int], list[Heard]], ssrc: int | None, payload_type: int | None
) -> tuple[list[str], list[Heard]]:
    """Choose one of several streams by what was asked for, or the one with the most packets.

    Args:
        streams: by SSRC and payload type.
        ssrc: the one that is wanted.
        payload_type: the same.

    Returns:
        What to say of the others, and the packets.

    Raises:
        FormatError: there is no stream at all.
        InvalidArgumentError: there is none such.
    """
    if not streams:
        raise FormatError("there is no packet in it that arrived")
    words = {
        key: f"SSRC {key[0]:#010x}, payload type {key[1]}: {len(packets)} packets"
        for key, packets in sorted(streams.items(), key=lambda item: -len(item[1]))
    }
    wanted = [key for key in words if ssrc in (None, key[0]) and payload_type in (None, key[1])]
    if not wanted:
        raise InvalidArgumentError(f"there is no such stream; there are {_some(words.values())}")
    others = [text for key, text in words.items() if key != wanted[0]]
    note = f"taken: {words[wanted[0]]}; also there: {_some(others)}" if others else ""
    return [note] if note else [], streams[wanted[0]]


def _some(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = f"; and {len(listed) - 5} more" if len(listed) > 5 else ""
    return "; ".join(listed[:5]) + more

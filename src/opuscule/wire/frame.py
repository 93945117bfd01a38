"""Binary messages of the native link: an 8-byte header, then one Opus packet.

====== ==== ========================================================================
bytes  bits what
====== ==== ========================================================================
0      7–4  kind: 0 is audio; 1 to 15 are reserved and refused by version 1
0      3    reserved, 0
0      2    END: the stream's last frame, without a packet
0      1    DISCONTINUITY: the source jumped before this packet
0      0    BACKFILL: held back and sent later; not for the ear
1           stream number, chosen by the side that sends the stream
2–3         sequence, big-endian, modulo 2**16
4–7         media time of the first sample, 48 kHz, big-endian, modulo 2**32
8–          the Opus packet (RFC 6716 §3), without any framing
====== ==== ========================================================================

A number missing from the sequence is a packet that was lost or held back. Media time missing
between consecutive numbers is audio that was never sent. An empty packet stands for neither: it
would collide with what decoders take for concealment, so only END has no packet.

:func:`pack` and :func:`unpack` work without a value object, for the path that every packet takes;
:func:`encode_frame` and :func:`decode_frame` are the same with one. ``docs/protocol.md`` is the
specification.
"""

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.packets import MAX_PACKET_BYTES

__all__ = [
    "HEADER_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_SEQUENCE_JUMP",
    "MAX_STREAM_NUMBER",
    "MAX_TIME_JUMP_SAMPLES",
    "SEQUENCE_BITS",
    "TIME_BITS",
    "Flag",
    "Frame",
    "Unwrapper",
    "decode_frame",
    "encode_frame",
    "pack",
    "unpack",
]

HEADER_BYTES = 8
"""Length of the header."""

MAX_FRAME_BYTES = HEADER_BYTES + MAX_PACKET_BYTES
"""Longest binary message."""

MAX_STREAM_NUMBER = 255
"""Highest stream number that the header can hold."""

SEQUENCE_BITS = 16
"""Width of the sequence number on the wire."""

TIME_BITS = 32
"""Width of the media time on the wire."""

MAX_SEQUENCE_JUMP = 1 << 14
"""How far, in packets, a frame may be from the highest sequence before it, either way. Half of what
16 bits can tell apart, so that a wrong number is noticed and not mistaken for another one."""

MAX_TIME_JUMP_SAMPLES = 1 << 30
"""How far, in 48 kHz samples, a frame may be from the latest before it, either way: 6.2 hours, half
of what 32 bits can tell apart. A sender that was silent for longer opens another stream."""

_HEADER = Struct(">BBHI")
# Plain numbers: an operation on an IntFlag costs more than all the rest of a header.
_KNOWN_FLAGS = 0x7
_END = 0x4


class Flag(IntFlag):
    """The low four bits of a frame's first byte."""

    BACKFILL = 0x1
    """The packet was held back or lost before; it completes a recording and is not played."""
    DISCONTINUITY = 0x2
    """The source jumped before this packet: the media time between is not a loss."""
    END = 0x4
    """The last frame: its sequence is the one that a next packet would have had, its media time the
    exact end of valid audio, pre-skip included (as the last granule position, RFC 7845 §4.4)."""


_NO_FLAGS = Flag(0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One binary message, with its counters as the wire has them, wrapped."""

    stream: int
    """Stream number, 0 to 255."""
    sequence: int
    """Sequence, 0 to 65535; :class:`Unwrapper` extends it."""
    time_samples: int
    """Media time of the first sample in 48 kHz samples, 0 to 2**32 - 1."""
    payload: bytes = b""
    """The Opus packet, 1 to 61298 bytes; empty with END."""
    flags: Flag = _NO_FLAGS
    """What is special about it."""


def pack(flags: int, stream: int, sequence: int, time_samples: int, payload: bytes) -> bytes:
    """Return the binary message; ``sequence`` and ``time_samples`` are wrapped here.

    Raises:
        InvalidArgumentError: a flag or stream number that the header cannot hold, a packet that is
            missing without END or present with it, or one longer than any Opus packet.
    """
    if flags & ~_KNOWN_FLAGS:
        raise InvalidArgumentError(f"flags are {flags:#x}; expected bits of {_KNOWN_FLAGS:#x}")
    if not 0 <= stream <= MAX_STREAM_NUMBER:
        raise InvalidArgumentError(f"stream is {stream}; expected 0 to {MAX_STREAM_NUMBER}")
    problem = _payload_problem(flags, len(payload))
    if problem:
        raise InvalidArgumentError(problem)
    return _HEADER.pack(flags, stream, sequence & 0xFFFF, time_samples & 0xFFFFFFFF) + payload


def unpack(data: bytes) -> tuple[int, int, int, int, bytes]:
    """Return flags, stream, wrapped sequence, wrapped media time and payload of a binary message.

    The payload is not looked into.

    Raises:
        RemoteProtocolError: the message is shorter than its header or longer than any Opus packet,
            is of a reserved kind, sets the reserved flag, lacks its packet or has one with END.
    """
    if len(data) < HEADER_BYTES:
        raise RemoteProtocolError(
            f"binary message of {len(data)} bytes; expected at least the {HEADER_BYTES} bytes of "
            "the header"
        )
    first, stream, sequence, time_samples = _HEADER.unpack_from(data)
    if first & ~_KNOWN_FLAGS:
        if first >> 4:
            raise RemoteProtocolError(
                f"binary message of kind {first >> 4}; version 1 has only kind 0, audio, and "
                "reserves the others"
            )
        raise RemoteProtocolError("flag 0x8 is set at offset 0; version 1 reserves it as 0")
    problem = _payload_problem(first, len(data) - HEADER_BYTES)
    if problem:
        raise RemoteProtocolError(problem)
    return first, stream, sequence, time_samples, data[HEADER_BYTES:]


def _payload_problem(flags: int, payload_bytes: int) -> str:
    if flags & _END:
        if payload_bytes:
            return f"END frame with {payload_bytes} bytes of payload; expected none"
    elif not payload_bytes:
        return "audio frame without a packet; leave out what is not sent, and set END to end"
    elif payload_bytes > MAX_PACKET_BYTES:
        return f"packet of {payload_bytes} bytes; an Opus packet has at most {MAX_PACKET_BYTES}"
    return ""


def encode_frame(frame: Frame) -> bytes:
    """Return the binary message of ``frame``.

    Raises:
        InvalidArgumentError: as :func:`pack`, or a counter that is not wrapped.
    """
    if frame.sequence >> SEQUENCE_BITS or frame.time_samples >> TIME_BITS:
        raise InvalidArgumentError(
            f"sequence {frame.sequence} and time {frame.time_samples} must be wrapped to "
            f"{SEQUENCE_BITS} and {TIME_BITS} bits"
        )
    return pack(int(frame.flags), frame.stream, frame.sequence, frame.time_samples, frame.payload)


def decode_frame(data: bytes) -> Frame:
    """Return the frame in a binary message.

    Raises:
        RemoteProtocolError: as :func:`unpack`.
    """
    flags, stream, sequence, time_samples, payload = unpack(data)
    return Frame(stream, sequence, time_samples, payload, Flag(flags))


class Unwrapper:
    """Extends a counter of ``bits`` bits to one that never wraps.

    A value is taken to be the nearest to the highest seen, by the signed difference of RFC 3711
    §3.3.1 and appendix A, so that reordering around the wrap is undone. Exactly half a turn counts
    as behind. The first value is taken relative to ``highest``, too.

    Args:
        bits: how long the counter is: 16 for RTP's numbers, 32 for its times.
        highest: where it begins.

    Raises:
        InvalidArgumentError: ``bits`` is below 1.
    """

    __slots__ = ("_half", "_mask", "highest")

    def __init__(self, bits: int, highest: int = 0) -> None:
        if bits < 1:
            raise InvalidArgumentError(f"bits is {bits}; expected 16 or 32, or another from 1 on")
        self._half = 1 << (bits - 1)
        self._mask = (1 << bits) - 1
        self.highest = highest
        """The highest extended value so far; before the first, where the counter was said to
        begin."""

    def resolve(self, value: int) -> int:
        """Return ``value`` extended, and remember nothing. Negative: before the beginning.

        Raises:
            InvalidArgumentError: ``value`` is not one of ``bits`` bits.
        """
        if value & self._mask != value:
            raise InvalidArgumentError(f"the counter is {value}; expected 0 to {self._mask}")
        return self.highest + ((value - self.highest + self._half) & self._mask) - self._half

    def extend(self, value: int) -> int:
        """Return ``value`` extended, and remember it if it is the highest.

        Raises:
            InvalidArgumentError: as :meth:`resolve`.
        """
        extended = self.resolve(value)
        if extended > self.highest:
            self.highest = extended
        return extended

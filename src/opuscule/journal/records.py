"""The bytes of a journal: what a record looks like, encoded and decoded.

A segment is a file: 16 bytes of header, then records. A record is

    crc32   u32   of all that follows in the record
    length  u32   bytes of the body
    body          type u8, recording u32, then what the type has

all little-endian. A run of zeros, which is what a file system may leave at the end of a file after
a power cut, is no record: its length is below that of the shortest body.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from opuscule.errors import InvalidArgumentError, JournalError
from opuscule.packets import MAX_PACKET_BYTES, Packet, StreamFormat

__all__ = [
    "FRAME",
    "HEADER",
    "MAX_BODY_BYTES",
    "MIN_BODY_BYTES",
    "Begin",
    "End",
    "JournalPacket",
    "Record",
    "Sealed",
    "checksum",
    "decode",
    "encode_begin",
    "encode_end",
    "encode_packet",
    "encode_sealed",
    "owner",
]

VERSION = 1
HEADER = struct.pack("<8sHHI", b"OPUSJRNL", VERSION, 0, 0)
"""The first 16 bytes of a segment: the name, the version, and six bytes that are zero."""

MAX_BODY_BYTES = 1 << 17
"""Longest body of a record: a packet of 61,298 bytes, or a beginning with all its metadata."""

FRAME = struct.Struct("<II")
"""Checksum and length, before each body."""

_HEAD = struct.Struct("<BI")
MIN_BODY_BYTES = _HEAD.size
_PACKET = struct.Struct("<BIqqqHB")
_END = struct.Struct("<BIq")
_KEY = struct.Struct("<BIH")
_LENGTH = struct.Struct("<I")

_BEGIN_TYPE, _PACKET_TYPE, _END_TYPE, _SEALED_TYPE = 1, 2, 3, 4
_BACKFILL, _DISCONTINUITY = 1, 2
_I64 = 1 << 63


@dataclass(frozen=True, slots=True)
class JournalPacket:
    """A packet as it arrived."""

    packet: Packet
    """The packet, with its extended sequence number and media time."""
    arrived_us: int
    """When it arrived, in microseconds of the clock that the caller stamps with."""
    backfill: bool
    """It was filled in later and not heard live."""
    discontinuity: bool
    """The sender's source jumped just before it."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The beginning of a recording."""

    key: str
    format: StreamFormat
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class End:
    """The sender's last word on a recording."""

    end_samples: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """The recording is in the archive; its records here are no longer needed."""


Record = Begin | JournalPacket | End | Sealed


def checksum(body: bytes) -> int:
    """Compute the CRC-32 of a record: over the length and then the body."""
    return zlib.crc32(body, zlib.crc32(_LENGTH.pack(len(body))))


def owner(body: bytes) -> int:
    """Tell the number of the recording that a record belongs to."""
    return int(_HEAD.unpack_from(body)[1])


def _frame(body: bytes) -> bytes:
    return FRAME.pack(checksum(body), len(body)) + body


def encode_begin(recording: int, begin: Begin) -> bytes:
    """Encode a record that begins a recording.

    Raises:
        InvalidArgumentError: the key is empty or over 256 bytes, the metadata is no JSON or the
            whole is over 128 KiB.
    """
    key = begin.key.encode()
    if not 1 <= len(key) <= 256:
        raise InvalidArgumentError(f"the key of a recording has {len(key)} bytes; expected 1..256")
    form = begin.format
    try:
        document = json.dumps(
            {
                "channels": form.channels,
                "pre_skip_samples": form.pre_skip_samples,
                "input_rate": form.input_rate,
                "gain_q8": form.gain_q8,
                "metadata": dict(begin.metadata),
            },
            allow_nan=False,
        ).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"metadata of {begin.key!r} is not JSON: {error}") from error
    body = _KEY.pack(_BEGIN_TYPE, recording, len(key)) + key + document
    if len(body) > MAX_BODY_BYTES:
        raise InvalidArgumentError(
            f"metadata of {begin.key!r} has {len(document)} bytes; at most {MAX_BODY_BYTES - 512}"
        )
    return _frame(body)


def encode_packet(recording: int, arrived: JournalPacket) -> bytes:
    """Encode a record that holds one packet.

    Raises:
        InvalidArgumentError: the packet is empty or over 61,298 bytes, or a number does not fit.
    """
    packet = arrived.packet
    if not 1 <= len(packet.data) <= MAX_PACKET_BYTES:
        raise InvalidArgumentError(
            f"packet {packet.sequence} has {len(packet.data)} bytes; expected 1..{MAX_PACKET_BYTES}"
        )
    flags = _BACKFILL * arrived.backfill | _DISCONTINUITY * arrived.discontinuity
    try:
        head = _PACKET.pack(
            _PACKET_TYPE,
            recording,
            packet.sequence,
            packet.time_samples,
            arrived.arrived_us,
            packet.duration_samples,
            flags,
        )
    except struct.error as error:
        raise InvalidArgumentError(f"packet {packet.sequence} is out of range: {error}") from error
    return _frame(head + packet.data)


def encode_end(recording: int, end_samples: int) -> bytes:
    """Encode a record that ends a recording at ``end_samples`` of media time.

    Raises:
        InvalidArgumentError: it is negative or does not fit 63 bits.
    """
    if not 0 <= end_samples < _I64:
        raise InvalidArgumentError(f"end_samples is {end_samples}; expected 0..2**63-1")
    return _frame(_END.pack(_END_TYPE, recording, end_samples))


def encode_sealed(recording: int) -> bytes:
    """Encode a record that says that a recording is in the archive."""
    return _frame(_HEAD.pack(_SEALED_TYPE, recording))


def decode(body: bytes) -> Record:
    """Decode the record in ``body``, whose checksum has been found good.

    Raises:
        JournalError: it is of a kind that this release does not know, or contradicts itself.
    """
    kind = body[0]
    try:
        if kind == _PACKET_TYPE:
            _, _, sequence, time, arrived_us, duration, flags = _PACKET.unpack_from(body)
            packet = Packet(sequence, time, duration, body[_PACKET.size :])
            return JournalPacket(
                packet, arrived_us, bool(flags & _BACKFILL), bool(flags & _DISCONTINUITY)
            )
        if kind == _END_TYPE:
            return End(_END.unpack(body)[2])
        if kind == _SEALED_TYPE:
            return Sealed()
        if kind == _BEGIN_TYPE:
            start = _KEY.size + _KEY.unpack_from(body)[2]
            fields = json.loads(body[start:])
            metadata = fields.pop("metadata")
            return Begin(body[_KEY.size : start].decode(), StreamFormat(**fields), metadata)
    except (struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise JournalError(f"a record of type {kind} contradicts itself: {error}") from error
    raise JournalError(f"a record is of the unknown type {kind}; a newer release wrote it")

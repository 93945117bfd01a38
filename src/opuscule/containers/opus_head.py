"""OpusHead, as containers other than Ogg carry it, and the trims that stand elsewhere in them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.errors import FormatError, InvalidPacketError, UnsupportedFormatError
from opuscule.packets import StreamFormat

__all__ = ["AccessUnit", "CafPackets", "access_units", "caf_packets", "parse_opus_head"]

_HEAD = struct.Struct("<8sBBHIhB")
_CAF_PAKT = struct.Struct(">qqii")
_CAF_CHUNK = struct.Struct(">4sq")
_MAX_CHUNKS = 4096


def parse_opus_head(head: bytes) -> StreamFormat:
    """Read an OpusHead (RFC 7845 §5.1), as Matroska has it and FFmpeg gives MP4's ``dOps``.

    Raises:
        FormatError: it is none, or of a version that cannot be read.
        UnsupportedFormatError: it has more than two channels, or several streams.
    """
    if len(head) < _HEAD.size:
        raise FormatError(f"OpusHead of {len(head)} bytes; expected at least {_HEAD.size}")
    magic, version, channels, pre_skip, rate, gain, family = _HEAD.unpack_from(head)
    if magic != b"OpusHead" or version & 0xF0 or not channels:
        raise FormatError(
            f"codec header begins {head[:10].hex()}; expected OpusHead of version 0 to 15 and its "
            "channels (RFC 7845 §5.1)"
        )
    mapping = head[_HEAD.size :]
    if channels > 2 or (
        family and (mapping[:1] != b"\1" or mapping[2:4] != bytes(range(channels)))
    ):
        raise UnsupportedFormatError(
            f"the file has {channels} channels (mapping family {family}); mono and stereo in one "
            "stream are read"
        )
    return StreamFormat(channels, pre_skip, rate, gain)


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One Opus packet in an MPEG transport stream, and what is cut off it."""

    data: bytes
    """The packet."""
    start_trim_samples: int
    """48 kHz samples at its beginning that are not audio."""
    end_trim_samples: int
    """48 kHz samples at its end that are not audio."""


def access_units(pes: bytes) -> Iterator[AccessUnit]:
    """Take the packets out of the payload of a PES packet, which has a control header before each.

    Written after "Opus in MPEG-2 TS" (ETSI TS 103 491 names it): 11 bits 0x3FF, flags for start
    trim, end trim and extension, 2 bits reserved; the packet's length as a sum of bytes that ends
    with the first below 255; 3 reserved and 13 bits of each trim.

    Raises:
        InvalidPacketError: after the packets before it: no control header, or it claims more than
            there is; with the offset.
    """
    at = 0
    while at < len(pes):
        begin = at
        try:
            flags = int.from_bytes(pes[at : at + 2])
            if flags >> 5 != 0x3FF:
                raise InvalidPacketError(f"no control header at byte {at} of a PES packet")
            at += 2
            size = pes[at]
            while pes[at] == 255:
                at += 1
                size += pes[at]
            at += 1
            trims = [0, 0]
            for index, flag in enumerate((0x10, 0x08)):
                if flags & flag:
                    trims[index] = (pes[at] << 8 | pes[at + 1]) & 0x1FFF
                    at += 2
            if flags & 0x04:
                at += 1 + pes[at]
        except IndexError:
            size = len(pes)  # more than there is
        if at + size > len(pes):
            raise InvalidPacketError(
                f"the packet at byte {begin} of a PES packet is longer than the {len(pes)} there"
            )
        yield AccessUnit(pes[at : at + size], trims[0], trims[1])
        at += size


@dataclass(frozen=True, slots=True)
class CafPackets:
    """What a CAF file's packet table says of the whole (Core Audio Format, Packet Table Chunk)."""

    packets: int
    """How many there are."""
    priming_samples: int
    """The pre-skip, in 48 kHz samples."""
    remainder_samples: int
    """What is cut off at the end, in 48 kHz samples."""


def caf_packets(file: BinaryIO) -> CafPackets | None:
    """Find the packet table of a CAF file; ``None`` if it has none that makes sense.

    Args:
        file: readable and seekable, at the beginning of the CAF data; it is left anywhere.
    """
    file.seek(8, 1)
    for _ in range(_MAX_CHUNKS):
        header = file.read(_CAF_CHUNK.size)
        if len(header) < _CAF_CHUNK.size:
            return None
        name, size = _CAF_CHUNK.unpack(header)
        if size < 0:  # the data goes on to the end of the file
            return None
        if name == b"pakt":
            body = file.read(_CAF_PAKT.size)
            if len(body) < _CAF_PAKT.size:
                return None
            packets, _, priming, remainder = _CAF_PAKT.unpack(body)
            sane = 0 <= priming < 1 << 16 and 0 <= remainder < 1 << 16 and packets >= 0
            return CafPackets(packets, priming, remainder) if sane else None
        file.seek(min(size, 1 << 62), 1)
    return None

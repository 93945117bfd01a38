"""Raw Opus: packets one after another, each with its length, and nothing around them.

Bare packets in a row cannot be taken apart again; two framings make it possible. Self-delimiting
(RFC 6716 appendix B) puts the length into the packet; the others put it in front, as a number of 16
or 32 bits of either byte order. Such a stream has no header, no time and no signature: the caller
says how it is framed, time is counted from the packets' own durations, and a packet that was lost
leaves no trace.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal, get_args

from opuscule._native import packet_delimit, packet_duration, packet_undelimit
from opuscule.errors import FormatError, InvalidArgumentError, InvalidPacketError, TruncatedError
from opuscule.packets import MAX_PACKET_BYTES, Gap, Packet, StreamFormat

__all__ = ["FRAMINGS", "Framing", "RawReader", "RawWriter"]

Framing = Literal["self-delimited", "u16le", "u16be", "u32le", "u32be"]
"""How packets are kept apart: by appendix B, or a length in front of each."""

FRAMINGS: tuple[Framing, ...] = get_args(Framing)
"""Every framing."""

_PREFIXES = {
    "u16le": struct.Struct("<H"),
    "u16be": struct.Struct(">H"),
    "u32le": struct.Struct("<I"),
    "u32be": struct.Struct(">I"),
}
_CHUNK_BYTES = 1 << 16
# What is enough to read a packet whole: the longest one and its length.
_WINDOW_BYTES = MAX_PACKET_BYTES + 4
_STEREO = 0x04  # RFC 6716 §3.1


class RawReader:
    """The packets of a raw stream; iterate over it once.

    It has no gaps to report. Nothing is passed over: where bytes are no packet, there is no telling
    where the next one begins, and an error says where that is.

    Args:
        file: a readable binary file; it is not closed.
        framing: how packets are kept apart.
        stream_format: what a decoder has to know; ``None`` for the first packet's channels, no
            pre-skip and no gain.

    Raises:
        InvalidArgumentError: there is no such framing.
        FormatError: the file is empty. Here or while iterating, after the packets before it: a
            packet is none, or longer than any can be; with its offset in the file.
        TruncatedError: here or while iterating, the file ends within a packet; with the offset.
    """

    format: StreamFormat
    """What a decoder has to know."""
    vendor: str = ""
    """The encoder's name, which such a stream does not have."""
    comments: tuple[tuple[str, str], ...] = ()
    """Tags, which such a stream does not have."""
    truncated: bool = False
    """Whether the file ends within a packet; known when that is raised."""

    def __init__(
        self, file: BinaryIO, framing: Framing, *, stream_format: StreamFormat | None = None
    ) -> None:
        _check_framing(framing)
        self._file = file
        self._prefix = _PREFIXES.get(framing)
        self._buffer = b""
        self._at = 0
        self._offset = 0
        self._end_of_file = False
        self.end_samples = 0
        """Media time at which the packets read so far end, 48 kHz samples."""
        first = self._next()
        if first is None:
            raise FormatError("the stream is empty: got 0 bytes, expected Opus packets")
        self.format = stream_format or StreamFormat(2 if first[0] & _STEREO else 1, 0, 48_000)
        self._items = self._read(first)

    def __iter__(self) -> Iterator[Packet | Gap]:
        return self._items

    @property
    def skipped(self) -> dict[str, tuple[int, int]]:
        """What was passed over: nothing, ever."""
        return {}

    def _read(self, data: bytes | None) -> Iterator[Packet | Gap]:
        sequence = 0
        while data is not None:
            time = self.end_samples
            duration = packet_duration(data)
            self.end_samples = time + duration
            yield Packet(sequence, time, duration, data)
            sequence += 1
            data = self._next()

    def _next(self) -> bytes | None:
        """Read one packet; ``None`` at the end of the file."""
        if self._at == len(self._buffer) and not self._more():
            return None
        begin = self._offset + self._at
        while True:
            try:
                data, end = self._take()
                packet_duration(data)
            except TruncatedError:
                if len(self._buffer) - self._at < _WINDOW_BYTES and self._more():
                    continue  # what is live is not waited for beyond a packet's end
                raise self._cut(begin) from None
            except InvalidPacketError as error:
                raise FormatError(
                    f"no Opus packet at byte {begin}: {error}; the stream is damaged there, or "
                    "framed otherwise"
                ) from error
            self._at = end
            return data

    def _cut(self, begin: int) -> FormatError:
        if not self._end_of_file:  # padding, which has no end of its own
            return FormatError(
                f"the packet at byte {begin} claims more than {MAX_PACKET_BYTES} bytes; the "
                "stream is damaged there, or framed otherwise"
            )
        self.truncated = True
        return TruncatedError(
            f"the stream ends at byte {self._offset + len(self._buffer)}, within the packet "
            f"that begins at byte {begin}: it is cut, or framed otherwise"
        )

    def _take(self) -> tuple[bytes, int]:
        if self._prefix is None:
            return self._undelimit()
        start = self._at + self._prefix.size
        if start > len(self._buffer):
            raise TruncatedError
        (length,) = self._prefix.unpack_from(self._buffer, self._at)
        if not 1 <= length <= MAX_PACKET_BYTES:
            raise InvalidPacketError(f"its length is {length}; expected 1 to {MAX_PACKET_BYTES}")
        if start + length > len(self._buffer):
            raise TruncatedError
        return self._buffer[start : start + length], start + length

    def _undelimit(self) -> tuple[bytes, int]:
        try:
            return packet_undelimit(self._buffer, self._at)
        except InvalidPacketError as error:
            if error.rule == "R5":  # its offset counts from the buffer's beginning
                packet_undelimit(self._buffer[self._at :], 0)
            # More bytes can mend every other rule.
            raise TruncatedError from None

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        more = self._file.read(_CHUNK_BYTES)
        self._end_of_file = not more
        self._buffer = self._buffer[self._at :] + more
        self._offset += self._at
        self._at = 0
        return bool(more)


class RawWriter:
    """Writes packets one after another, each with its length.

    Args:
        file: a writable binary file; it is not closed.
        framing: how packets are kept apart.

    Raises:
        InvalidArgumentError: there is no such framing.
    """

    def __init__(self, file: BinaryIO, framing: Framing) -> None:
        _check_framing(framing)
        self._file = file
        self._prefix = _PREFIXES.get(framing)

    def write(self, data: bytes) -> None:
        """Add one packet. Its time is not kept: what is missing before it would not be noticed.

        Raises:
            InvalidPacketError: it is no Opus packet. Nothing was written.
        """
        packet_duration(data)
        if self._prefix is None:
            self._file.write(packet_delimit(data))
        elif len(data) > MAX_PACKET_BYTES:
            raise InvalidPacketError(
                f"packet of {len(data)} bytes; one Opus stream has at most {MAX_PACKET_BYTES}"
            )
        else:
            self._file.write(self._prefix.pack(len(data)) + data)


def _check_framing(framing: str) -> None:
    if framing not in FRAMINGS:
        raise InvalidArgumentError(f"framing is {framing!r}; expected {', '.join(FRAMINGS)}")

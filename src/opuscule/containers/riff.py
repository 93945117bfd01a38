"""The header of a WAV file: RIFF, RF64 and BW64 chunks up to the first sample.

Theory of operation. A WAV file is a row of chunks, each with a name, a size and, when the size is
odd, a byte of padding. ``fmt`` says what a sample is and must come before ``data``; the rest may
stand anywhere and is passed over. Sizes are what goes wrong in practice, so the amount of data is
decided in one place (:func:`_data_bytes`): a size that a streaming writer could not know means "to
the end of the file", RF64 keeps the true one in ``ds64`` (EBU Tech 3306), and a size that the file
does not hold is an error before the first sample is handed out, not a short recording.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.errors import FormatError, TruncatedError, UnsupportedFormatError

__all__ = [
    "STREAMED_BYTES",
    "UNKNOWN_BYTES",
    "WavCoding",
    "is_wav",
    "read_fully",
    "read_header",
    "truncated",
]

UNKNOWN_BYTES = 0xFFFF_FFFF
"""The size that stands for one that is not known, or that does not fit."""

_FORM_NAMES = (b"RIFF", b"RF64", b"BW64")
_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
# WAVE_FORMAT_EXTENSIBLE names its format by a GUID whose tail is the same for all older formats.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
STREAMED_BYTES = (UNKNOWN_BYTES, 0x7FFF_F000, 0x8000_0000)
"""What is written by programs that stream and cannot go back: ffmpeg's, sox's, arecord's."""
_MAX_CHUNKS = 4096
_MAX_CHANNELS = 255
_SKIP_BYTES = 65_536


def is_wav(head: bytes) -> bool:
    """Whether the first 12 bytes of a file say that it is of this kind."""
    return head[:4] in _FORM_NAMES and head[8:12] == b"WAVE"


@dataclass(frozen=True, slots=True)
class WavCoding:
    """What ``fmt`` says of a sample."""

    rate: int
    """Frames a second, in Hz; 1 and more."""
    channels: int
    """Samples in a frame; 1 to 255."""
    is_float: bool
    """Whether a sample is a float, else an integer."""
    sample_bytes: int
    """Bytes of one sample: 1 to 4 or 8, a float's 4 or 8."""
    bits: int
    """Bits of one sample that are used, from the uppermost on."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * self.sample_bytes


def read_header(file: BinaryIO, salvage: bool) -> tuple[WavCoding, int | None, bool]:
    """Read up to the first sample: what a sample is, and how many bytes of them there are.

    The number is None when only the end of a pipe will tell. The last is whether it is less than
    the header says.

    Raises:
        FormatError: it is no WAV file, or its header contradicts itself; the message has the place.
        TruncatedError: it ends before its data, or holds less of it than it says and ``salvage`` is
            not asked for.
        UnsupportedFormatError: its samples are compressed, or of a width that is not read here.
    """
    size = _size(file)
    head = read_fully(file, 12)
    if not is_wav(head):
        raise FormatError(f"no WAV file: begins with {head!r}, expected RIFF, 4 bytes and WAVE")
    form_bytes = int.from_bytes(head[4:8], "little")
    place, coding, long_bytes = 12, None, 0
    for _ in range(_MAX_CHUNKS):
        header = read_fully(file, 8)
        if len(header) < 8:
            end = place + len(header) if size is None else size
            raise TruncatedError(f"WAV file ends at byte {end} without audio data")
        name, chunk_bytes = header[:4], int.from_bytes(header[4:], "little")
        place += 8
        if name == b"data":
            if coding is None:
                raise FormatError(f"WAV data at byte {place} comes before its fmt chunk")
            there = None if size is None else size - place
            streamed = size is None or form_bytes in STREAMED_BYTES or size > form_bytes + 8
            declared = long_bytes if chunk_bytes == UNKNOWN_BYTES and long_bytes else chunk_bytes
            found = _data_bytes(declared, there, streamed, coding.frame_bytes, salvage)
            return coding, *found
        body = read_fully(file, min(chunk_bytes, 40)) if name in (b"fmt ", b"ds64") else b""
        if name == b"fmt ":
            coding = _parse_fmt(body, place)
        elif name == b"ds64" and len(body) >= 16:
            # RIFF size, then data size, 64 bits each (EBU Tech 3306 §3.5).
            long_bytes = int.from_bytes(body[8:16], "little")
        padded_bytes = chunk_bytes + chunk_bytes % 2
        _skip(file, padded_bytes - len(body), size)
        place += padded_bytes
    raise FormatError(f"WAV file has {_MAX_CHUNKS} chunks before its data; expected a few")


def _data_bytes(
    declared: int, there: int | None, streamed: bool, frame_bytes: int, salvage: bool
) -> tuple[int | None, bool]:
    """How many bytes of samples there are, and whether these are fewer than the header says.

    None when only the end of a pipe will tell.

    A size of 0 is true where the RIFF size, which is written last, covers what follows: those are
    other chunks. Where it does not, nobody came back to fill the sizes in.
    """
    if declared in STREAMED_BYTES and (there is None or there < declared):
        return there, False
    if declared == 0 and streamed:
        return there, False
    if there is not None and there < declared:
        if not salvage:
            raise truncated(there, declared, frame_bytes)
        return there, True
    return declared, False


def truncated(got_bytes: int, expected_bytes: int, frame_bytes: int) -> TruncatedError:
    """Make the error for data that ends early."""
    return TruncatedError(
        f"WAV file is cut short: got {got_bytes // frame_bytes} samples, its header promises "
        f"{expected_bytes // frame_bytes}; read it with salvage to keep what is there"
    )


def _parse_fmt(body: bytes, place: int) -> WavCoding:
    if len(body) < 16:
        raise FormatError(f"fmt chunk at byte {place} has {len(body)} bytes, expected at least 16")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40:
            raise FormatError(f"extensible fmt at byte {place} has {len(body)} bytes, expected 40")
        tag = int.from_bytes(body[24:26], "little") if body[26:40] == _GUID_TAIL else tag
    if tag not in (_PCM, _FLOAT):
        raise UnsupportedFormatError(f"WAV coding 0x{tag:04x} is not read here, only PCM and float")
    if not rate or not channels:
        raise FormatError(f"fmt at byte {place} has {channels} channels at {rate} Hz; expected any")
    if channels > _MAX_CHANNELS:
        raise UnsupportedFormatError(f"WAV file has {channels} channels; at most 255 are read")
    sample_bytes, rest = divmod(align, channels)
    if rest or sample_bytes * 8 < bits or not bits:
        raise FormatError(
            f"fmt at byte {place} says {align} bytes for a frame of {channels} samples of {bits} "
            f"bits; expected {channels * ((bits + 7) // 8)}"
        )
    # Fewer bits than the bytes hold are the upper ones, so that a wider sample reads the same; but
    # 8 bits and less are unsigned and stand alone.
    widths = (4, 8) if tag == _FLOAT else (1,) if bits <= 8 else (2, 3, 4, 8)
    if sample_bytes not in widths or (tag == _FLOAT and bits != sample_bytes * 8):
        raise UnsupportedFormatError(
            f"WAV samples of {bits} bits in {sample_bytes} bytes are not read here"
        )
    return WavCoding(rate, channels, tag == _FLOAT, sample_bytes, bits)


def read_fully(file: BinaryIO, wanted: int) -> bytes:
    """Exactly ``wanted`` bytes, fewer only at the end; a pipe gives them in pieces."""
    data = file.read(wanted)
    while len(data) < wanted and (more := file.read(wanted - len(data))):
        data += more
    return data


def _size(file: BinaryIO) -> int | None:
    """Bytes from here to the end, or None for a pipe."""
    if not file.seekable():
        return None
    here = file.tell()
    size = file.seek(0, io.SEEK_END) - here
    file.seek(here)
    return size


def _skip(file: BinaryIO, count: int, size: int | None) -> None:
    if size is not None:
        file.seek(count, io.SEEK_CUR)
        return
    while count and (passed := len(file.read(min(count, _SKIP_BYTES)))):
        count -= passed

"""WAV files with PCM or float samples, read and written without NumPy, for the live path too."""

import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO, Self

from opuscule.containers.pcm import BLOCK_BYTES, SAMPLE_BYTES, Coding, PcmReader, SampleFormat
from opuscule.containers.riff import (
    UNKNOWN_BYTES,
    WavCoding,
    read_fully,
    read_header,
    truncated,
)
from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.files import check_input, check_open

__all__ = ["WavReader", "WavWriter"]


class WavReader(PcmReader):
    """The samples of a WAV file, as a :class:`~opuscule.containers.pcm.PcmReader`.

    PCM of 16 bits gives int16; 8, 24, 32 and 64 bits and floats give float32. Sizes may be missing,
    as in what a program has written into a pipe; an incomplete last frame is then left out.

    Args:
        source: a path, or an open binary file at the beginning of the WAV data, which may be a
            pipe and is not closed here.
        salvage: read a file that was cut short as far as it goes, instead of refusing it.

    Raises:
        FormatError: it is no WAV file, or its header contradicts itself; the message has the place.
        TruncatedError: the header promises more samples than there are. From a pipe, this comes
            at its end.
        UnsupportedFormatError: its samples are compressed, or of a width that is not read here.
        FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """

    def __init__(self, source: str | os.PathLike[str] | BinaryIO, *, salvage: bool = False) -> None:
        self._owned = isinstance(source, str | os.PathLike)
        self._file: BinaryIO = (
            check_input(source).open("rb") if isinstance(source, str | os.PathLike) else source
        )
        self._salvage = salvage
        self._read_bytes = 0
        try:
            self._coding, self._bytes, self.cut_short = read_header(self._file, salvage)
        except BaseException as error:
            self.close()
            if self._owned and isinstance(error, FormatError):
                raise type(error)(f"{source}: {error}") from None
            raise
        self._convert, self._sample_format = _conversion(self._coding)

    @property
    def rate(self) -> int:
        """Frames a second, in Hz, as the header says."""
        return self._coding.rate

    @property
    def channels(self) -> int:
        """Samples in a frame; 1 to 255."""
        return self._coding.channels

    @property
    def sample_format(self) -> SampleFormat:
        """``int16`` for 16-bit files, else ``float32``."""
        return self._sample_format

    @property
    def coding(self) -> Coding:
        """How its samples are written."""
        kind = "f" if self._coding.is_float else "u" if self._coding.sample_bytes == 1 else "s"
        order = "" if self._coding.sample_bytes == 1 else "le"
        codec = f"pcm_{kind}{8 * self._coding.sample_bytes}{order}"
        return Coding(codec, self._coding.bits, self._coding.is_float)

    @property
    def total_samples(self) -> int | None:
        """Frames in the file; None when it is a pipe without a size."""
        return None if self._bytes is None else self._bytes // self._coding.frame_bytes

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames, native byte order.

        Raises:
            TruncatedError: the file ended before its header said.
        """
        frame_bytes = self._coding.frame_bytes
        # Not longer than BLOCK_BYTES once converted, nor before it.
        widest = self._coding.channels * max(
            self._coding.sample_bytes, SAMPLE_BYTES[self._sample_format]
        )
        block_bytes = max(1, BLOCK_BYTES // widest) * frame_bytes
        while True:
            wanted = block_bytes
            if self._bytes is not None:
                wanted = min(wanted, self._bytes - self._read_bytes)
            raw = self._file.read(wanted)  # a pipe gives what it has, and that is not waited for
            raw += read_fully(self._file, min(-len(raw) % frame_bytes, wanted - len(raw)))
            self._read_bytes += len(raw)
            # A frame of which a part is missing is no sample in time.
            whole = len(raw) - len(raw) % frame_bytes
            if whole:
                yield self._convert(raw[:whole])
            if whole < len(raw) or not raw:
                missing = self._bytes is not None and self._read_bytes < self._bytes
                if missing and not self._salvage:
                    raise truncated(self._read_bytes, self._bytes or 0, frame_bytes)
                self.cut_short |= missing
                return

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()


class WavWriter:
    """Writes a WAV file of 16-bit PCM or float32 samples.

    The header is written at once with unknown sizes, so that what a killed program leaves behind,
    or what goes into a pipe, is read to its end; :meth:`close` fills them in where it can go back.

    Args:
        file: an open binary file, which stays open.
        rate: frames a second, in Hz.
        channels: samples in a frame; 1 to 255.
        sample_format: what is written; what is passed to :meth:`write` must be the same.

    Raises:
        InvalidArgumentError: rate or channels are out of range.
        OSError: writing failed.
    """

    def __init__(
        self, file: BinaryIO, rate: int, channels: int, sample_format: SampleFormat = "int16"
    ) -> None:
        check_open(file, "wb")
        if not 0 < rate < 2**32 or not 0 < channels <= 255:
            raise InvalidArgumentError(
                f"WAV of {channels} channels at {rate} Hz; expected 1 to 255 and a positive rate"
            )
        self._file = file
        self._rate, self._channels, self._format = rate, channels, sample_format
        self._frame_bytes = channels * SAMPLE_BYTES[sample_format]
        self._data_bytes = 0
        self._closed = False
        self._seekable = file.seekable()
        self._start = file.tell() if self._seekable else 0
        self._header_bytes = file.write(self._header(UNKNOWN_BYTES, UNKNOWN_BYTES))

    @property
    def total_samples(self) -> int:
        """Frames written so far."""
        return self._data_bytes // self._frame_bytes

    def write(self, pcm: bytes) -> None:
        """Append whole frames: interleaved, native byte order, of the format given at the start.

        Raises:
            InvalidArgumentError: it is no whole number of frames, or the file is closed.
            UnsupportedFormatError: the file would pass 4 GiB, which WAV's sizes cannot say; what
                was written before stays readable.
            OSError: writing failed.
        """
        if self._closed or len(pcm) % self._frame_bytes:
            raise InvalidArgumentError(
                f"got {len(pcm)} bytes, expected frames of {self._frame_bytes} for a WAV file that "
                f"is {'closed' if self._closed else 'open'}"
            )
        after = self._data_bytes + len(pcm)
        if self._seekable and after + self._header_bytes >= UNKNOWN_BYTES:
            raise UnsupportedFormatError(
                f"a WAV file ends at 4 GiB, which is {self.total_samples} samples here; split the "
                "recording or write another format"
            )
        self._file.write(pcm if sys.byteorder == "little" else self._swapped(pcm))
        self._data_bytes = after

    def close(self) -> None:
        """Fill in the sizes and leave the file at its end; closing twice does no harm."""
        if self._closed:
            return
        self._closed = True
        if self._seekable:
            self._file.seek(self._start)
            self._file.write(
                self._header(self._header_bytes - 8 + self._data_bytes, self._data_bytes)
            )
            self._file.seek(self._start + self._header_bytes + self._data_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _header(self, form_bytes: int, data_bytes: int) -> bytes:
        sample_bytes = SAMPLE_BYTES[self._format]
        fmt = struct.pack(
            "<HHIIHH",
            1 if self._format == "int16" else 3,
            self._channels,
            self._rate,
            min(self._rate * self._frame_bytes, UNKNOWN_BYTES),
            self._frame_bytes,
            sample_bytes * 8,
        )
        fact = b""
        if self._format == "float32":
            # Whatever is not PCM has an extension size and a fact chunk with the frames.
            fmt += struct.pack("<H", 0)
            frames = UNKNOWN_BYTES if data_bytes == UNKNOWN_BYTES else self.total_samples
            fact = struct.pack("<4sII", b"fact", 4, frames)
        return b"".join(
            (
                struct.pack("<4sI4s", b"RIFF", form_bytes, b"WAVE"),
                struct.pack("<4sI", b"fmt ", len(fmt)),
                fmt,
                fact,
                struct.pack("<4sI", b"data", data_bytes),
            )
        )

    def _swapped(self, pcm: bytes) -> bytes:
        return _native("h" if self._format == "int16" else "f", pcm).tobytes()


def _conversion(coding: WavCoding) -> tuple[Callable[[bytes], bytes], SampleFormat]:
    if coding.is_float:
        return (_from_float32 if coding.sample_bytes == 4 else _from_float64), "float32"
    if coding.sample_bytes == 2:
        return _from_int16, "int16"
    return {1: _from_uint8, 3: _from_int24, 4: _from_int32, 8: _from_int64}[
        coding.sample_bytes
    ], "float32"


def _from_int16(raw: bytes) -> bytes:
    return raw if sys.byteorder == "little" else _native("h", raw).tobytes()


def _from_float32(raw: bytes) -> bytes:
    return raw if sys.byteorder == "little" else _native("f", raw).tobytes()


def _from_float64(raw: bytes) -> bytes:
    return array("f", _native("d", raw)).tobytes()


def _from_uint8(raw: bytes) -> bytes:
    return array("f", map(_UINT8.__getitem__, raw)).tobytes()


def _from_int24(raw: bytes) -> bytes:
    wide = bytearray(len(raw) // 3 * 4)
    for byte in range(3):
        wide[byte + 1 :: 4] = raw[byte::3]
    return _from_int32(bytes(wide))


def _from_int32(raw: bytes) -> bytes:
    return array("f", map((1 / 2**31).__mul__, _native("i", raw))).tobytes()


def _from_int64(raw: bytes) -> bytes:
    return array("f", map((1 / 2**63).__mul__, _native("q", raw))).tobytes()


_UINT8 = [(value - 128) / 128 for value in range(256)]


def _native(code: str, raw: bytes) -> "array[int] | array[float]":
    samples: array[int] | array[float] = array(code, raw)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples

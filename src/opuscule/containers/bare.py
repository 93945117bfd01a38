"""Bare PCM: samples without a header, as pipes between programs carry them."""

import os
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.containers.pcm import BLOCK_BYTES, SAMPLE_BYTES, PcmReader, SampleFormat
from opuscule.containers.pipe import Pipe
from opuscule.containers.riff import read_fully
from opuscule.errors import InvalidArgumentError
from opuscule.files import check_input

__all__ = ["BarePcm", "BareReader", "BareWriter"]


@dataclass(frozen=True, slots=True)
class BarePcm:
    """What samples are that do not say it themselves: interleaved, low byte first.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    rate: int
    """In Hz."""
    channels: int = 1
    """1 to 255."""
    sample_format: SampleFormat = "int16"
    """``int16`` or ``float32`` (full scale ±1)."""

    def __post_init__(self) -> None:
        if self.sample_format not in SAMPLE_BYTES:
            raise InvalidArgumentError(
                f"sample_format is {self.sample_format!r}; expected {', '.join(SAMPLE_BYTES)}"
            )
        if self.rate < 1 or not 1 <= self.channels <= 255:
            raise InvalidArgumentError(
                f"bare PCM of {self.channels} channels at {self.rate} Hz; expected 1 to 255 "
                "channels and a positive rate"
            )


class BareReader(PcmReader):
    """Bare samples; an incomplete last frame is left out.

    Args:
        source: a path or a pipe.
        coding: what they are.

    Raises:
        FormatError, FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """

    def __init__(self, source: str | os.PathLike[str] | Pipe, coding: BarePcm) -> None:
        self._coding = coding
        self._file = source if isinstance(source, Pipe) else check_input(source).open("rb")
        self._frame_bytes = coding.channels * SAMPLE_BYTES[coding.sample_format]

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""
        return self._coding.rate

    @property
    def channels(self) -> int:
        """Samples in a frame."""
        return self._coding.channels

    @property
    def sample_format(self) -> SampleFormat:
        """What a sample is."""
        return self._coding.sample_format

    @property
    def total_samples(self) -> int | None:
        """Known only when all has been read."""
        return None

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames, native byte order: of a pipe, what has come."""
        block_bytes = max(1, BLOCK_BYTES // self._frame_bytes) * self._frame_bytes
        while raw := self._file.read(block_bytes):
            raw += read_fully(self._file, -len(raw) % self._frame_bytes)
            whole = len(raw) - len(raw) % self._frame_bytes
            if whole:
                yield _swapped(raw[:whole], self.sample_format)

    def close(self) -> None:
        """Close the file; a pipe is closed by whoever opened it."""
        if not isinstance(self._file, Pipe):
            self._file.close()


class BareWriter:
    """Writes bare samples of int16.

    Args:
        file: a writable binary file; it is not closed.
        channels: samples in a frame.
    """

    def __init__(self, file: BinaryIO, channels: int) -> None:
        self._file = file
        self._frame_bytes = 2 * channels
        self.total_samples = 0

    def write(self, pcm: bytes) -> None:
        """Append whole frames, native byte order."""
        self._file.write(_swapped(pcm, "int16"))
        self.total_samples += len(pcm) // self._frame_bytes

    def close(self) -> None:
        """End it: nothing is left to write."""


def _swapped(pcm: bytes, sample_format: SampleFormat) -> bytes:
    """Little-endian samples as native ones, or back."""
    if sys.byteorder == "little":
        return pcm
    samples: array[int] | array[float] = array("h" if sample_format == "int16" else "f", pcm)
    samples.byteswap()
    return samples.tobytes()

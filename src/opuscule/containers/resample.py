"""Conversion of audio from one sampling rate to another, by soxr from the extra ``media``."""

from collections.abc import Iterator
from typing import Any, Literal

from opuscule.containers.pcm import BLOCK_BYTES, PcmReader, SampleFormat
from opuscule.errors import InvalidArgumentError, MissingExtraError, UnsupportedFormatError

__all__ = ["MAX_RATE", "Resampler"]

MAX_RATE = 768_000
"""The highest rate in Hz that is converted from or to: that of the fastest audio converters."""


class Resampler(PcmReader):
    """Another rate for a reader, as a :class:`~opuscule.containers.pcm.PcmReader` of float32.

    soxr, a block at a time. Of ``n`` samples come exactly ``n * rate / source rate``, rounded half
    up, and sample 0 stays where it was: the filter's delay is taken out, and what is not a whole
    sample at the end is cut or filled with silence.

    Args:
        source: what to convert; closed together with this.
        rate: the rate in Hz to convert to.
        quality: soxr's, high (20 bits) or very high (28 bits).

    Raises:
        MissingExtraError: soxr or NumPy is not installed.
        InvalidArgumentError: ``rate`` is not between 1 Hz and 768 kHz.
        UnsupportedFormatError: the source's rate is above that.
    """

    def __init__(
        self, source: PcmReader, rate: int, *, quality: Literal["HQ", "VHQ"] = "HQ"
    ) -> None:
        if not 0 < rate <= MAX_RATE:
            raise InvalidArgumentError(f"rate is {rate} Hz; expected 1 to {MAX_RATE} Hz")
        if source.rate > MAX_RATE:
            raise UnsupportedFormatError(
                f"the audio claims {source.rate} Hz; at most {MAX_RATE} Hz are resampled"
            )
        try:
            import numpy as np
            import soxr
        except ImportError as error:
            raise MissingExtraError(
                f"resampling from {source.rate} to {rate} Hz", "media"
            ) from error
        self._np = np
        self._source, self._rate = source, rate
        self._stream: Any = soxr.ResampleStream(
            source.rate, rate, source.channels, dtype="float32", quality=quality
        )
        self._blocks = self._resample()

    @property
    def rate(self) -> int:
        """Frames a second that come out, in Hz."""
        return self._rate

    @property
    def source_rate(self) -> int:
        """Frames a second of what is converted, in Hz."""
        return self._source.rate

    @property
    def channels(self) -> int:
        """Samples in a frame, as in the source."""
        return self._source.channels

    @property
    def sample_format(self) -> SampleFormat:
        """Always ``float32``, so that nothing is rounded or clipped on the way."""
        return "float32"

    @property
    def total_samples(self) -> int | None:
        """Frames that come out in all, if the source knows its own."""
        total = self._source.total_samples
        return None if total is None else self._scaled(total)

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """The source's."""
        return self._source.tags

    def _scaled(self, samples: int) -> int:
        source_rate = self._source.rate
        return (2 * samples * self._rate + source_rate) // (2 * source_rate)

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames; raises what the source raises."""
        return self._blocks

    def _resample(self) -> Iterator[bytes]:
        np, channels = self._np, self.channels
        is_int16 = self._source.sample_format == "int16"
        got = given = 0
        for block in self._source:
            samples = np.frombuffer(block, np.int16 if is_int16 else np.float32).astype(np.float32)
            frames = (samples / 32768 if is_int16 else samples).reshape(-1, channels)
            got += len(frames)
            out = self._stream.resample_chunk(frames)
            given += len(out)
            yield from self._cut(out.tobytes())
        left = self._scaled(got) - given
        out = self._stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)[:left]
        yield from self._cut(out.tobytes() + bytes((left - len(out)) * channels * 4))

    def _cut(self, data: bytes) -> Iterator[bytes]:
        step = max(1, BLOCK_BYTES // (4 * self.channels)) * 4 * self.channels
        for start in range(0, len(data), step):
            yield data[start : start + step]

    def close(self) -> None:
        """Close the source."""
        self._source.close()

"""How loud audio is: RMS, peak, clipping, silence, and an overview to draw.

Audio is int16 or float32, interleaved, given as anything with a buffer. Values are linear with full
scale at 1.0; in dBFS that is 20·log10, so 0 dBFS is a full-scale square wave and a full-scale sine
has an RMS of -3.01 dBFS. Measuring is done in the core, in double precision, so that int16 squares
do not overflow and no NumPy is needed.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from opuscule import _native
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, SampleFormat

if TYPE_CHECKING:
    from opuscule._native import PcmBuffer as Buffer
else:
    Buffer = object  # collections.abc has it from Python 3.12 on

__all__ = ["Bucket", "LevelMeter", "Levels", "as_samples", "measure", "to_dbfs", "window_rms"]


def to_dbfs(value: float) -> float:
    """A linear value of 0 or more in dB below full scale; ``-inf`` for 0."""
    return 20 * math.log10(value) if value > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class Levels:
    """What was measured of one channel; linear values are with full scale at 1.0."""

    samples: int
    """How many there were."""
    minimum: float
    """The lowest sample, -1 to 1 unless float32 goes beyond; 0 without any."""
    maximum: float
    """The highest sample; 0 without any."""
    rms: float
    """Root of the mean square; 0 without any."""
    clipped_samples: int
    """Samples at full scale or beyond: from 32767/32768 on, either sign."""
    zero_samples: int
    """Samples that are exactly 0: a microphone that is off has nothing else."""

    @property
    def peak(self) -> float:
        """The highest absolute value."""
        return max(-self.minimum, self.maximum)

    @property
    def peak_dbfs(self) -> float:
        """The peak in dBFS; ``-inf`` for digital silence."""
        return to_dbfs(self.peak)

    @property
    def rms_dbfs(self) -> float:
        """The RMS in dBFS; ``-inf`` for digital silence."""
        return to_dbfs(self.rms)

    def is_silent(self, below_dbfs: float = -60.0) -> bool:
        """Whether nothing in it reaches ``below_dbfs``."""
        return self.peak_dbfs < below_dbfs


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of one channel, as a column of a drawing; linear values."""

    minimum: float
    """The lowest sample, -1 to 1."""
    maximum: float
    """The highest sample, -1 to 1."""
    rms: float
    """The RMS, 0 to 1."""


class LevelMeter:
    """Measures a stream of any length, channel by channel, in memory that does not grow.

    The overview begins with buckets of ``bucket_samples``. When there would be more than
    ``max_buckets``, neighbours are merged and each bucket stands for twice the time; minimum,
    maximum and RMS stay exact.

    Args:
        channels: 1 to 255, interleaved.
        sample_format: what chunks of plain bytes hold.
        bucket_samples: samples per channel in the first buckets, 1 or more.
        max_buckets: the most buckets that are kept, 2 to 1,000,000 of 48 bytes a channel.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        sample_format: SampleFormat = "int16",
        bucket_samples: int = 256,
        max_buckets: int = 2048,
    ) -> None:
        _check_positive("channels", channels, 255)
        _check_positive("bucket_samples", bucket_samples, 2**32 - 1)
        _check_positive("max_buckets", max_buckets, 1_000_000)
        self.channels = channels
        self.sample_format: SampleFormat = sample_format
        self._native = _native.LevelMeter(channels, bucket_samples, max_buckets)

    def push(self, chunk: Buffer) -> None:
        """Take a chunk of whole frames.

        Raises:
            InvalidArgumentError: it is no whole number of frames, or a sample is not finite;
                nothing of it is counted.
        """
        self._native.push(as_samples(chunk, self.sample_format))

    @property
    def levels(self) -> tuple[Levels, ...]:
        """Of all so far, one a channel."""
        return tuple(Levels(*values) for values in self._native.totals())

    @property
    def bucket_samples(self) -> int:
        """Samples per channel that each bucket stands for now; the last one may have fewer."""
        return self._native.bucket_samples

    @property
    def overview(self) -> tuple[tuple[Bucket, ...], ...]:
        """For each channel its buckets, oldest first."""
        return tuple(
            tuple(Bucket(*values) for values in buckets) for buckets in self._native.buckets()
        )


def measure(
    pcm: Buffer, channels: int = 1, *, sample_format: SampleFormat = "int16"
) -> tuple[Levels, ...]:
    """Measure audio that is in memory, as :class:`LevelMeter` does; one result a channel.

    Raises:
        InvalidArgumentError: as :class:`LevelMeter` and its ``push``.
    """
    meter = LevelMeter(channels, sample_format=sample_format)
    meter.push(pcm)
    return meter.levels


def window_rms(pcm: Buffer, channels: int, window_samples: int) -> list[float]:
    """RMS of each window of ``window_samples`` per channel, of its loudest channel; linear.

    The last window may be shorter. Plain bytes are int16.

    Raises:
        InvalidArgumentError: as :meth:`LevelMeter.push`, or a number below 1.
    """
    _check_positive("channels", channels, 255)
    _check_positive("window_samples", window_samples, 2**32 - 1)
    return _native.window_rms(pcm, channels, window_samples)


def as_samples(chunk: Buffer, sample_format: SampleFormat) -> Buffer:
    """View plain bytes as samples; what has a type of its own is left as it is.

    Raises:
        InvalidArgumentError: ``sample_format`` is none, or the bytes end within a sample.
    """
    if sample_format not in SAMPLE_BYTES:
        raise InvalidArgumentError(
            f"sample_format is {sample_format!r}; expected 'int16' or 'float32'"
        )
    view = memoryview(cast("bytes", chunk))
    if sample_format == "int16" or view.format not in ("B", "b", "c"):
        return view
    if view.nbytes % SAMPLE_BYTES[sample_format]:
        raise InvalidArgumentError(f"audio has {view.nbytes} bytes; float32 samples have four each")
    return view.cast("B").cast("f")


def _check_positive(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InvalidArgumentError(f"{name} is {value}; expected 1 to {most}")

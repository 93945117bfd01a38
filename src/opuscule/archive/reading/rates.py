"""Ranges at other rates than 48 kHz, so that a cut is the cut of the whole, bit for bit.

Theory of operation. A resampler's rounding depends on where it begins. So the recording is
converted on a fixed grid of some half second, each step by itself, with as much of its surroundings
as the filter sees; whatever range is wanted is cut from the same steps and so has the same samples.
Steps begin where a sample of one rate coincides with one of the other. What comes out differs from
one pass over the whole by the rounding of float32 alone, about one ten-millionth of full scale.
"""

from collections.abc import Callable
from math import gcd
from typing import TypeAlias

from opuscule.archive.reading.moments import scaled
from opuscule.codec import Pcm
from opuscule.errors import InvalidArgumentError, MissingExtraError
from opuscule.packets import SampleFormat
from opuscule.units import MEDIA_RATE

Read: TypeAlias = Callable[[int, int, SampleFormat], Pcm]

__all__ = ["MAX_RATE", "MIN_RATE", "resampled"]

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Between these rates, in Hz, ranges are converted."""

_STEP_SAMPLES = 24_000
_CONTEXT_SAMPLES = 256
"""Of the lower of both rates: two and a half times what soxr's high quality filter sees."""


def resampled(
    read: Read, total_samples: int, rate: int, start: int, stop: int, dtype: SampleFormat
) -> bytes:
    """Convert the range of a recording that is 48 kHz samples ``[start, stop)``.

    Args:
        read: gives 48 kHz samples ``[a, b)`` of the recording, of a type.
        total_samples: how many there are.
        rate: in Hz.
        start: first sample, at 48 kHz.
        stop: one past the last.
        dtype: what comes out; int16 is rounded and clipped from float32.

    Returns:
        Samples ``[round(start * rate / 48000), round(stop * rate / 48000))`` of the whole at
        ``rate``, halves rounded up, interleaved.

    Raises:
        InvalidArgumentError: the rate is not within 1 to 768 kHz.
        MissingExtraError: soxr or NumPy is not installed.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidArgumentError(f"rate is {rate} Hz; expected {MIN_RATE} to {MAX_RATE} Hz")
    try:
        import numpy as np
        import soxr
    except ImportError as error:
        raise MissingExtraError(f"audio at {rate} Hz", "media") from error
    period = MEDIA_RATE // gcd(MEDIA_RATE, rate)
    step = _ceil(_STEP_SAMPLES, period)
    context = _ceil(_CONTEXT_SAMPLES * max(MEDIA_RATE, rate) // rate, period)
    first, last = scaled(start, MEDIA_RATE, rate), scaled(stop, MEDIA_RATE, rate)
    if first == last:
        return b""
    out_step = step * rate // MEDIA_RATE
    low, high = first // out_step, -(-last // out_step)
    begin = max(0, low * step - context)
    audio = np.asarray(read(begin, min(total_samples, high * step + context), "float32"))
    parts = []
    for number in range(low, high):
        at = max(0, number * step - context)
        inside = audio[at - begin : min(total_samples, (number + 1) * step + context) - begin]
        converted = soxr.resample(inside, MEDIA_RATE, rate, quality="HQ")
        offset = at * rate // MEDIA_RATE
        wanted = slice(max(first, number * out_step), min(last, (number + 1) * out_step))
        part = converted[wanted.start - offset : wanted.stop - offset]
        short = wanted.stop - wanted.start - len(part)
        # At the recording's end the resampler may round a last sample away.
        parts.append(np.pad(part, ((0, short), (0, 0))) if short else part)
    joined = np.concatenate(parts)
    if dtype == "int16":
        joined = np.clip(np.rint(joined * 32_768), -32_768, 32_767).astype(np.int16)
    data: bytes = joined.tobytes()
    return data


def _ceil(value: int, unit: int) -> int:
    return -(-value // unit) * unit

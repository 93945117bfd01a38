"""The 48 kHz media clock and its conversions.

Media time is an integer count of samples at 48 kHz, whatever rate the audio was captured at, as in
RFC 7845 §4. Wall time is epoch milliseconds. All of it is integer arithmetic: a float of seconds is
how off-by-one errors are made.
"""

from opuscule.errors import InvalidArgumentError

__all__ = [
    "MEDIA_RATE",
    "OPUS_RATES",
    "check_rate",
    "from_media_samples",
    "ms_to_samples",
    "samples_to_ms",
    "to_media_samples",
]

MEDIA_RATE = 48_000
"""Ticks of the media clock in a second (RFC 7845 §4)."""

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""The sampling rates, in Hz, at which libopus encodes and decodes (RFC 6716 §2)."""


def check_rate(rate: int) -> int:
    """Return ``rate`` if it is one of :data:`OPUS_RATES`.

    Raises:
        InvalidArgumentError: it is not one of them.
    """
    if rate not in OPUS_RATES:
        rates = ", ".join(str(r) for r in OPUS_RATES)
        raise InvalidArgumentError(f"rate is {rate} Hz; Opus runs at {rates} Hz: resample first")
    return rate


def to_media_samples(samples: int, rate: int) -> int:
    """Samples at an Opus ``rate`` as ticks of the media clock; always exact."""
    return samples * (MEDIA_RATE // check_rate(rate))


def from_media_samples(media_samples: int, rate: int) -> int:
    """Media ticks as whole samples at an Opus ``rate``, rounded down."""
    return media_samples // (MEDIA_RATE // check_rate(rate))


def ms_to_samples(ms: float) -> int:
    """Milliseconds as media samples, rounded to the nearest."""
    return round(ms * (MEDIA_RATE // 1000))


def samples_to_ms(media_samples: int) -> float:
    """Media samples as milliseconds."""
    return media_samples / (MEDIA_RATE // 1000)

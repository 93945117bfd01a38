"""Seconds and moments as samples at 48 kHz, without a float in between.

One rule for both: the position is taken as the exact number that was written, and becomes
the nearest sample; half-way between two it is the later one. A float is what it prints as: 0.29 is
29/100, sample 13,920, although the float itself is a little less. Both ends of a range are turned
into samples by themselves, so that ranges which adjoin in seconds adjoin in samples.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from fractions import Fraction
from typing import TypeAlias

from opuscule.errors import InvalidArgumentError
from opuscule.units import MEDIA_RATE

__all__ = [
    "Seconds",
    "exact_seconds",
    "moment_to_sample",
    "scaled",
    "seconds_to_sample",
    "span_text",
]

Seconds: TypeAlias = float | str | Decimal | Fraction
"""A number of seconds; text is decimal (``"0.29"``) or has minutes and hours (``"1:02:03.5"``)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_EXPONENT = 18
"""Of a number of seconds, as a power of ten: beyond all audio, and exact arithmetic stays cheap."""


def scaled(position: Fraction | int, rate: Fraction | int, to_rate: int = MEDIA_RATE) -> int:
    """Turn a position counted at one rate into the nearest at another; a tie goes up."""
    return int((Fraction(position) * to_rate / Fraction(rate) + Fraction(1, 2)) // 1)


def seconds_to_sample(seconds: Seconds, rate: int = MEDIA_RATE) -> int:
    """Tell the sample at ``rate`` nearest to a time in seconds; a tie goes to the later one.

    Raises:
        InvalidArgumentError: it is no finite number, or larger than any recording.
    """
    return scaled(exact_seconds(seconds), 1, rate)


def moment_to_sample(moment: datetime, start_epoch_ms: int | None, rate: int = MEDIA_RATE) -> int:
    """Tell the sample nearest to a moment, negative before the beginning of the recording.

    Args:
        moment: with a zone.
        start_epoch_ms: when the recording began, in milliseconds since 1970 UTC.
        rate: of the samples, in Hz.

    Raises:
        InvalidArgumentError: the moment has no zone, or it is not known when the recording began.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidArgumentError(
            f"{moment.isoformat()} has no zone; give one, such as {moment.isoformat()}+00:00"
        )
    if start_epoch_ms is None:
        raise InvalidArgumentError(
            "it is not known when the recording began; address it by seconds or samples"
        )
    since = (moment - _EPOCH) // timedelta(microseconds=1) - start_epoch_ms * 1000
    return scaled(since, 1_000_000, rate)


def exact_seconds(seconds: Seconds) -> Fraction:
    """Take a number of seconds for what is written.

    Raises:
        InvalidArgumentError: it is no finite number, or larger than any recording.
    """
    if isinstance(seconds, Fraction):
        return seconds
    try:
        if isinstance(seconds, str):
            return _clock(seconds)
        if isinstance(seconds, Decimal | int):
            return _bounded(Decimal(seconds))
        # float() first: the repr of NumPy's floats is no number.
        return _bounded(Decimal(repr(float(seconds))))
    except (DecimalException, ValueError, TypeError, OverflowError) as error:
        raise InvalidArgumentError(
            f"{str(seconds)[:60]!r} is no number of seconds; expected such as 0.29 or '1:02:03.5'"
        ) from error


def span_text(start: Seconds, stop: Seconds | None) -> str:
    """Say from when to when, for an error."""

    def one(seconds: Seconds) -> str:
        if isinstance(seconds, str):
            return seconds if ":" in seconds else f"{seconds} s"
        return f"{float(seconds):.12g} s"

    return f"{one(start)} to {'the end' if stop is None else one(stop)}"


def _clock(text: str) -> Fraction:
    *larger, last = text.strip().split(":")
    if len(larger) > 2 or (larger and "-" in text):
        raise ValueError(text)
    total = 0
    for part in larger:
        if not part.isdecimal() or len(part) > _MAX_EXPONENT:
            raise ValueError(text)
        total = total * 60 + int(part)
    return _bounded(Decimal(last)) + total * 60


def _bounded(number: Decimal) -> Fraction:
    if not number.is_finite() or (number and not -40 < number.adjusted() <= _MAX_EXPONENT):
        raise ValueError(number)
    return Fraction(number)

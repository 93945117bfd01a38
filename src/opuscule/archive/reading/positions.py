"""Positions in a file's own samples and in the recording's 48 kHz, one by the other, exactly.

A recording is addressed in 48 kHz samples. What was 44.1 or 192 kHz before it was encoded is still
thought of in its own samples (labels and other software count them), so ranges are found by those
too. All of it is integer arithmetic; pre-skip is not counted.
"""

from dataclasses import dataclass

from opuscule.archive.storage.info import RecordingInfo
from opuscule.errors import InvalidArgumentError
from opuscule.units import MEDIA_RATE

__all__ = ["Positions"]


@dataclass(frozen=True, slots=True)
class Positions:
    """How a file's own samples lie in its recording.

    Own sample *n* is at ``n * 48000 * time_expansion / rate`` of the recording, beginning with
    beginning.
    """

    rate: int
    """Of the file, in Hz."""
    samples: int
    """Length of the file in its own samples."""
    total_samples: int
    """Length of the recording in 48 kHz samples."""
    time_expansion: int = 1
    """By how much the recording is slower than the file was."""

    @classmethod
    def of(cls, info: RecordingInfo) -> "Positions":
        """Return those of a recording; where packets were copied, own samples are of 48 kHz.

        They are too where what its source says cannot be: no number, or a length that does not fit
        the recording's.
        """
        source = info.source
        rate, samples = source.get("original_rate"), source.get("original_samples")
        expansion = source.get("time_expansion", 1)
        if (
            isinstance(rate, int)
            and isinstance(samples, int)
            and isinstance(expansion, int)
            and rate > 0
            and expansion > 0
            # The one is the other, rounded once to the encoder's rate (8 kHz at the least).
            and abs(samples * MEDIA_RATE * expansion - info.total_samples * rate) <= 6 * rate
        ):
            return cls(rate, samples, info.total_samples, expansion)
        return cls(MEDIA_RATE, info.total_samples, info.total_samples)

    def to_media(self, sample: int) -> int:
        """Return the 48 kHz sample nearest to an own one, half up; the end is at the end.

        Raises:
            InvalidArgumentError: ``sample`` is not from 0 to the length.
        """
        self._check(sample, sample, self.samples)
        if sample == self.samples:
            return self.total_samples
        scale = MEDIA_RATE * self.time_expansion
        return min((2 * sample * scale + self.rate) // (2 * self.rate), self.total_samples)

    def to_own(self, media_sample: int) -> int:
        """Return the own sample nearest to a 48 kHz one, half up; the end is at the end.

        Raises:
            InvalidArgumentError: ``media_sample`` is not from 0 to the recording's length.
        """
        self._check(media_sample, media_sample, self.total_samples)
        if media_sample == self.total_samples:
            return self.samples
        scale = MEDIA_RATE * self.time_expansion
        return min((2 * media_sample * self.rate + scale) // (2 * scale), self.samples)

    def covering(self, start: int, stop: int) -> tuple[int, int]:
        """Return the range of 48 kHz samples that holds all of a range of own ones.

        Args:
            start: first own sample.
            stop: one past the last.

        Returns:
            The last 48 kHz sample at or before ``start``, and the first at or after ``stop``, both
            within the recording.

        Raises:
            InvalidArgumentError: the range reaches out of the file, or is turned round.
        """
        self._check(start, stop, self.samples)
        scale = MEDIA_RATE * self.time_expansion
        first = min(start * scale // self.rate, self.total_samples)
        last = -(-stop * scale // self.rate)
        return first, self.total_samples if stop == self.samples else min(last, self.total_samples)

    def _check(self, start: int, stop: int, length: int) -> None:
        if not 0 <= start <= stop <= length:
            where = str(start) if start == stop else f"{start} to {stop}"
            raise InvalidArgumentError(
                f"sample {where} is wanted; give one within 0 to {length} (rate {self.rate} Hz, "
                f"{self.samples} samples; {self.total_samples} at 48 kHz)"
            )

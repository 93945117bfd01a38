"""Media time out of a container's time stamps, without believing them.

Theory of operation. Matroska and WebM tick in milliseconds, a recorder stamps by the wall clock,
and programs that copy between containers shift and round. What a packet decodes to is written in
the packet, so time is the sum of the durations, and stamps are only asked one thing: whether
something is missing. It is when two stamps lie further apart than the packets between them and the
rounding of both, by at least half a packet: less is a clock's jitter, because what gets lost is
packets. Each comparison starts from the stamp before, so that a clock that drifts against the
sample clock by minutes adds nothing. What is missing is a multiple of 2.5 ms, as every packet is
(RFC 6716 §2.1.4), and is rounded to that.
"""

__all__ = ["MAX_GAP_SAMPLES", "StampedTimeline"]

MAX_GAP_SAMPLES = 24 * 3600 * 48_000
"""A day: a longer jump is a wrong stamp or another epoch, not audio that is missing."""

_STEP_SAMPLES = 120


class StampedTimeline:
    """Compares stamps with durations.

    Args:
        tick_samples: by how much, in 48 kHz samples, rounding makes the difference of two stamps
            wrong: one tick of the container's clock.
    """

    wrong_stamps: int
    """Jumps that were not believed: backwards, or over more than a day."""

    def __init__(self, tick_samples: int) -> None:
        self.wrong_stamps = 0
        self._tick_samples = tick_samples
        self._expected: int | None = None
        self._last_duration = 0

    def gap_before(self, stamp_samples: int | None, duration_samples: int) -> int:
        """Take the next packet; return how much is missing before it.

        Args:
            stamp_samples: what the container says, in 48 kHz samples; ``None`` if it does not.
            duration_samples: what the packet itself says.

        Returns:
            48 kHz samples, a multiple of 120; mostly 0.
        """
        gap = 0
        if stamp_samples is None:
            stamp_samples = self._expected
        elif self._expected is not None:
            jump = stamp_samples - self._expected
            # One sample more, because the stamps were rounded to samples here.
            explained = max(self._tick_samples + 1, self._last_duration // 2)
            if jump < -explained or jump > MAX_GAP_SAMPLES:
                self.wrong_stamps += 1
            elif jump > explained:
                gap = max(1, round(jump / _STEP_SAMPLES)) * _STEP_SAMPLES
        if stamp_samples is not None:
            self._expected = stamp_samples + duration_samples
        self._last_duration = duration_samples
        return gap

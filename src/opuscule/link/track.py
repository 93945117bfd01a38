"""Where a stream stands, in sequence and in media time; the same for both directions.

The sender asks before it sends what the receiver will ask when it receives, so that a packet that
would break the connection is refused where it was made.
"""

from opuscule.wire.frame import (
    MAX_SEQUENCE_JUMP,
    MAX_TIME_JUMP_SAMPLES,
    SEQUENCE_BITS,
    TIME_BITS,
    Unwrapper,
)

__all__ = ["Track"]


class Track:
    """The order of one stream's packets."""

    __slots__ = (
        "_end_samples",
        "_start_samples",
        "end_sequence",
        "end_time",
        "highest",
        "sequences",
        "times",
    )

    def __init__(self, first_sequence: int, first_samples: int) -> None:
        self.sequences = Unwrapper(SEQUENCE_BITS, first_sequence)
        """Extends sequence numbers; its ``highest`` is what jumps are measured from."""
        self.times = Unwrapper(TIME_BITS, first_samples)
        """Extends media times, likewise."""
        self.highest = -1
        """Highest sequence of a packet so far; -1 before the first."""
        self.end_sequence = -1
        """Sequence of the end marker; -1 while there was none."""
        self.end_time = -1
        """Media time of the end marker in 48 kHz samples; -1 while there was none."""
        # Media times of the packet with the highest sequence.
        self._start_samples = 0
        self._end_samples = 0

    @property
    def ended(self) -> bool:
        """Whether the end was marked."""
        return self.end_sequence >= 0

    def place(self, sequence: int, time_samples: int, duration_samples: int) -> str:
        """Put a packet in its place, or return why it has none (and change nothing).

        Sequence and media time must rise together. They are compared with the highest packet only,
        which costs nothing to remember.
        """
        jump = self._jump(sequence, time_samples)
        if jump:
            return jump
        if self.ended and sequence >= self.end_sequence:
            return f"packet {sequence} comes after the end, {self.end_sequence}"
        end_samples = time_samples + duration_samples
        if self.highest >= 0:
            if sequence > self.highest:
                if time_samples < self._end_samples:
                    return (
                        f"packet {sequence} begins at {time_samples}, before the end of packet "
                        f"{self.highest} at {self._end_samples}"
                    )
            elif sequence < self.highest:
                if end_samples > self._start_samples:
                    return (
                        f"packet {sequence} ends at {end_samples}, after the beginning of packet "
                        f"{self.highest} at {self._start_samples}"
                    )
            elif time_samples != self._start_samples:
                return f"packet {sequence} is at {time_samples} and at {self._start_samples}, too"
        if sequence > self.highest:
            self.highest = sequence
            self._start_samples = time_samples
            self._end_samples = end_samples
        self._move(sequence, time_samples)
        return ""

    def place_end(self, sequence: int, time_samples: int) -> str:
        """Mark the end, or return why it cannot be there (and change nothing)."""
        jump = self._jump(sequence, time_samples)
        if jump:
            return jump
        if self.ended and (sequence, time_samples) != (self.end_sequence, self.end_time):
            return f"a second end, at {sequence}; the first was at {self.end_sequence}"
        if sequence <= self.highest:
            return f"the end is at {sequence}, but packet {self.highest} came"
        self.end_sequence = sequence
        self.end_time = time_samples
        self._move(sequence, time_samples)
        return ""

    def _jump(self, sequence: int, time_samples: int) -> str:
        if sequence < 0 or time_samples < 0:
            return f"sequence {sequence} at {time_samples} is before the stream's beginning"
        if abs(sequence - self.sequences.highest) > MAX_SEQUENCE_JUMP:
            return (
                f"sequence {sequence} is more than {MAX_SEQUENCE_JUMP} from "
                f"{self.sequences.highest}; open another stream of the same name instead"
            )
        if abs(time_samples - self.times.highest) > MAX_TIME_JUMP_SAMPLES:
            return (
                f"media time {time_samples} is more than {MAX_TIME_JUMP_SAMPLES} samples from "
                f"{self.times.highest}; open another stream of the same name instead"
            )
        return ""

    def _move(self, sequence: int, time_samples: int) -> None:
        self.sequences.highest = max(self.sequences.highest, sequence)
        self.times.highest = max(self.times.highest, time_samples)

"""Stamped frames played in real time: by their stamps, with what was lost told by its length.

A view on :class:`opuscule.playout.Playout` for packets that carry the time of their capture
(:mod:`opuscule.wire.stamped`) and no number. They are taken in any order, held for a while, played
in the order and at the distances of their stamps, each once; the oldest are dropped when more waits
than may. What is not there when its turn comes is concealed, and reported with its length.

Stamps are whole milliseconds by a clock that is not that of the samples. A stamp up to 2 ms from
where the frame before it ends, or the one behind it begins, follows without a gap; a gap within
2 ms of a whole number of frames is that number. Each stamp is compared with its neighbours alone,
so that clocks which part do not use the tolerance up; how they part is followed by the playout.
"""

from bisect import bisect_left
from dataclasses import dataclass

from opuscule.errors import InvalidArgumentError
from opuscule.framing import inspect
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Origin, PlayedSpan, Playout, Pushed
from opuscule.units import MEDIA_RATE, ms_to_samples, samples_to_ms
from opuscule.wire.stamped import StampedFrame

__all__ = ["TOLERANCE_MS", "Loss", "RealtimeBuffer"]

TOLERANCE_MS = 2
"""How far a stamp may be from where its frame belongs."""

_ORIGIN_SAMPLES = 3600 * MEDIA_RATE
"""Media time of the first frame to come: others may be from before it."""

_SHORTEST_SAMPLES = MEDIA_RATE // 400
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Loss:
    """Sound that was not there when its turn came."""

    epoch_ms: float
    """When it was captured, by the sender's clock: milliseconds since 1970 UTC."""
    duration_ms: float
    """How long it lasted: exactly as long as what was played for it."""
    filled: Origin
    """What was played for it: rebuilt (``fec``, ``dred``), made up (``plc``), ``comfort_noise`` or
    ``silence``."""


@dataclass(frozen=True, slots=True, order=True)
class _Frame:
    stamp_ms: int
    time_samples: int
    duration_samples: int

    @property
    def end_ms(self) -> float:
        return self.stamp_ms + samples_to_ms(self.duration_samples)


@dataclass(slots=True)
class _Missing:
    """A loss in samples, which add up exactly however few are pulled at a time."""

    after_ms: float
    """Epoch time up to which sound was heard before it."""
    begin: int
    """Output samples since then."""
    end: int
    filled: Origin


class RealtimeBuffer:
    """Frames in, as they come; sound out, by the clock.

    Not for several threads at once: where they are, hold a lock around each call.

    Args:
        rate: output rate, an Opus rate.
        channels: output channels, 1 or 2.
        hold_ms: how long the first frame is held back, and so how late any may come.
        max_buffer_ms: the most audio that waits, 20 to 60,000; beyond it the oldest is dropped.
        complexity: of the decoder, 0 to 10.
        least_complexity: how low it may go while whoever pulls cannot keep up with ``now``; it
            comes back when there is time again. None: it stays.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        *,
        rate: int = 48_000,
        channels: int = 1,
        hold_ms: int = 60,
        max_buffer_ms: int = 10_000,
        complexity: int = 5,
        least_complexity: int | None = None,
    ) -> None:
        if not 0 <= hold_ms <= max_buffer_ms:
            raise InvalidArgumentError(
                f"hold_ms is {hold_ms}; expected 0 to max_buffer_ms, {max_buffer_ms}"
            )
        self._rate = rate
        self._playout = Playout(
            StreamFormat(channels, 0, MEDIA_RATE),
            rate=rate,
            channels=channels,
            mode="fixed",
            target_delay_ms=hold_ms,
            max_buffer_ms=max_buffer_ms,
            complexity=complexity,
            least_complexity=least_complexity,
        )
        self._frames: list[_Frame] = []
        self._missing: list[_Missing] = []
        self._heard_to_ms: float | None = None
        self._since_samples = 0
        self._end_samples = _ORIGIN_SAMPLES
        self._closed = False

    def push(self, frame: StampedFrame, now: float) -> Pushed:
        """Take a frame that came at ``now``, in seconds by any clock that does not jump.

        Raises:
            InvalidPacketError: its data are no Opus packet; its time is concealed.
            InvalidArgumentError: its stamp is more than an hour before the first one's, or the
                buffer is closed.
        """
        if self._closed:
            raise InvalidArgumentError("the buffer is closed; make another for more frames")
        duration = inspect(frame.data).duration_samples
        time = self._place(frame.epoch_ms, duration)
        if time < 0:
            raise InvalidArgumentError(
                f"epoch_ms is {frame.epoch_ms}; expected at most an hour before the first frame's"
            )
        # Numbers that grow with time: what is between two frames was lost.
        packet = Packet(time // _SHORTEST_SAMPLES, time, duration, frame.data)
        pushed = self._playout.push(packet, now)
        if pushed == "kept":
            self._remember(_Frame(frame.epoch_ms, time, duration))
            self._end_samples = max(self._end_samples, time + duration)
        return pushed

    def pull(self, samples: int, now: float) -> bytes:
        """Return the next ``samples`` per channel as interleaved int16, whatever has come."""
        pcm = self._playout.pull(samples, now)
        for span in self._playout.take_log():
            self._account(span)
        return pcm

    def take_losses(self) -> list[Loss]:
        """Return what was lost since the last call, in the order in which it was played.

        A loss that goes on is reported as far as it has been played, and the rest next time. Of
        losses that were not taken the newest 4096 are kept.
        """
        missing, self._missing = self._missing, []
        return [
            Loss(
                one.after_ms + 1000 * one.begin / self._rate,
                1000 * (one.end - one.begin) / self._rate,
                one.filled,
            )
            for one in missing
        ]

    def close(self) -> None:
        """Say that no more frames come; what waits is still played, without being held back."""
        if not self._closed:
            self._closed = True
            self._playout.finish(self._end_samples, self._end_samples // _SHORTEST_SAMPLES)

    @property
    def drained(self) -> bool:
        """Whether the buffer is closed and all of it was pulled."""
        return self._closed and (self._playout.finished or not self._frames)

    @property
    def buffered_ms(self) -> int:
        """Audio that waits."""
        return self._playout.buffered_ms

    @property
    def dropped_frames(self) -> int:
        """Frames that were dropped because too much waited, the oldest first."""
        return self._playout.stats.packets_overflow

    @property
    def drift_ppm(self) -> float:
        """How much faster the sender's clock goes than that of whoever pulls, as it is followed."""
        return self._playout.stats.drift_ppm

    @property
    def complexity(self) -> int:
        """The decoder's now."""
        return self._playout.stats.complexity

    def _place(self, stamp_ms: int, duration: int) -> int:
        """Media time of a frame, by its neighbours."""
        if not self._frames:
            return _ORIGIN_SAMPLES
        index = bisect_left(self._frames, stamp_ms, key=lambda frame: frame.stamp_ms)
        for known in self._frames[max(0, index - 1) : index + 1]:
            if abs(known.stamp_ms - stamp_ms) <= TOLERANCE_MS:
                return known.time_samples  # the same once more
        if index:
            before = self._frames[index - 1]
            gap = _gap_samples(stamp_ms - before.end_ms, duration)
            return before.time_samples + before.duration_samples + gap
        after = self._frames[0]
        gap = _gap_samples(after.stamp_ms - stamp_ms - samples_to_ms(duration), duration)
        return after.time_samples - duration - gap

    def _remember(self, frame: _Frame) -> None:
        index = bisect_left(self._frames, frame)
        self._frames.insert(index, frame)
        if len(self._frames) > _REMEMBERED:
            del self._frames[0]

    def _account(self, span: PlayedSpan) -> None:
        """Notes what a span was, if it was not its own frame."""
        if span.origin == "received":
            time = span.time_samples
            media = span.samples * MEDIA_RATE // self._rate
            media = media if span.media_samples is None else span.media_samples
            self._heard_to_ms = None if time is None else self._epoch_ms(time + media)
            self._since_samples = 0
        elif self._heard_to_ms is not None and not self._at_end(span):
            begin = self._since_samples
            self._since_samples = end = begin + span.samples
            last = self._missing[-1] if self._missing else None
            if last and last.filled == span.origin and last.end == begin:
                last.end = end
                return
            self._missing.append(_Missing(self._heard_to_ms, begin, end, span.origin))
            del self._missing[:-_REMEMBERED]

    def _at_end(self, span: PlayedSpan) -> bool:
        """Whether a span is the silence after all frames."""
        return self._closed and span.time_samples is None and self._playout.finished

    def _epoch_ms(self, time_samples: int) -> float:
        """When what ends at a media time was captured, by the stamp of its frame."""
        index = bisect_left(self._frames, time_samples, key=lambda frame: frame.time_samples)
        frame = self._frames[max(0, index - 1)]
        return frame.stamp_ms + samples_to_ms(time_samples - frame.time_samples)


def _gap_samples(gap_ms: float, duration: int) -> int:
    """A gap between frames; none, or a whole number of them, where the tolerance allows it."""
    frames = round(gap_ms / samples_to_ms(duration))
    whole_ms = frames * samples_to_ms(duration)
    if abs(gap_ms - whole_ms) <= TOLERANCE_MS:
        return frames * duration
    return ms_to_samples(gap_ms)

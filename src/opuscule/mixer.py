"""Several streams on one output: in step by their media time, added up, without clipping.

Streams whose packets are stamped by one clock, such as two microphones of a robot, are added with
the same ``clock``: what was captured at the same moment is heard at the same sample. The first of
them to be heard sets the time line; another that begins is shifted to it, by silence before it or
by leaving its beginning out. With mode ``fixed`` they stay there, to the sample: one that has
nothing to play conceals and goes on in time, and all follow the drift that the first one's packets
tell. With ``adaptive`` all aim at the delay of the one that needs the longest, each within its own
``max_delay_ms``, and what is left between them is played away slowly, unheard: see
:meth:`MixedStream.offset_samples`. Streams without a common clock are heard as they come.

The sum is exact as long as it is within full scale, and made quieter where it would not be.
"""

import math
from collections.abc import Hashable

from opuscule import _native
from opuscule.errors import InvalidArgumentError
from opuscule.playout import Pace, PlayedSpan, Playout
from opuscule.units import MEDIA_RATE, check_rate

__all__ = ["GONE_S", "MAX_SHIFT_S", "MixedStream", "Mixer"]

MAX_SHIFT_S = 10
"""Streams further apart in media time have no clock in common, whatever is said: they are not
shifted."""

GONE_S = 5
"""Others of its clock wait so long for an adaptive stream of which nothing comes any more."""

_SAMPLE_BYTES = 2
_MAX_PULL = 96_000
_STRAIGHT = Pace(0.0, 0.0)
_PIECE_SAMPLES = 24_000
_FEW_SAMPLES = 4

_MOST_RATE = 0.002
"""The fastest pace that there is; it is not heard."""
_NEAR_SAMPLES = 24
_FAR_SAMPLES = 9_600
"""Adaptive streams this near each other are let be, and those this far hurry by themselves."""
_MADE_UP_SAMPLES = 240_000
"""What adaptive streams are apart is made up for as if in this time: five seconds."""


def _check_gain(gain: float) -> None:
    """Refuse what would mute all streams: the sum is scaled to what is within full scale."""
    if not math.isfinite(gain):
        raise InvalidArgumentError(f"gain is {gain}; expected a number such as 0.5")


class MixedStream:
    """One stream of a mixer; made by :meth:`Mixer.add`."""

    def __init__(self, playout: Playout, clock: Hashable | None, gain: float) -> None:
        self.playout = playout
        """Where its packets are pushed."""
        self.gain = gain
        """What its samples are multiplied by; it may be changed at any time."""
        self.clock = clock
        """What it has in common with the streams that it is in step with."""
        self.spans: list[PlayedSpan] = []
        """What was played since it was emptied last: the playout's log, which the mixer takes."""
        self._scale = MEDIA_RATE // playout.rate
        self._frame_bytes = playout.channels * _SAMPLE_BYTES
        self.in_step = False
        """Whether it was shifted to the others of its clock."""
        self._next: int | None = None
        self.known = False
        """Whether :attr:`next_samples` was told by what was played last."""
        self._ahead = b""
        self._unheard_samples = 0
        self.aim_s: float | None = None
        """The lag that it aims at: that of the one that needs the longest, if it may."""

    @property
    def lag_s(self) -> float | None:
        """The lag that others of its clock wait for; None of one that is over or long unheard."""
        gone = self.playout.finished or self._unheard_samples > GONE_S * self.playout.rate
        return None if gone else self.playout.lag_s

    @property
    def next_samples(self) -> int | None:
        """Media time that is heard next, in 48 kHz samples; None before any was."""
        if self._next is None:
            return None
        return self._next - len(self._ahead) // self._frame_bytes * self._scale

    def offset_samples(self, other: "MixedStream") -> int | None:
        """How much later media this stream plays than another at this moment, in 48 kHz samples.

        0 for streams with a common clock and mode ``fixed``. With ``adaptive`` it is some
        milliseconds, more while a delay grows or shrinks: 2 ms of it are made up for in a second,
        besides what is in pauses. None before both were heard.
        """
        mine, its = self.next_samples, other.next_samples
        return None if mine is None or its is None else mine - its

    def towards(self, leader: "MixedStream", rate: float, pulled: int) -> Pace:
        """The pace at which it comes nearer to another, of a rate, that was just pulled further."""
        offset = self.offset_samples(leader)
        if offset is not None and self.known and leader.known:
            offset += pulled * self._scale
            # One whose delay may not be as long stays as far apart as it has to.
            has_to = 0.0
            if self.aim_s is not None and leader.aim_s is not None:
                has_to = (leader.aim_s - self.aim_s) * MEDIA_RATE
            left = offset - has_to
            if abs(left) > _NEAR_SAMPLES and max(abs(left), abs(offset)) < _FAR_SAMPLES:
                rate -= left / _MADE_UP_SAMPLES
        return Pace(max(-_MOST_RATE, min(_MOST_RATE, rate)), self.playout.pace.phase)

    def pull(self, samples: int, now: float) -> bytes:
        """Return what the mixer adds up: the next ``samples`` per channel."""
        taken = self._ahead[: samples * self._frame_bytes]
        self._ahead = self._ahead[len(taken) :]
        return taken + self._play(samples - len(taken) // self._frame_bytes, now)

    def _play(self, samples: int, now: float) -> bytes:
        if samples == 0:
            return b""
        pcm = self.playout.pull(samples, now)
        for span in self.playout.take_log():
            media = span.media_samples
            media = span.samples * self._scale if media is None else media
            if span.time_samples is not None:
                self._next = span.time_samples + media
            elif self._next is not None:
                # What is heard instead of what has not come takes its time.
                self._next += media
            self.known = span.time_samples is not None
            self.spans.append(span)
        self._unheard_samples = 0 if self.known else self._unheard_samples + samples
        del self.spans[:-4096]
        return pcm

    def shift(self, pcm: bytes, leader: "MixedStream", now: float) -> bytes:
        """What is to be heard instead of ``pcm``, in step with another that was pulled as far."""
        offset = self.offset_samples(leader)
        if not (offset and self.known and leader.known):
            return pcm
        if abs(offset) > MAX_SHIFT_S * MEDIA_RATE:
            return pcm
        shift = abs(offset) // self._scale
        if offset > 0:
            # A sample or two, from clocks that are followed, are not heard if they are no silence.
            filler = pcm[: self._frame_bytes] if shift <= _FEW_SAMPLES else bytes(self._frame_bytes)
            sound = filler * shift + pcm + self._ahead
        else:
            self.playout.keep_pace(_STRAIGHT)
            more = [pcm, self._ahead]
            pieces = (min(_PIECE_SAMPLES, shift - n) for n in range(0, shift, _PIECE_SAMPLES))
            more += [self._play(samples, now) for samples in pieces]
            sound = b"".join(more)[shift * self._frame_bytes :]
        self._ahead = sound[len(pcm) :]
        return sound[: len(pcm)]


class Mixer:
    """Streams on their way to one ear.

    Packets may be pushed to the playouts from any thread; the mixer itself is for one.

    Args:
        rate: output rate, an Opus rate: that of all playouts.
        channels: output channels, 1 or 2: as all playouts have.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(self, *, rate: int = 48_000, channels: int = 1) -> None:
        if channels not in (1, 2):
            raise InvalidArgumentError(f"channels is {channels}; expected 1 or 2")
        self.rate = check_rate(rate)
        self.channels = channels
        self._streams: list[MixedStream] = []
        self._native = _native.Mixer(rate, channels)

    def add(
        self, playout: Playout, *, clock: Hashable | None = None, gain: float = 1.0
    ) -> MixedStream:
        """Add a stream, which from now on only the mixer pulls; packets are pushed as before.

        Args:
            playout: of the mixer's rate and channels.
            clock: what streams have in common whose media times count from the same moment; None
                for one that has it with none.
            gain: what its samples are multiplied by.

        Raises:
            InvalidArgumentError: its rate or its channels are others than the mixer's; it is in
                this mixer already; the gain is infinite or no number.
        """
        if (playout.rate, playout.channels) != (self.rate, self.channels):
            raise InvalidArgumentError(
                f"the playout has {playout.rate} Hz and {playout.channels} channels; expected the "
                f"mixer's {self.rate} Hz and {self.channels}"
            )
        if any(stream.playout is playout for stream in self._streams):
            raise InvalidArgumentError(
                "the playout is in the mixer already; make one for each stream"
            )
        _check_gain(gain)
        stream = MixedStream(playout, clock, gain)
        self._streams.append(stream)
        return stream

    def remove(self, stream: MixedStream) -> None:
        """Leave a stream out from now on.

        Raises:
            InvalidArgumentError: it is none of the mixer's.
        """
        if stream not in self._streams:
            raise InvalidArgumentError("the stream is none of this mixer's, or no longer")
        self._streams.remove(stream)

    @property
    def limiting(self) -> float:
        """What the sum is multiplied by now, so that it does not clip: 1 where nothing is done."""
        return self._native.gain

    def pull(self, samples: int, now: float) -> bytes:
        """Return the next ``samples`` per channel of all streams as interleaved int16.

        Raises:
            InvalidArgumentError: they are more than a second of stereo at 48 kHz, or fewer than
                none, or a gain is infinite or no number; nothing was pulled. Or ``now`` is no time.
        """
        most = _MAX_PULL // self.channels
        if not 0 <= samples <= most:
            raise InvalidArgumentError(
                f"{samples} samples are to be pulled; at most {most} at once, and no fewer than 0"
            )
        for stream in self._streams:
            _check_gain(stream.gain)
        sounds: list[tuple[bytes, float]] = []
        leaders: dict[Hashable, MixedStream] = {}
        paces: dict[Hashable, Pace] = {}
        self._share_delays()
        for stream in sorted(self._streams, key=_begun_last):
            leader = leaders.get(stream.clock) if stream.clock is not None else None
            if leader is None:
                before = stream.playout.pace
                stream.playout.keep_pace(None)
                pcm = stream.pull(samples, now)
                if stream.clock is not None:
                    leaders[stream.clock] = stream
                    paces[stream.clock] = Pace(stream.playout.pace.rate, before.phase)
            else:
                pace = paces[stream.clock]
                if stream.playout.mode == "adaptive":
                    pace = stream.towards(leader, pace.rate, samples)
                stream.playout.keep_pace(pace)
                pcm = stream.pull(samples, now)
                if stream.playout.mode == "fixed" or not stream.in_step:
                    pcm = stream.shift(pcm, leader, now)
                stream.in_step = stream.in_step or stream.offset_samples(leader) is not None
            sounds.append((pcm, stream.gain))
        return self._native.mix(sounds, samples * self.channels)

    def _share_delays(self) -> None:
        """Let adaptive streams of one clock aim at the lag of the one that needs the longest."""
        lags: dict[Hashable, list[float]] = {}
        for stream in self._streams:
            lag = stream.lag_s
            if lag is not None and stream.clock is not None:
                lags.setdefault(stream.clock, []).append(lag)
        for stream in self._streams:
            own = stream.playout.lag_s
            others = lags.get(stream.clock, []) if own is not None else []
            near = [lag for lag in others if own is not None and lag <= own + MAX_SHIFT_S]
            stream.aim_s = stream.playout.keep_lag(max(near, default=None))


def _begun_last(stream: MixedStream) -> bool:
    """Whether others have to lead: it was not heard yet, or all of it was."""
    return stream.next_samples is None or stream.playout.finished

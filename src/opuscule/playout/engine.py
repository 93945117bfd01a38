"""The playout engine's Python face: packets pushed as they arrive, samples pulled as they play.

The engine is ``crates/core/src/playout``. It reads no clock: ``now`` is monotonic seconds, passed
in. Each played sample is accounted for by what it was made from.
"""

from typing import Literal

from opuscule import _native
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout.account import Pace, PlayedSpan, PlayoutStats

__all__ = ["Mode", "Playout", "Pushed"]

Mode = Literal["whole", "fixed", "adaptive"]
"""What is done about late packets: all is played, however late; or the delay stays, and what is
later is lost; or the delay follows the network, and sound is made shorter or longer for it."""

Pushed = Literal["kept", "duplicate", "late", "stray"]
"""What became of a packet: it will be played, had come before, its time is over, or it lies far
from the stream and is kept aside, should the sender have begun anew."""


_FURTHEST_S = 9e12
"""Times up to here fit in 64 bits as microseconds."""


class Playout:
    """One stream on its way to an ear.

    Any call may come from any thread: packets are pushed in one and heard in another as a rule. A
    call waits for one that is not over, a push for as long as 20 ms take to be decoded, say.

    Args:
        stream: the format that the sender announced; its gain is applied (RFC 7845 §5.1).
        rate: output rate, an Opus rate.
        channels: output channels, 1 or 2.
        target_delay_ms: how long the first packet is held back, which is the jitter it bears; with
            ``adaptive`` the least delay.
        max_buffer_ms: the most audio that waits, 20 to 60,000; beyond it the oldest is given up.
        complexity: of the decoder, 0 to 10; see :class:`opuscule.codec.Decoder`.
        begin: media time in 48 kHz samples and sequence at which the stream begins: what is missing
            after them was lost. None if that is not known: a stream whose first packet lies more
            than a second in was joined under way, and begins with it.
        mode: ``whole`` plays all that comes, however late, and never makes a delay smaller: for
            answers that must not lose a word. ``fixed`` keeps the delay; what comes later is lost.
            ``adaptive`` is for live sound, whose packets are sent as they are recorded: the delay
            follows the network, and sound is made shorter or longer for it, in pauses before all.
        max_delay_ms: the most that ``adaptive`` aims at.
        late_per_mille: of a thousand packets, how many ``adaptive`` lets come too late: fewer cost
            more delay.
        restart_ms: 0 to 3,600,000. Packets that lie further than this from where the sender may be
            by now, and go on from each other for 100 ms while no other comes, are those of a sender
            that has begun anew: it is followed from its first packet, without a gap. 0: never.
        least_complexity: how low the decoder's complexity may go while whoever pulls cannot keep up
            with ``now``; it comes back when there is time again. None: it stays. Not for ``whole``,
            which plays the same samples whatever the load.

    Raises:
        InvalidArgumentError: a value is out of its range.
        UnsupportedFormatError: the stream's packets hold several Opus streams.
    """

    def __init__(
        self,
        stream: StreamFormat,
        *,
        rate: int = 48_000,
        channels: int = 1,
        target_delay_ms: int = 60,
        max_buffer_ms: int = 10_000,
        complexity: int = 5,
        begin: tuple[int, int] | None = None,
        mode: Mode = "whole",
        max_delay_ms: int = 1000,
        late_per_mille: int = 15,
        restart_ms: int = 5_000,
        least_complexity: int | None = None,
    ) -> None:
        if not stream.is_single:
            raise UnsupportedFormatError(
                f"the stream has {stream.channels} channels in {stream.streams} Opus streams"
                f" (mapping family {stream.mapping_family}); gaps are filled in mono and stereo"
                " only: Decoder.for_stream decodes the packets"
            )
        self.rate = rate
        self.channels = channels
        self.mode = mode
        self._native = _native.Playout(
            rate,
            channels,
            complexity=complexity,
            pre_skip_samples=stream.pre_skip_samples,
            target_delay_ms=target_delay_ms,
            max_buffer_ms=max_buffer_ms,
            gain_q8=stream.gain_q8,
            begin=begin,
            mode=mode,
            max_delay_ms=max_delay_ms,
            late_per_mille=late_per_mille,
            restart_ms=restart_ms,
            least_complexity=least_complexity,
        )

    def push(self, packet: Packet, now: float, *, discontinuity: bool = False) -> Pushed:
        """Take a packet that arrived at ``now``; say what became of it.

        Raises:
            InvalidPacketError: it is no Opus packet; its time is concealed like that of a lost one.
            InvalidArgumentError: its media time or sequence number is not from 0 up to 2**53, or
                ``now`` is no time.
        """
        now_us = _microseconds(now)
        sequence, time_samples = packet.sequence, packet.time_samples
        try:
            return self._native.push(
                sequence, time_samples, packet.data, now_us, jump=discontinuity
            )
        except OverflowError:
            raise _beyond(time_samples, sequence) from None

    def pull(self, samples: int, now: float) -> bytes:
        """Return the next ``samples`` per channel as interleaved int16, whatever has come.

        Raises:
            InvalidArgumentError: they are more than a second of stereo at 48 kHz, or fewer than
                none, or ``now`` is no time.
        """
        now_us = _microseconds(now)
        try:
            return self._native.pull(samples, now_us)
        except OverflowError:
            raise InvalidArgumentError(
                f"{samples} samples are to be pulled; at most {96_000 // self.channels} at once,"
                " and no fewer than 0"
            ) from None

    def finish(self, end_samples: int, end_sequence: int) -> None:
        """Say where the stream ends: media time, pre-skip included, and packets sent.

        Raises:
            InvalidArgumentError: one of them is not from 0 up to 2**53.
        """
        try:
            self._native.finish(end_samples, end_sequence)
        except OverflowError:
            raise _beyond(end_samples, end_sequence) from None

    @property
    def finished(self) -> bool:
        """Whether all of a finished stream has been pulled."""
        return self._native.finished

    @property
    def buffered_ms(self) -> int:
        """Audio that waits."""
        return self._native.buffered_ms

    @property
    def stats(self) -> PlayoutStats:
        """Counts so far."""
        return PlayoutStats(**self._native.stats())  # type: ignore[arg-type]  # ints and floats by name

    @property
    def pace(self) -> Pace:
        """How it is played against the clock of whoever pulls."""
        return Pace(*self._native.pace())

    def keep_pace(self, pace: Pace | None) -> None:
        """Play at another stream's pace from the next pull on, whatever this one's packets say.

        None goes back to what they say.

        Raises:
            InvalidArgumentError: its rate is beyond 0.002, or its phase not from 0 up to 1.
        """
        if pace is None:
            self._native.own_pace()
        else:
            self._native.keep_pace(pace.rate, pace.phase)

    @property
    def lag_s(self) -> float | None:
        """How long after its media time, in seconds, sound is to be played by what its packets say.

        ``now`` less media time; so only streams whose media times count from the same moment can be
        compared. None unless the mode is ``adaptive``, and before the first packet.
        """
        lag_us = self._native.lag_us
        return None if lag_us is None else lag_us / 1e6

    def keep_lag(self, lag_s: float | None) -> float | None:
        """Aim at another stream's :attr:`lag_s` where it is longer than this one's own.

        The delay stays within ``max_delay_ms``, and, so that nothing has to be given up for it,
        120 ms below ``max_buffer_ms``. None goes back to what this stream's packets say. Other
        modes than ``adaptive`` keep their delay.

        Returns:
            The lag that is aimed at now, in seconds; None where :attr:`lag_s` is.

        Raises:
            InvalidArgumentError: it is no time.
        """
        aim_us = self._native.keep_lag(None if lag_s is None else _microseconds(lag_s))
        return None if aim_us is None else aim_us / 1e6

    def take_log(self) -> list[PlayedSpan]:
        """Return what was played since the last call, at most the newest 2048 spans."""
        return [PlayedSpan(*span) for span in self._native.take_log()]  # type: ignore[arg-type]  # the native side has these names only


def _microseconds(now: float) -> int:
    if not -_FURTHEST_S < now < _FURTHEST_S:
        raise InvalidArgumentError(f"now is {now}; expected seconds by a monotonic clock")
    return int(now * 1e6)


def _beyond(time_samples: int, sequence: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"media time is {time_samples} and sequence number {sequence}; expected 0 up to 2^53"
    )

"""The playout engine's Python face: packets pushed as they arrive, samples pulled as they play.

The engine is ``crates/core/src/playout``. It reads no clock: ``now`` is monotonic seconds, passed
in. Each played sample is accounted for by what it was made from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from opuscule import _native
from opuscule.errors import UnsupportedFormatError
from opuscule.packets import Packet, StreamFormat
from opuscule.units import from_media_samples, to_media_samples

__all__ = [
    "DecodedPiece",
    "Missing",
    "Mode",
    "Origin",
    "Pace",
    "PlayedSpan",
    "Playout",
    "PlayoutStats",
    "Pushed",
    "StreamDecoder",
]

Origin = Literal["received", "fec", "dred", "plc", "silence"]
"""What a sample was made from: its packet, a later one, what came before it, or nothing."""

Missing = Literal["lost", "unsent", "jump"]
"""Why samples are not from their own packet: it was sent and is not there (or is no packet); the
sender left it out in a pause (DTX); the sender's source jumped."""

Mode = Literal["whole", "fixed", "adaptive"]
"""What is done about late packets: all is played, however late; or the delay stays, and what is
later is lost; or the delay follows the network, and sound is made shorter or longer for it."""

Pushed = Literal["kept", "duplicate", "late"]
"""What became of a packet: it will be played, had come before, or its time is over."""

_PIECE_SAMPLES = 8_000


@dataclass(frozen=True, slots=True)
class PlayoutStats:
    """Counts since the stream's beginning.

    ``played_samples`` is always the sum of received, FEC, DRED, PLC, stretched and silence samples;
    all are
    per channel, at the output rate.
    """

    played_samples: int
    """All that was handed out."""
    received_samples: int
    """Decoded from packets that came."""
    fec_samples: int
    """Rebuilt from in-band FEC."""
    dred_samples: int
    """Rebuilt from deep redundancy."""
    plc_samples: int
    """Concealed from what came before."""
    stretched_samples: int
    """Joined from others, to shorten or lengthen the sound."""
    removed_samples: int
    """Left out by joins (WebRTC's ``removedSamplesForAcceleration``); not played."""
    inserted_samples: int
    """Put in by joins (WebRTC's ``insertedSamplesForDeceleration``); among the stretched."""
    silence_samples: int
    """Before the stream, in pauses that were not sent, when nothing had come, and after it."""
    packets_received: int
    """All that came in time, copies not counted."""
    packets_late: int
    """Came when their time had been played."""
    packets_duplicate: int
    """Had come before."""
    packets_overflow: int
    """Given up, the oldest first, because the buffer was full."""
    packets_lost: int
    """Their turn came and they were not there."""
    concealment_events: int
    """Times that concealment began (WebRTC's ``concealmentEvents``)."""
    jitter_ms: float
    """Interarrival jitter, RFC 3550 §6.4.1."""
    drift_ppm: float
    """How much faster the sender's clock goes than that of whoever pulls, in parts in a million, as
    it is followed; 0 where nothing is."""


@dataclass(frozen=True, slots=True)
class PlayedSpan:
    """Consecutive played samples of one origin."""

    origin: Origin
    """What they were made from."""
    time_samples: int | None
    """Media time of the first, in 48 kHz samples; None for what stands for no media time."""
    samples: int
    """How many per channel, at the output rate."""
    missing: Missing | None = None
    """Why they are not from their own packet; None where they are, and where nothing is known."""
    media_samples: int | None = None
    """The media time that they stand for, in 48 kHz samples, where that is another: stretched."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream is played against the clock of whoever pulls: what streams in step share."""

    rate: float
    """Media time in a unit of that clock's time, less one: 0.0001 is 100 parts in a million."""
    phase: float
    """Where the next sample lies between two of the stream's, 0 up to 1."""


@dataclass(frozen=True, slots=True)
class DecodedPiece:
    """Consecutive samples of a stream, with what they are."""

    pcm: bytes
    """Interleaved int16."""
    time_samples: int
    """Media time of the first, in 48 kHz samples, pre-skip included."""
    samples: int
    """How many per channel, at the output rate."""
    origin: Origin
    """What they were made from."""
    missing: Missing | None
    """Why they are not from their own packet; None where they are."""


class Playout:
    """One stream on its way to an ear.

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

    Raises:
        InvalidArgumentError: a value is out of its range.
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
        late_per_mille: int = 10,
    ) -> None:
        self.rate = rate
        self.channels = channels
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
        )

    def push(self, packet: Packet, now: float, *, discontinuity: bool = False) -> Pushed:
        """Take a packet that arrived at ``now``; say what became of it.

        Raises:
            InvalidPacketError: it is no Opus packet; its time is concealed like that of a lost one.
            InvalidArgumentError: its media time or sequence number is not from 0 up to 2**53.
        """
        return self._native.push(
            packet.sequence,
            packet.time_samples,
            packet.data,
            int(now * 1e6),
            jump=discontinuity,
        )

    def pull(self, samples: int, now: float) -> bytes:
        """Return the next ``samples`` per channel as interleaved int16, whatever has come."""
        return self._native.pull(samples, int(now * 1e6))

    def finish(self, end_samples: int, end_sequence: int) -> None:
        """Say where the stream ends: media time, pre-skip included, and packets sent.

        Raises:
            InvalidArgumentError: one of them is not from 0 up to 2**53.
        """
        self._native.finish(end_samples, end_sequence)

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
        counts = self._native.stats()
        jitter_ms, drift_ppm = counts.pop("jitter_ms"), counts.pop("drift_ppm")
        whole = {name: int(count) for name, count in counts.items()}
        return PlayoutStats(**whole, jitter_ms=jitter_ms, drift_ppm=drift_ppm)

    @property
    def pace(self) -> Pace:
        """How it is played against the clock of whoever pulls."""
        return Pace(*self._native.pace())

    def keep_pace(self, pace: Pace) -> None:
        """Play at another stream's pace from the next pull on, whatever this one's packets say.

        Raises:
            InvalidArgumentError: its rate is beyond a hundredth, or its phase not from 0 up to 1.
        """
        self._native.keep_pace(pace.rate, pace.phase)

    def take_log(self) -> list[PlayedSpan]:
        """Return what was played since the last call, at most the newest 4096 spans."""
        return [PlayedSpan(*span) for span in self._native.take_log()]  # type: ignore[arg-type]  # the native side has these names only


class StreamDecoder:
    """Packets of one stream in order in, all of its samples out, gaps filled.

    What is lost is rebuilt with the help of the packet behind it (FEC, DRED) or concealed.
    The newest packet waits for the next one or the end, which may cut it.
    Without losses the samples are those of the plain sequential decode.
    :meth:`push` and :meth:`finish` give samples alone, :meth:`push_pieces` and
    :meth:`finish_pieces` the same ones with media time, origin and cause.

    Args:
        stream: the format that the sender announced.
        rate: output rate, an Opus rate.
        channels: output channels, 1 or 2.
        complexity: of the decoder, 0 to 10.
        first_samples: media time at which the stream begins, in 48 kHz samples; the first sample
            that comes out is this one, or the first after the pre-skip.
        first_sequence: sequence number at which it begins.

    Raises:
        UnsupportedFormatError: its packets hold several Opus streams.
    """

    def __init__(
        self,
        stream: StreamFormat,
        *,
        rate: int = 48_000,
        channels: int = 1,
        complexity: int = 5,
        first_samples: int = 0,
        first_sequence: int = 0,
    ) -> None:
        if not stream.is_single:
            raise UnsupportedFormatError(
                f"the stream has {stream.channels} channels in {stream.streams} Opus streams"
                f" (mapping family {stream.mapping_family}); gaps are filled in mono and stereo"
                " only: Decoder.for_stream decodes the packets"
            )
        self._playout = Playout(
            stream,
            rate=rate,
            channels=channels,
            target_delay_ms=0,
            max_buffer_ms=60_000,
            complexity=complexity,
            begin=(first_samples, first_sequence),
        )
        self._first_samples = max(stream.pre_skip_samples, first_samples)
        self._pulled_samples = 0

    @property
    def stats(self) -> PlayoutStats:
        """What the samples so far were made from."""
        return self._playout.stats

    def push(self, packet: Packet, *, discontinuity: bool = False) -> Iterator[bytes]:
        """Take the next packet; give the samples before it as interleaved int16 pieces.

        Raises:
            InvalidPacketError: it is no Opus packet; its time is concealed with the next one.
        """
        self._playout.push(packet, 0.0, discontinuity=discontinuity)
        # Never past what has come: nothing is made up for what may still do so.
        return self._pull_to(packet.time_samples)

    def push_pieces(self, packet: Packet, *, discontinuity: bool = False) -> Iterator[DecodedPiece]:
        """As :meth:`push`, each piece of one origin and cause, and marked with them.

        A pause that was not sent is told from a loss by the sequence numbers, which skip only what
        was lost: fill-in of both may sound alike.

        Raises:
            InvalidPacketError: it is no Opus packet; its time is concealed with the next one.
        """
        return self._marked(self.push(packet, discontinuity=discontinuity))

    def finish(self, end_samples: int, end_sequence: int) -> Iterator[bytes]:
        """Say where the stream ends; give what is left, without the last packet's padding.

        Afterwards ``stats.played_samples`` is how many samples the stream has.
        """
        self._playout.finish(end_samples, end_sequence)
        return self._pull_to(end_samples)

    def finish_pieces(self, end_samples: int, end_sequence: int) -> Iterator[DecodedPiece]:
        """As :meth:`finish`, each piece of one origin and cause, and marked with them."""
        return self._marked(self.finish(end_samples, end_sequence))

    def _marked(self, blocks: Iterator[bytes]) -> Iterator[DecodedPiece]:
        frame_bytes = 2 * self._playout.channels
        self._playout.take_log()  # of what was given without marks
        for block in blocks:
            spans = self._playout.take_log()
            before = self._pulled_samples - len(block) // frame_bytes
            at = 0
            for span in spans:
                time = to_media_samples(before + at, self._playout.rate) + self._first_samples
                pcm = block[at * frame_bytes : (at + span.samples) * frame_bytes]
                yield DecodedPiece(pcm, time, span.samples, span.origin, span.missing)
                at += span.samples

    def _pull_to(self, time_samples: int) -> Iterator[bytes]:
        valid_samples = max(0, time_samples - self._first_samples)
        missing = from_media_samples(valid_samples, self._playout.rate) - self._pulled_samples
        while missing > 0:
            samples = min(missing, _PIECE_SAMPLES)
            self._pulled_samples += samples
            missing -= samples
            yield self._playout.pull(samples, 0.0)

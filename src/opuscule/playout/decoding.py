"""All samples of a stream whose packets come in order, gaps filled: playout without a clock."""

from collections.abc import Iterator
from dataclasses import dataclass

from opuscule.errors import InvalidArgumentError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout.account import Missing, Origin, PlayoutStats
from opuscule.playout.engine import Playout
from opuscule.units import from_media_samples, to_media_samples

__all__ = ["DecodedPiece", "StreamDecoder"]

_PIECE_SAMPLES = 8_000

_MAX_BUFFER_MS = 60_000
_MOST_WAITING_MS = 50_000


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
        self._playout = Playout(
            stream,
            rate=rate,
            channels=channels,
            target_delay_ms=0,
            max_buffer_ms=_MAX_BUFFER_MS,
            complexity=complexity,
            begin=(first_samples, first_sequence),
            restart_ms=0,
        )
        self._first_samples = max(stream.pre_skip_samples, first_samples)
        self._pulled_samples = 0
        self._finished = False

    @property
    def stats(self) -> PlayoutStats:
        """What the samples so far were made from."""
        return self._playout.stats

    def push(self, packet: Packet, *, discontinuity: bool = False) -> Iterator[bytes]:
        """Take the next packet; give the samples before it as interleaved int16 pieces.

        Raises:
            InvalidPacketError: it is no Opus packet; its time is concealed with the next one.
            InvalidArgumentError: the stream is finished, or 50 s wait, because what was given was
                not iterated over; the packet was not taken.
        """
        if self._finished:
            raise InvalidArgumentError("the stream is finished; make another decoder for more")
        if self._playout.buffered_ms > _MOST_WAITING_MS:
            raise InvalidArgumentError(
                f"{self._playout.buffered_ms} ms wait to be decoded, and more would be lost;"
                " iterate over what push gives"
            )
        self._playout.push(packet, 0.0, discontinuity=discontinuity)
        # Never past what has come: nothing is made up for what may still do so.
        return self._pull_to(packet.time_samples)

    def push_pieces(self, packet: Packet, *, discontinuity: bool = False) -> Iterator[DecodedPiece]:
        """As :meth:`push`, each piece of one origin and cause, and marked with them.

        A pause that was not sent is told from a loss by the sequence numbers, which skip only what
        was lost: fill-in of both may sound alike.

        Raises:
            InvalidPacketError, InvalidArgumentError: as for :meth:`push`.
        """
        return self._marked(self.push(packet, discontinuity=discontinuity))

    def finish(self, end_samples: int, end_sequence: int) -> Iterator[bytes]:
        """Say where the stream ends; give what is left, without the last packet's padding.

        Afterwards ``stats.played_samples`` is how many samples the stream has.
        """
        self._playout.finish(end_samples, end_sequence)
        self._finished = True
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

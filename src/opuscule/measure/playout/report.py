"""All that is known of a call that was played."""

from dataclasses import dataclass
from typing import Unpack

from opuscule.measure.playout.account import (
    INTERRUPTION_MS,
    Delays,
    MadeUp,
    SpeechHeard,
    delays_of,
    made_up,
    of_the_stream,
    shares_of,
    speech_blocks,
    speech_heard,
)
from opuscule.measure.playout.calls import Call, clean_decode
from opuscule.measure.playout.network import Network, network_of
from opuscule.measure.playout.quality import Quality, judge
from opuscule.measure.playout.simulation import PlayoutArguments, Simulated, simulate
from opuscule.measure.playout.verdict import what_hurt
from opuscule.playout import PlayoutStats

__all__ = ["Interruptions", "PlayedCall", "play_call"]


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Sound from no data for 150 ms and more at a time, as WebRTC counts them."""

    count: int
    """How many."""
    total_ms: float
    """All of them together."""


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """What a network did to a call, what playout made of it, and what it sounds like."""

    call: Call
    """What was played."""
    simulated: Simulated
    """The sound, and the engine's log and counts."""
    network: Network
    """What became of the packets."""
    delays: Delays | None
    """How late all was heard; None when nothing came."""
    shares: dict[str, float]
    """Of what was played from the first sound to the last, by what it was made from."""
    made_up: tuple[MadeUp, ...]
    """Every stretch that is from no data."""
    interruptions: Interruptions
    """The long ones of these."""
    heard: SpeechHeard
    """What of the speech was heard."""
    quality: Quality | None
    """None without a judge."""
    hurt: tuple[str, ...]
    """What hurt most, in words."""

    @property
    def stats(self) -> PlayoutStats:
        """The engine's own counts."""
        return self.simulated.stats

    @property
    def cpu_share(self) -> float:
        """Of a core, what pushing and pulling took."""
        return sum(self.simulated.costs_ns) / 1e6 / max(1.0, self.call.duration_ms)


def play_call(
    call: Call,
    *,
    reference: bytes | None = None,
    with_quality: bool = True,
    **arguments: Unpack[PlayoutArguments],
) -> PlayedCall:
    """Play a call as it came, and say what happened.

    Args:
        call: the packets and their times.
        reference: what was said, int16 at 48 kHz in the call's channels from its first sample on;
            None takes the packets, decoded one after the other.
        with_quality: whether installed judges are asked, which takes most of the time.
        arguments: of :class:`opuscule.playout.Playout`.

    Raises:
        InvalidArgumentError: an argument is out of its range.
    """
    channels = call.format.channels
    is_whole = reference is not None or all(s.packet.data for s in call.sent)
    clean = clean_decode(call) if reference is None else reference
    end_ms = max([call.duration_ms, *(at_ms for at_ms, _ in call.arrivals[-1:])])
    last = call.sent[-1].packet
    end = (max(s.packet.end_samples for s in call.sent), last.sequence + 1)
    simulated = simulate(call.arrivals, call.format, end_ms, end, **arguments)
    spans = simulated.spans
    first, stop = of_the_stream(spans)
    played_ms = sum(span.samples for span in spans[first:stop]) / 48
    heard = speech_heard(spans, call.sent, speech_blocks(clean, channels))
    made, delays, shares = made_up(spans), delays_of(spans), shares_of(spans)
    stops = [m.duration_ms for m in made if m.duration_ms >= INTERRUPTION_MS]
    quality = None
    if with_quality:
        quality = judge(simulated.pcm, channels, spans, clean, is_whole=is_whole)
    stretched = shares.get("stretched", 0.0)
    return PlayedCall(
        call=call,
        simulated=simulated,
        network=network_of(call),
        delays=delays,
        shares=shares,
        made_up=tuple(made),
        interruptions=Interruptions(len(stops), sum(stops)),
        heard=heard,
        quality=quality,
        hurt=what_hurt(heard, delays, made, stretched, quality, max(1.0, played_ms)),
    )

"""What was played and from what, and how long packets waited: counts and a log.

The statistics follow the W3C's *Identifiers for WebRTC's Statistics API*
(https://w3c.github.io/webrtc-stats/#dom-rtcinboundrtpstreamstats), and NetEQ's own
(``NetEqNetworkStatistics``, ``NetEqLifetimeStatistics`` in WebRTC's ``api/neteq/neteq.h``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

__all__ = ["Missing", "Origin", "Pace", "PlayedSpan", "PlayoutStats"]

Origin = Literal["received", "fec", "dred", "plc", "comfort_noise", "silence"]
"""What a sample was made from: its packet, a later one, what came before it, noise like the
background, or nothing."""

Missing = Literal["lost", "unsent", "jump"]
"""Why samples are not from their own packet: it was sent and is not there (or is no packet); the
sender left it out in a pause (DTX); the sender's source jumped."""


_MOMENTARY = ("_ms", "_ppm", "complexity")


@dataclass(frozen=True, slots=True)
class PlayoutStats:
    """Counts since the stream's beginning; :meth:`webrtc` has them under WebRTC's names.

    ``played_samples`` is always the sum of received, FEC, DRED, PLC, stretched, comfort noise and
    silence samples; all samples are per channel, at the output rate. Rates over a time are the
    difference of two readings.
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
    comfort_noise_samples: int
    """Noise like the background: in pauses that were not sent, and where concealment has faded and
    more is awaited."""
    silence_samples: int
    """Before the stream and after it, where its source jumped, and where neither concealment nor
    noise has anything left to say."""
    removed_samples: int
    """Left out by joins; not played."""
    inserted_samples: int
    """Put in by joins; among the stretched."""
    concealed_samples: int
    """Played in place of what was lost or had not come, and made from no data: concealment, and
    noise or silence once that has nothing left to say. Pauses that the sender left out are not
    among them, nor what FEC or DRED rebuilt."""
    silent_concealed_samples: int
    """Those of them that are comfort noise or silence."""
    concealment_events: int
    """Times that a concealed sample followed one that was not."""
    interruptions: int
    """Concealment events of 150 ms or more."""
    interruption_samples: int
    """All samples of these."""
    packets_received: int
    """All that came in time, copies not counted."""
    packets_late: int
    """Came when their time had been played."""
    packets_duplicate: int
    """Had come before."""
    packets_overflow: int
    """Given up, the oldest first, because the buffer was full."""
    packets_stray: int
    """Lay far from where the stream was, and the stream did not go on from them."""
    packets_lost: int
    """Their turn came and they were not there."""
    fec_packets_received: int
    """Decoded packets that carried in-band FEC."""
    fec_packets_discarded: int
    """Those of them whose FEC nobody needed: the packet before them was there."""
    restarts: int
    """Times that the sender began anew, with other numbers and times."""
    complexity: int
    """The decoder's complexity now: less than it was asked for while there was too much to do."""
    complexity_changes: int
    """Times that it went down or up with the load."""
    jitter_buffer_emitted_count: int
    """Samples handed out that were decoded from their own packet, stretched ones included."""
    jitter_buffer_delay_s: float
    """How long these had waited, from the arrival of their packet to the pull that handed them out,
    summed over all of them: divided by ``jitter_buffer_emitted_count`` the mean delay."""
    jitter_buffer_target_delay_s: float
    """The delay aimed at when they were handed out, summed likewise."""
    jitter_buffer_minimum_delay_s: float
    """The delay that the network alone asked for then, whatever was set, summed likewise."""
    mean_waiting_time_ms: float
    """Mean of how long the last 100 packets waited between arrival and decoding."""
    median_waiting_time_ms: float
    """Their median."""
    min_waiting_time_ms: float
    """Their least."""
    max_waiting_time_ms: float
    """Their greatest."""
    current_buffer_size_ms: int
    """Audio that waits now, decoded or not."""
    preferred_buffer_size_ms: float
    """The delay aimed at now."""
    jitter_ms: float
    """Interarrival jitter, RFC 3550 §6.4.1."""
    drift_ppm: float
    """How much faster the sender's clock goes than that of whoever pulls, in parts in a million, as
    it is followed; 0 where nothing is."""

    @property
    def packets_discarded(self) -> int:
        """Packets that came and were thrown away, copies not counted."""
        return self.packets_late + self.packets_overflow + self.packets_stray

    @property
    def expand_rate(self) -> float:
        """Share of what was played that was concealed, 0 to 1."""
        return self._share(self.concealed_samples)

    @property
    def speech_expand_rate(self) -> float:
        """Share that was concealed with something else than noise or silence."""
        return self._share(self.concealed_samples - self.silent_concealed_samples)

    @property
    def accelerate_rate(self) -> float:
        """Samples left out by joins, as a share of what was played."""
        return self._share(self.removed_samples)

    @property
    def preemptive_rate(self) -> float:
        """Samples put in by joins, as a share of what was played."""
        return self._share(self.inserted_samples)

    @property
    def secondary_decoded_rate(self) -> float:
        """Share that was rebuilt from redundancy: FEC or DRED."""
        return self._share(self.fec_samples + self.dred_samples)

    def webrtc(self) -> dict[str, float]:
        """Return what WebRTC's ``getStats`` calls by the same names, times in seconds."""
        return {
            "totalSamplesReceived": self.played_samples,
            "concealedSamples": self.concealed_samples,
            "silentConcealedSamples": self.silent_concealed_samples,
            "concealmentEvents": self.concealment_events,
            "insertedSamplesForDeceleration": self.inserted_samples,
            "removedSamplesForAcceleration": self.removed_samples,
            "jitterBufferDelay": self.jitter_buffer_delay_s,
            "jitterBufferTargetDelay": self.jitter_buffer_target_delay_s,
            "jitterBufferMinimumDelay": self.jitter_buffer_minimum_delay_s,
            "jitterBufferEmittedCount": self.jitter_buffer_emitted_count,
            "packetsDiscarded": self.packets_discarded,
            "packetsLost": self.packets_lost,
            "fecPacketsReceived": self.fec_packets_received,
            "fecPacketsDiscarded": self.fec_packets_discarded,
            "jitter": self.jitter_ms / 1000,
        }

    @classmethod
    def joined(cls, parts: Sequence["PlayoutStats"]) -> "PlayoutStats":
        """Add up the counts of streams that followed on one another; of the rest, the last's."""
        names = [field.name for field in fields(cls)]
        last = {name: getattr(parts[-1], name) if parts else 0 for name in names}
        sums = {name: sum(getattr(part, name) for part in parts) for name in names}
        return cls(
            **{name: last[name] if name.endswith(_MOMENTARY) else sums[name] for name in names}
        )

    def _share(self, samples: int) -> float:
        return samples / self.played_samples if self.played_samples else 0.0


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

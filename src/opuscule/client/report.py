"""What is known of a turn once it is over."""

import statistics
from collections.abc import Collection
from dataclasses import dataclass

from opuscule.playout import PlayoutStats

__all__ = ["Latency", "TalkReport"]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one stage takes, in milliseconds."""

    median_ms: float
    """Of all measurements."""
    worst_ms: float
    """The longest of them."""
    count: int
    """How many times it was measured."""

    @classmethod
    def of(cls, seconds: Collection[float]) -> "Latency | None":
        """Summarise measurements in seconds; None without any."""
        if not seconds:
            return None
        return cls(statistics.median(seconds) * 1000, max(seconds) * 1000, len(seconds))


@dataclass(frozen=True, slots=True)
class TalkReport:
    """One turn: what was said and what was heard."""

    spoken_ms: float
    """Audio captured."""
    packets_encoded: int
    """What the encoder made."""
    packets_sent: int
    """What went into the socket."""
    packets_withheld: int
    """Dropped between encoder and socket, as a sender drops what is stale."""
    bytes_sent: int
    """Of Opus packets; eight more a packet go on the wire before them."""
    compression_ratio: float
    """PCM bytes by packet bytes, withheld packets included."""
    packets_stored: int
    """Acknowledged by the server as durable."""
    stored: bool
    """The server has acknowledged the whole stream, end marker included."""
    answer: PlayoutStats | None
    """What the answer's samples were made from; an empty answer has none of them played."""
    answer_rate: int
    """Of these samples, in Hz."""
    capture: Latency | None
    """From a block's first sample to its arrival here: the block itself, and the device."""
    encode: Latency | None
    """The encoder's work for one packet."""
    uplink: Latency | None
    """From sending a packet to its arrival at the server, by the clocks' estimated offset."""
    thinking: Latency | None
    """From the end marker's sending to the answer's beginning at the server."""
    downlink: Latency | None
    """From the answer's beginning at the server to its first packet here."""
    playout: Latency | None
    """From the answer's first packet to its first sample: the target delay."""
    playback: Latency | None
    """What the loudspeaker adds."""
    response: Latency | None
    """From the end of speaking to the answer's first sample: what the person waits."""
    round_trip_ms: float
    """Of the link, by its pings."""
    problem: str = ""
    """Why there is no answer, or not all of it, in the server's words; empty if it gave none."""

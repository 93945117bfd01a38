"""What a link tells its owner: one frozen value each.

Sequences and media times are extended and never wrap. Times of a link clock are microseconds:
``now`` as it was passed in, times a million, on this side, and the peer's own on the other;
:attr:`opuscule.link.Link.clock` maps between them.
"""

from dataclasses import dataclass
from typing import TypeAlias

from opuscule.packets import Packet, StreamFormat
from opuscule.wire.messages import Side

__all__ = [
    "ClockUpdated",
    "ErrorReceived",
    "Event",
    "Opened",
    "PacketReceived",
    "PeerSilent",
    "ReceiptReceived",
    "StoredReceived",
    "StreamEnded",
    "StreamStarted",
    "StreamStopped",
]


@dataclass(frozen=True, slots=True)
class Opened:
    """Both sides have said who they are; streams may be opened."""

    version: int
    """The protocol version in use."""
    agent: str
    """The peer's software."""
    device: str
    """The client's name for itself; empty on the client's side."""
    session: str
    """The server's name for the connection, on both sides."""
    capabilities: frozenset[str]
    """What the peer does beyond the version's minimum."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The peer began to send a stream."""

    stream: int
    """Its number, 0 to 255, among the peer's."""
    format: StreamFormat
    """What a decoder has to know."""
    frame_ms: float
    """What most packets last, in milliseconds, as the peer says."""
    name: str
    """Name of the recording or answer; may be empty."""
    reply_to: int | None
    """The stream of this side that it answers."""
    clock_us: int
    """The peer's link clock at media time 0, in microseconds."""
    epoch_ms: int
    """Wall time at media time 0, in milliseconds since 1970, as the peer knows it."""
    first_sequence: int
    """Where its sequence is expected to begin."""
    first_samples: int
    """Where its media time is expected to begin, in 48 kHz samples."""


@dataclass(frozen=True, slots=True)
class PacketReceived:
    """A packet of a stream arrived."""

    stream: int
    """The stream's number."""
    packet: Packet
    """The packet, its sequence and media time extended."""
    backfill: bool
    """It was held back or lost before: for the archive, not for the ear."""
    discontinuity: bool
    """The source jumped before it: the media time between was not lost."""
    arrived: float
    """``now``, in seconds, when it arrived."""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer marked the end of a stream; backfill may still follow."""

    stream: int
    """The stream's number."""
    end_samples: int
    """Exact end of valid audio in 48 kHz samples, pre-skip included; what packets hold beyond it is
    padding."""
    end_sequence: int
    """One more than the last packet's sequence: how many there are, if it began at 0."""


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The peer abandoned a stream, or does not want one; nothing more of it comes."""

    stream: int
    """The stream's number."""
    side: Side
    """Whose stream, seen from here: MINE is one that this side was sending."""
    reason: str
    """For people to read."""


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    """The peer tells how far a stream of this side has come. Nothing is stored by it."""

    stream: int
    """The stream's number among this side's."""
    highest: int
    """Highest sequence that arrived, the end marker's included."""
    received: int
    """How many packets arrived; duplicates and backfill count."""
    at_us: int
    """The peer's link clock when ``highest`` arrived, in microseconds."""


@dataclass(frozen=True, slots=True)
class StoredReceived:
    """The peer has made packets of a stream of this side durable."""

    stream: int
    """The stream's number among this side's."""
    ranges: tuple[tuple[int, int], ...]
    """Half-open ranges of sequence numbers; they add to earlier ones."""
    end: bool
    """All that had come is stored, the end marker too; the stream is finished. What is in no range
    never came."""


@dataclass(frozen=True, slots=True)
class ClockUpdated:
    """The estimate of the peer's clock has a new exchange to go by."""

    offset_us: int
    """The peer's link clock minus this side's, in microseconds."""
    rtt_us: int
    """Round trip of the latest exchange, in microseconds."""


@dataclass(frozen=True, slots=True)
class ErrorReceived:
    """The peer reports an error; after a fatal one the link is closed."""

    code: str
    """One of :class:`opuscule.wire.messages.ErrorCode`, or one of a later version."""
    message: str
    """For people to read."""
    fatal: bool
    """The peer closes the connection."""


@dataclass(frozen=True, slots=True)
class PeerSilent:
    """The peer was not heard for too long, or never introduced itself; the link is closed."""

    silent_s: float
    """For how long, in seconds."""


Event: TypeAlias = (
    Opened
    | StreamStarted
    | PacketReceived
    | StreamEnded
    | StreamStopped
    | ReceiptReceived
    | StoredReceived
    | ClockUpdated
    | ErrorReceived
    | PeerSilent
)
"""Everything that a link tells."""

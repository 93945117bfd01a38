"""One end of the native link: bytes and time in, events, bytes and the next deadline out."""

from opuscule.link.events import (
    ClockUpdated,
    ErrorReceived,
    Event,
    Opened,
    PacketReceived,
    PeerSilent,
    ReceiptReceived,
    StoredReceived,
    StreamEnded,
    StreamStarted,
    StreamStopped,
)
from opuscule.link.peer import Link
from opuscule.link.states import Role, State, state_diagram
from opuscule.wire.messages import ErrorCode, Side

__all__ = [
    "ClockUpdated",
    "ErrorCode",
    "ErrorReceived",
    "Event",
    "Link",
    "Opened",
    "PacketReceived",
    "PeerSilent",
    "ReceiptReceived",
    "Role",
    "Side",
    "State",
    "StoredReceived",
    "StreamEnded",
    "StreamStarted",
    "StreamStopped",
    "state_diagram",
]

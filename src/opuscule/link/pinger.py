"""When to ping, and what the pongs tell."""

from opuscule.clock import ClockEstimate
from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.link.events import ClockUpdated
from opuscule.wire.messages import Ping, Pong

__all__ = ["PING_INTERVAL_S", "QUICK_PINGS", "QUICK_PING_INTERVAL_S", "Pinger"]

QUICK_PINGS = 4
"""How many pings open a connection, so that the clocks are known before the first audio matters."""

QUICK_PING_INTERVAL_S = 0.1
"""Time between those, in seconds."""

PING_INTERVAL_S = 2.0
"""Time between pings afterwards, in seconds."""

_MAX_UNANSWERED = 16


class Pinger:
    """Keeps the clock estimate of one connection fed."""

    def __init__(self) -> None:
        self.clock = ClockEstimate()
        """What is known of the peer's clock."""
        self.due = 0.0
        """When the next ping should leave, in seconds."""
        self._next_id = 0
        self._unanswered: dict[int, int] = {}

    def ping(self, now: float) -> Ping:
        """Return a ping that leaves at ``now``."""
        ping = Ping(self._next_id, round(now * 1e6))
        self._next_id += 1
        quick = self._next_id < QUICK_PINGS
        self.due = now + (QUICK_PING_INTERVAL_S if quick else PING_INTERVAL_S)
        self._unanswered[ping.id] = ping.sent_us
        if len(self._unanswered) > _MAX_UNANSWERED:
            del self._unanswered[next(iter(self._unanswered))]
        return ping

    def pong(self, pong: Pong, now: float) -> ClockUpdated | None:
        """Take in an answer; None if it is for a ping that was given up or answered before.

        Raises:
            RemoteProtocolError: there was no such ping, or the peer's times contradict ours.
        """
        if pong.id >= self._next_id:
            raise RemoteProtocolError(
                f"pong for ping {pong.id}; the highest sent was {self._next_id - 1}"
            )
        # Our own note counts, not what the peer returns.
        sent_us = self._unanswered.pop(pong.id, None)
        if sent_us is None:
            return None
        try:
            exchange = self.clock.add(sent_us, pong.received_us, pong.replied_us, round(now * 1e6))
        except InvalidArgumentError as error:
            raise RemoteProtocolError(f"pong for ping {pong.id}: {error}") from error
        return ClockUpdated(self.clock.offset_us, exchange.rtt_us)

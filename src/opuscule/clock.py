"""The other side's clock as seen from here: offset and round trip, from pings and pongs.

Theory of operation. One exchange gives four readings, as in NTP (RFC 5905 §8): the local clock when
the ping left (t1) and the pong came (t4), the remote clock when the ping came (t2) and the pong
left (t3). Then

    offset = ((t2 - t1) + (t3 - t4)) / 2        remote clock minus local clock
    round trip = (t4 - t1) - (t3 - t2)

The offset is exact if both ways took equally long. If they did not, it is off by at most half the
round trip, so an exchange with a short round trip is worth more than a mean over many: queues only
ever add to the delay, and mostly one way. An old exchange loses worth, because the clocks drift
apart. The estimate is the exchange of the last 16 with the smallest bound of the error,

    round trip / 2 + age * MAX_DRIFT

Drift is bounded here and not measured; a measured one would replace ``MAX_DRIFT`` in that sum.
No clock is read: all four readings are given.
"""

from collections import deque
from dataclasses import dataclass

from opuscule.errors import InvalidArgumentError

__all__ = ["MAX_DRIFT", "WINDOW", "ClockEstimate", "Exchange"]

WINDOW = 16
"""How many exchanges are remembered."""

MAX_DRIFT = 100e-6
"""How fast two crystal clocks may part: 100 µs a second."""

_ROUNDING_US = 1_000
"""A round trip may come out this much below 0: clocks that tick in milliseconds are in use."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One ping and its pong."""

    offset_us: int
    """Remote clock minus local clock, in microseconds."""
    rtt_us: int
    """Time on the way, both ways, in microseconds; never negative."""
    local_us: int
    """Local clock when the pong came, in microseconds."""


class ClockEstimate:
    """Maps between the local clock and that of one peer, both in microseconds."""

    __slots__ = ("_best", "_exchanges", "_latest")

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=WINDOW)
        self._best: Exchange | None = None
        self._latest: Exchange | None = None

    def add(self, sent_us: int, received_us: int, replied_us: int, returned_us: int) -> Exchange:
        """Take in an exchange; return it, whether or not it is the best.

        Args:
            sent_us: local clock when the ping left.
            received_us: remote clock when the ping came.
            replied_us: remote clock when the pong left.
            returned_us: local clock when the pong came.

        Raises:
            InvalidArgumentError: the pong left before the ping came, or the peer claims to have
                taken longer over it than the whole exchange lasted. Nothing is changed then.
        """
        held_us = replied_us - received_us
        rtt_us = returned_us - sent_us - held_us
        if held_us < 0 or rtt_us < -_ROUNDING_US:
            raise InvalidArgumentError(
                f"the peer held the ping for {held_us} µs of an exchange of "
                f"{returned_us - sent_us} µs; expected 0 to all of it"
            )
        offset_us = (received_us - sent_us + replied_us - returned_us) // 2
        exchange = Exchange(offset_us, max(0, rtt_us), returned_us)
        self._exchanges.append(exchange)
        self._latest = exchange
        self._best = min(self._exchanges, key=lambda e: _bound_us(e, returned_us))
        return exchange

    @property
    def known(self) -> bool:
        """Whether there was an exchange yet."""
        return self._best is not None

    @property
    def offset_us(self) -> int:
        """Remote clock minus local clock in microseconds; 0 while nothing is known."""
        return self._best.offset_us if self._best else 0

    @property
    def rtt_us(self) -> int:
        """Round trip of the latest exchange in microseconds; 0 while nothing is known."""
        return self._latest.rtt_us if self._latest else 0

    @property
    def min_rtt_us(self) -> int:
        """Shortest round trip of the last 16 in microseconds; 0 while nothing is known."""
        return min((e.rtt_us for e in self._exchanges), default=0)

    def error_us(self, local_us: int) -> int | None:
        """Most that :attr:`offset_us` can be off at ``local_us``; None while nothing is known."""
        return round(_bound_us(self._best, local_us)) if self._best else None

    def to_local_us(self, remote_us: int) -> int:
        """Return what the local clock shows when the remote one shows ``remote_us``."""
        return remote_us - self.offset_us

    def to_remote_us(self, local_us: int) -> int:
        """Return what the remote clock shows when the local one shows ``local_us``."""
        return local_us + self.offset_us


def _bound_us(exchange: Exchange, local_us: int) -> float:
    return exchange.rtt_us / 2 + max(0, local_us - exchange.local_us) * MAX_DRIFT

"""Damage to a stream of packets, the same for the same seed."""

import random

from opuscule.errors import InvalidArgumentError
from opuscule.packets import Packet

__all__ = ["BurstLoss"]


class BurstLoss:
    """Says which packets are lost, in bursts, as a Gilbert–Elliott channel does.

    Pass it as ``withhold`` to :meth:`opuscule.client.Client.talk`.

    Args:
        loss: share of packets lost in the long run, 0 up to (not including) 1.
        mean_burst: mean length of a burst in packets, at least 1.
        seed: of the random numbers.

    Raises:
        InvalidArgumentError: a value is out of its range, or the bursts cannot be that short.
    """

    def __init__(self, loss: float, *, mean_burst: float = 3.0, seed: int = 0) -> None:
        if not 0 <= loss < 1 or mean_burst < 1 or loss > mean_burst * (1 - loss):
            raise InvalidArgumentError(
                f"loss is {loss} in bursts of {mean_burst}; expected 0 <= loss < 1, bursts of at"
                " least 1, and room between them"
            )
        self._random = random.Random(seed)  # noqa: S311  # repeatable is what is wanted
        self._leave_bad = 1 / mean_burst
        self._enter_bad = loss / (mean_burst * (1 - loss))
        self._bad = False
        self.lost: list[int] = []
        """Sequence numbers lost so far."""

    def __call__(self, packet: Packet) -> bool:
        """Whether ``packet``, the next in order, is lost."""
        change = self._leave_bad if self._bad else self._enter_bad
        if self._random.random() < change:
            self._bad = not self._bad
        if self._bad:
            self.lost.append(packet.sequence)
        return self._bad

"""Real time for sources and sinks that have no device behind them.

Every moment is computed from the number of frames since the beginning, never from the moment
before, so that late wake-ups do not add up.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

from opuscule.devices.base import Block

__all__ = ["Playhead", "as_captured"]


async def as_captured(
    pieces: Iterable[bytes], rate: int, frame_bytes: int, *, paced: bool
) -> AsyncIterator[Block]:
    """Hand pieces out as a microphone would: each when its last sample would have been heard.

    Without ``paced`` they come as fast as they are taken, each stamped with the present.
    """
    start, frames = time.monotonic(), 0
    for pcm in pieces:
        captured = start + frames / rate
        frames += len(pcm) // frame_bytes
        if paced:
            await asyncio.sleep(max(0.0, start + frames / rate - time.monotonic()))
        else:
            captured = time.monotonic()
            await asyncio.sleep(0)  # others run too
        yield Block(pcm, captured)


class Playhead:
    """Where a loudspeaker would be in what was written to it.

    Args:
        rate: frames a second.
        buffer_ms: how much may be written ahead, in milliseconds.
        paced: False lets all pass at once.
    """

    def __init__(self, rate: int, buffer_ms: float, *, paced: bool) -> None:
        self._rate, self._buffer_s, self._paced = rate, buffer_ms / 1000, paced
        self._end: float | None = None
        self.underruns = 0
        """How often the end was passed before more was written, :meth:`stop` aside."""

    @property
    def ahead_s(self) -> float:
        """Seconds of audio that are written and not heard."""
        return 0.0 if self._end is None else max(0.0, self._end - time.monotonic())

    async def advance(self, frames: int) -> None:
        """Add frames and wait until there is room for more."""
        if not self._paced:
            await asyncio.sleep(0)  # others run too
            return
        now = time.monotonic()
        if self._end is None or self._end < now:
            self.underruns += self._end is not None
            self._end = now
        self._end += frames / self._rate
        await asyncio.sleep(max(0.0, self._end - self._buffer_s - now))

    async def finish(self) -> None:
        """Wait for the end of what was written."""
        await asyncio.sleep(self.ahead_s)
        self.stop()

    def stop(self) -> None:
        """Forget what was not heard; what comes next begins anew and is no underrun."""
        self._end = None

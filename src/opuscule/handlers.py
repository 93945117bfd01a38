"""The application's side of a server: what was said comes in, what to answer goes out.

A handler is an async generator function. It gets an :class:`Utterance` as soon as somebody begins
to speak, and yields what is to be said back: int16 samples, mono, at the server's answer rate, in
pieces of any size. Yielding nothing answers nothing::

    async def answer(utterance):
        pcm = await utterance.read()  # or: async for piece in utterance
        yield my_voice(my_recogniser(pcm))

All devices share one event loop: what takes longer than some milliseconds belongs into
``asyncio.to_thread``. When the device has gone, or does not want to hear more, the handler is
cancelled where it waits, or closed at its ``yield``; what is to be put away belongs into
``finally``.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from opuscule.codec import Buffer
from opuscule.errors import LinkClosedError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import PlayoutStats, StreamDecoder

__all__ = ["AnswerHandler", "Utterance", "echo", "nothing", "replay"]

MAX_WAITING_PACKETS = 30_000
"""Packets that a handler may leave unread: ten minutes of 20 ms."""

MAX_WAITING_BYTES = 40 << 20
"""Bytes of them: ten minutes at the highest bit rate, 512 kb/s."""

MAX_PAUSE_SAMPLES = 600 * 48_000
"""The longest time that an utterance may leave out at once: it is heard as PCM, in memory."""


class Utterance:
    """What somebody says, from the first packet to the end marker, as PCM.

    It is decoded when it is read, at complexity 5, which is what a recogniser wants; what was lost
    is rebuilt or concealed. Reading may begin while it is still being said.
    """

    def __init__(
        self,
        stream: StreamFormat,
        *,
        device: str = "",
        name: str = "",
        rate: int = 16_000,
        first_samples: int = 0,
        first_sequence: int = 0,
    ) -> None:
        self.device = device
        """The device's own name."""
        self.name = name
        """The recording that it is kept as; empty when it is not kept."""
        self.rate = rate
        """Of the samples, in Hz."""
        self._decoder = StreamDecoder(
            stream, rate=rate, first_samples=first_samples, first_sequence=first_sequence
        )
        self._reached_samples = first_samples
        self._waiting: deque[tuple[Packet, bool]] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._end: tuple[int, int] | None = None
        self._fault: str = ""

    @property
    def stats(self) -> PlayoutStats:
        """What the samples read so far were made from."""
        return self._decoder.stats

    def feed(self, packet: Packet, *, discontinuity: bool = False) -> None:
        """Take the next packet (called by the server)."""
        if len(self._waiting) >= MAX_WAITING_PACKETS or self._waiting_bytes > MAX_WAITING_BYTES:
            self.abort(f"the handler left {len(self._waiting)} packets unread")
        self._check_pause(packet.time_samples)
        if not self._fault:
            self._reached_samples = max(self._reached_samples, packet.end_samples)
            self._waiting.append((packet, discontinuity))
            self._waiting_bytes += len(packet.data)
            self._arrived.set()

    def end(self, end_samples: int, end_sequence: int) -> None:
        """Mark the end (called by the server)."""
        self._check_pause(end_samples)
        if not self._fault:
            self._end = (end_samples, end_sequence)
            self._arrived.set()

    def abort(self, reason: str) -> None:
        """Say that nothing more will come, and why (called by the server)."""
        self._fault = self._fault or reason
        self._arrived.set()

    async def read(self) -> bytes:
        """Return all of it, int16 mono at :attr:`rate`, once it has been said.

        Raises:
            LinkClosedError: the device was cut off, or stopped, before the end.
        """
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give int16 pieces as they arrive.

        Raises:
            LinkClosedError: the device was cut off, or stopped, before the end.
        """
        while True:
            while self._waiting:
                packet, discontinuity = self._waiting.popleft()
                self._waiting_bytes -= len(packet.data)
                for piece in self._decoder.push(packet, discontinuity=discontinuity):
                    yield piece
                    await asyncio.sleep(0)  # a long pause is many pieces: others run too
            if self._end:
                for piece in self._decoder.finish(*self._end):
                    yield piece
                    await asyncio.sleep(0)
                return
            if self._fault:
                raise LinkClosedError(f"the utterance was cut off: {self._fault}")
            self._arrived.clear()
            await self._arrived.wait()

    def _check_pause(self, time_samples: int) -> None:
        pause_samples = time_samples - self._reached_samples
        if pause_samples > MAX_PAUSE_SAMPLES:
            self.abort(f"it leaves out {pause_samples} samples; at most {MAX_PAUSE_SAMPLES} are")


AnswerHandler = Callable[[Utterance], AsyncIterator[Buffer]]
"""An async generator function that hears an utterance and yields int16 samples as its answer."""


async def echo(utterance: Utterance) -> AsyncIterator[Buffer]:
    """Say back what was said."""
    yield await utterance.read()


async def nothing(utterance: Utterance) -> AsyncIterator[Buffer]:
    """Only listen."""
    async for _ in utterance:
        pass
    return
    yield  # makes it a generator


def replay(pcm: bytes) -> AnswerHandler:
    """Return a handler that answers everything with the same int16 samples."""

    async def handler(utterance: Utterance) -> AsyncIterator[Buffer]:
        async for _ in utterance:
            pass
        yield pcm

    return handler

"""What every microphone and loudspeaker is to the rest: a source or a sink of int16 blocks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from opuscule.errors import InvalidArgumentError

__all__ = ["Block", "Sink", "Source", "check_frames", "check_shape"]


@dataclass(frozen=True, slots=True)
class Block:
    """Some milliseconds of captured audio."""

    pcm: bytes
    """int16 samples, interleaved, native byte order, whole frames, never empty."""
    captured: float
    """When its first sample was in the air: seconds of :func:`time.monotonic`."""


class Source(Protocol):
    """Where audio comes from. Use it in an ``async with`` block, or close it."""

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""

    @property
    def channels(self) -> int:
        """Samples in a frame."""

    @property
    def overruns(self) -> int:
        """How often audio was lost because nobody took it in time."""

    def blocks(self) -> AsyncIterator[Block]:
        """Give blocks in order until the audio ends or the source is closed.

        Raises:
            DeviceError: the device failed while running.
            FormatError: the file is damaged here.
        """

    async def close(self) -> None:
        """Stop and give the device back; closing twice does no harm."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Sink(Protocol):
    """Where audio goes. Use it in an ``async with`` block, or close it."""

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""

    @property
    def channels(self) -> int:
        """Samples in a frame."""

    @property
    def underruns(self) -> int:
        """How often silence was played because nothing was there in time."""

    @property
    def latency_ms(self) -> float:
        """How long from now the next sample written will be heard, in milliseconds."""

    async def write(self, pcm: bytes) -> None:
        """Take int16 samples (interleaved, whole frames); waits while the sink is full.

        Raises:
            InvalidArgumentError: ``pcm`` is no whole number of frames, or the sink is closed.
            DeviceError: the device failed while running.
        """

    async def drain(self) -> None:
        """Wait until all that was written has been heard."""

    async def discard(self) -> None:
        """Throw away what was written and not heard yet, as when the listener speaks up."""

    async def close(self) -> None:
        """Stop at once and give the device back; drain first to hear the end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def check_shape(rate: int, channels: int, block_ms: float = 20) -> int:
    """Return how many frames a block of ``block_ms`` milliseconds has at ``rate`` Hz; at least 1.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """
    if not 0 < rate <= 768_000 or not 0 < channels <= 255:
        raise InvalidArgumentError(
            f"got {channels} channels at {rate} Hz; expected 1 to 255 channels at 1 to 768000 Hz"
        )
    if not 1 <= block_ms <= 1000:
        raise InvalidArgumentError(f"a block is {block_ms} ms; expected 1 to 1000 ms")
    return max(1, round(rate * block_ms / 1000))


def check_frames(pcm: bytes, channels: int, closed: bool) -> int:
    """Return how many frames ``pcm`` has, refusing a broken one and any after the end.

    Raises:
        InvalidArgumentError: it is no whole number of frames, or the sink is closed.
    """
    if closed:
        raise InvalidArgumentError("the sink is closed; open another to play more")
    if len(pcm) % (2 * channels):
        raise InvalidArgumentError(
            f"got {len(pcm)} bytes, expected a multiple of {2 * channels}: int16 frames of "
            f"{channels} channels"
        )
    return len(pcm) // (2 * channels)

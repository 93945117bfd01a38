"""A microphone by PortAudio.

Theory of operation. PortAudio calls from its own thread with each block; that thread only copies
it, stamps it and puts it into a bounded queue, dropping the oldest when the reader is slow: what a
live listener wants is the newest, and a capture thread must never wait. What was dropped shows as
a jump in the next block's time of capture. Event loop and thread share the queue, whose operations
are atomic, and nothing else.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from opuscule.containers.pcm import mix
from opuscule.devices.base import Block, Source, check_shape
from opuscule.devices.portaudio import STALL_S, find_device, open_stream, start_stream
from opuscule.errors import DeviceError, InvalidArgumentError

__all__ = ["MicrophoneSource"]


class MicrophoneSource(Source):
    """A sound device that records. It is opened here, and starts with :meth:`blocks`.

    Args:
        device: see :func:`~opuscule.devices.portaudio.find_device`.
        rate: frames a second, in Hz; the device must offer it.
        channels: samples in a frame that is handed out.
        block_ms: how long a block is, 1 to 1000 ms.
        queue_ms: how much is kept for a slow reader before the oldest is dropped.
        captured_channels: how many to record, where that is not ``channels``; then ``outputs``
            says what becomes of them.
        outputs: for each channel handed out, which recorded ones it is the mean of; as in
            :func:`opuscule.containers.pcm.mix`. ``[[0], [2]]`` of 4 picks two microphones.

    Raises:
        DeviceNotFoundError: no such device.
        DeviceError: it does not offer the rate or channels, is in use, or PortAudio is missing.
        MissingExtraError: ``sounddevice`` is not installed.
        InvalidArgumentError: a value is out of range, or does not fit the others.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        rate: int = 16_000,
        channels: int = 1,
        block_ms: float = 20,
        queue_ms: float = 1000,
        captured_channels: int | None = None,
        outputs: Sequence[Sequence[int]] | None = None,
    ) -> None:
        block_frames = check_shape(rate, channels, block_ms)
        self._recorded = channels if captured_channels is None else captured_channels
        check_shape(rate, self._recorded)
        if len(outputs or ()) != (channels if outputs is not None else 0) or (
            outputs is None and self._recorded != channels
        ):
            raise InvalidArgumentError(
                f"{self._recorded} recorded channels and outputs {outputs!r} do not make "
                f"{channels} channels; give one list of recorded channels for each"
            )
        if outputs is not None:
            mix(b"", self._recorded, outputs)  # refuses channels that are not there
        self._rate, self._channels, self._outputs = rate, channels, outputs
        self._queue: deque[Block] = deque(maxlen=max(1, round(queue_ms / block_ms)))
        self._overruns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._closed = self._ended = False
        self._device = find_device(device, "input")
        self._stream = open_stream(
            "input",
            self._device,
            samplerate=rate,
            blocksize=block_frames,
            channels=self._recorded,
            latency="low",
            callback=self._on_audio,
            finished_callback=self._on_end,
        )

    @property
    def name(self) -> str:
        """The device's name."""
        return self._device.name

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""
        return self._rate

    @property
    def channels(self) -> int:
        """Samples in a frame."""
        return self._channels

    @property
    def overruns(self) -> int:
        """Blocks dropped for a slow reader, and losses that the sound system reported."""
        return self._overruns

    async def blocks(self) -> AsyncIterator[Block]:
        """Start recording, and give blocks as they come; see :class:`~.base.Source`.

        Raises:
            DeviceError: the device could not start, stopped, or gave nothing for 5 s.
            InvalidArgumentError: the source is closed, or is being read already.
        """
        if self._closed or self._loop is not None:
            raise InvalidArgumentError("a microphone is read once; open another to go on")
        self._loop = asyncio.get_running_loop()
        start_stream(self._stream, self.name)
        while not self._closed:
            self._arrived.clear()
            while self._queue and not self._closed:
                yield self._queue.popleft()
            if self._closed:
                return
            if self._ended and not self._queue:
                raise DeviceError(f"{self.name!r} stopped recording; is it still plugged in?")
            try:
                async with asyncio.timeout(STALL_S):
                    await self._arrived.wait()
            except TimeoutError:
                raise DeviceError(
                    f"{self.name!r} gave no audio for {STALL_S:.0f} s; is it still plugged in?"
                ) from None

    async def close(self) -> None:
        """Stop recording and give the device back; closing twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self._arrived.set()
        # Closing waits for the thread that calls _on_audio, so it is not done on the event loop.
        await asyncio.to_thread(self._stream.close, ignore_errors=True)

    def _on_audio(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """Take a block; runs in PortAudio's thread."""
        now = time.monotonic()
        block_s = frames / self._rate
        # How long ago the first sample was converted, by the stream's own clock. A block is never
        # younger than it is long (some systems leave the time at 0), and PulseAudio guesses 0.4 s
        # too much in its first second, so the latency that the stream states is the limit.
        most_s = block_s + self._stream.latency
        age_s = times.currentTime - times.inputBufferAdcTime
        age_s = min(age_s, most_s) if age_s >= block_s else most_s
        pcm = bytes(data)
        if self._outputs is not None:
            pcm = mix(pcm, self._recorded, self._outputs)
        self._overruns += bool(status.input_overflow) + (len(self._queue) == self._queue.maxlen)
        self._queue.append(Block(pcm, now - age_s))
        self._wake()

    def _on_end(self) -> None:
        """Note that the stream ended; runs in PortAudio's thread."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            # The loop may be gone when a program ends without closing its devices.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._arrived.set)

"""A loudspeaker by PortAudio.

Theory of operation. One stream runs from opening to closing; one for each packet would cut off the
one before. PortAudio calls from its own thread for each stretch it is about to play, and is given
what a bounded buffer holds, and silence for the rest. :meth:`SpeakerSink.write` waits while the
buffer is full, so that the device's clock paces the whole program. Running dry in the middle counts
as one underrun, however long it lasts; being drained, discarded or not yet begun is no underrun.

A sound server takes a second to start, and then loses some of what it was given first (PulseAudio 3
to 20 ms). So the stream starts when it is opened, and the first stretches are silence.
"""

import asyncio
import contextlib
import threading
from typing import Any

from opuscule.devices.base import Sink, check_frames, check_shape
from opuscule.devices.portaudio import STALL_S, find_device, open_stream, start_stream
from opuscule.errors import DeviceError

__all__ = ["SpeakerSink"]

# Without a number some systems ask 500 times a second, which a small device feels.
_CALLS_A_SECOND = 100
# Silence at the start, beyond the device's own latency.
_LEAD_S = 0.02


class SpeakerSink(Sink):
    """A sound device that plays. It is opened here, and plays silence until something is written.

    Args:
        device: see :func:`~opuscule.devices.portaudio.find_device`.
        rate: frames a second, in Hz; the device must offer it.
        channels: samples in a frame.
        buffer_ms: how much may be written ahead of the device, in milliseconds; more survives a
            busier program, and less is heard sooner.
        latency: what to ask of the device: seconds, or ``"low"`` or ``"high"``.

    Raises:
        DeviceNotFoundError: no such device.
        DeviceError: it does not offer the rate or channels, is in use, or PortAudio is missing.
        MissingExtraError: ``sounddevice`` is not installed.
        InvalidArgumentError: a value is out of range.
    """

    def __init__(
        self,
        device: str | int | None = None,
        *,
        rate: int = 16_000,
        channels: int = 1,
        buffer_ms: float = 60,
        latency: float | str = "low",
    ) -> None:
        frames = check_shape(rate, channels, buffer_ms)
        self._rate, self._channels = rate, channels
        self._limit_bytes = frames * channels * 2
        self._buffer = bytearray()
        self._lock = threading.Lock()  # guards the buffer and the three fields below
        self._underruns = 0
        self._dry = True
        self._draining = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taken = asyncio.Event()
        self._closed = self._ended = False
        self._device = find_device(device, "output")
        self._stream = open_stream(
            "output",
            self._device,
            samplerate=rate,
            blocksize=rate // _CALLS_A_SECOND,
            channels=channels,
            latency=latency,
            callback=self._on_need,
            finished_callback=self._on_end,
        )
        self._lead_samples = round(rate * (float(self._stream.latency) + _LEAD_S))
        start_stream(self._stream, self.name)

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
    def underruns(self) -> int:
        """How often it ran dry in the middle, or the sound system reported so."""
        return self._underruns

    @property
    def latency_ms(self) -> float:
        """What is in the buffer and in the device, in milliseconds."""
        if self._closed:
            return 0.0
        buffered_s = len(self._buffer) / (2 * self._channels * self._rate)
        return 1000 * (buffered_s + float(self._stream.latency))

    async def write(self, pcm: bytes) -> None:
        """Put samples into the buffer, waiting while it is full; see :class:`~.base.Sink`."""
        check_frames(pcm, self._channels, self._closed)
        self._loop = asyncio.get_running_loop()
        rest = memoryview(pcm)
        while rest and not self._closed:
            self._taken.clear()
            with self._lock:
                room = self._limit_bytes - len(self._buffer)
                self._buffer += rest[:room]
                self._dry = self._draining = False
            rest = rest[room:]
            if rest:
                await self._wait()

    async def drain(self) -> None:
        """Wait until all has left the buffer and, as far as PortAudio knows, the device.

        The stream goes on with silence, ready for more.
        """
        self._draining = True
        while not self._closed:
            self._taken.clear()
            if not self._buffer:
                break
            await self._wait()
        if not self._closed:
            await asyncio.sleep(float(self._stream.latency))

    async def discard(self) -> None:
        """Empty the buffer; what the device has already is still heard."""
        with self._lock:
            self._buffer.clear()
            self._dry = True
        self._taken.set()

    async def close(self) -> None:
        """Stop and give the device back; closing twice does no harm.

        What is in the buffer is not heard any more; what had left it is, to its last sample.
        """
        if self._closed:
            return
        self._closed = True
        self._taken.set()
        # Both wait for the thread that calls _on_need, so it is not done on the event loop.
        if not self._buffer and not self._ended:
            # Sound servers hold more than PortAudio knows; only stopping waits for that.
            await asyncio.to_thread(self._stream.stop, ignore_errors=True)
        await asyncio.to_thread(self._stream.close, ignore_errors=True)

    async def _wait(self) -> None:
        """Wait until the device has taken something."""
        if self._ended and not self._closed:
            raise DeviceError(f"{self.name!r} stopped playing; is it still plugged in?")
        try:
            async with asyncio.timeout(STALL_S):
                await self._taken.wait()
        except TimeoutError:
            raise DeviceError(
                f"{self.name!r} took no audio for {STALL_S:.0f} s; is it still plugged in?"
            ) from None

    def _on_need(self, out: Any, frames: int, times: Any, status: Any) -> None:  # noqa: ARG002 - PortAudio's signature
        """Fill what is to be played next; runs in PortAudio's thread."""
        wanted = frames * 2 * self._channels
        if self._lead_samples > 0:
            self._lead_samples -= frames
            out[:] = bytes(wanted)
            return
        with self._lock:
            given = bytes(self._buffer[:wanted])
            del self._buffer[: len(given)]
            short = len(given) < wanted and not self._dry
            self._dry = self._dry or short
            self._underruns += (short and not self._draining) or bool(
                status.output_underflow and not self._dry
            )
        out[:] = given + bytes(wanted - len(given))
        self._wake()

    def _on_end(self) -> None:
        """Note that the stream ended; runs in PortAudio's thread."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            # The loop may be gone when a program ends without closing its devices.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._taken.set)

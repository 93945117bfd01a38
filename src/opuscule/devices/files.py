"""Sources and sinks that are no device: a file played as if spoken, a recording, nothing."""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.containers.wav import WavWriter
from opuscule.devices.base import Block, Sink, Source, check_frames, check_shape
from opuscule.devices.pacing import Playhead, as_captured
from opuscule.errors import InvalidArgumentError
from opuscule.files import atomic_output
from opuscule.transcode import open_audio

__all__ = ["FileSink", "FileSource", "NullSink"]

_SINK_BUFFER_MS = 60


class FileSource(Source):
    """An audio file as a microphone: blocks of int16, in real time unless told otherwise.

    The file is read on the event loop, some 64 KiB at a time (a few milliseconds). The last block
    is as long as what is left.

    Args:
        path: any file that :func:`opuscule.transcode.open_audio` reads.
        rate: the rate in Hz to hand out; the file is converted if its own differs.
        channels: 1 mixes all channels by their mean; a mono file is doubled.
        paced: False hands blocks out as fast as they are taken.
        block_ms: how long a block is, 1 to 1000 ms.

    Raises:
        InvalidArgumentError: a value is out of range, or the file's channels cannot become those.
        FormatError, MissingExtraError, OSError: as ``open_audio``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: int = 16_000,
        channels: int = 1,
        paced: bool = True,
        block_ms: float = 20,
    ) -> None:
        self._block_bytes = check_shape(rate, channels, block_ms) * channels * 2
        self._rate, self._channels, self._paced = rate, channels, paced
        self._reader = open_audio(path, rate=rate)
        try:
            self._mix = default_mix(self._reader.channels, channels)
        except BaseException:
            self._reader.close()
            raise
        self._closed = False
        self._rest = b""

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
        """Always 0: a file waits."""
        return 0

    @property
    def total_samples(self) -> int | None:
        """Frames that will come, if the file tells."""
        return self._reader.total_samples

    async def blocks(self) -> AsyncIterator[Block]:
        """Give the file's blocks; see :class:`~opuscule.devices.base.Source`."""
        pieces = self._pieces()
        async for block in as_captured(pieces, self._rate, 2 * self._channels, paced=self._paced):
            if self._closed:
                return
            yield block

    def _pieces(self) -> Iterator[bytes]:
        step = self._block_bytes
        for native in self._reader:
            pcm = to_int16(native, self._reader.sample_format)
            if self._mix is not None:
                pcm = mix(pcm, self._reader.channels, self._mix)
            self._rest += pcm
            whole = len(self._rest) - len(self._rest) % step
            ready, self._rest = self._rest[:whole], self._rest[whole:]
            for start in range(0, whole, step):
                yield ready[start : start + step]
            if self._closed:
                return
        if self._rest:
            last, self._rest = self._rest, b""
            yield last

    async def close(self) -> None:
        """Close the file; the iteration ends."""
        self._closed = True
        self._reader.close()


class NullSink(Sink):
    """A loudspeaker that nobody hears: takes audio and lets it go.

    Args:
        rate: frames a second, in Hz.
        channels: samples in a frame.
        paced: take it no faster than it would be heard, with 60 ms of buffer.
    """

    def __init__(self, rate: int = 16_000, channels: int = 1, *, paced: bool = True) -> None:
        check_shape(rate, channels)
        self._rate, self._channels = rate, channels
        self._head = Playhead(rate, _SINK_BUFFER_MS, paced=paced)
        self._closed = False
        self._written_samples = 0

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
        """How often a loudspeaker would have run dry; 0 when not paced."""
        return self._head.underruns

    @property
    def latency_ms(self) -> float:
        """What is written ahead, in milliseconds."""
        return self._head.ahead_s * 1000

    @property
    def written_samples(self) -> int:
        """Frames taken so far."""
        return self._written_samples

    async def write(self, pcm: bytes) -> None:
        """Take samples; see :class:`~opuscule.devices.base.Sink`."""
        frames = check_frames(pcm, self._channels, self._closed)
        self._keep(pcm)
        self._written_samples += frames
        await self._head.advance(frames)

    def _keep(self, pcm: bytes) -> None:
        """Do nothing with them."""

    async def drain(self) -> None:
        """Wait until all would have been heard."""
        await self._head.finish()

    async def discard(self) -> None:
        """Forget what would not have been heard yet."""
        self._head.stop()

    async def close(self) -> None:
        """Take no more."""
        self._closed = True


class FileSink(NullSink):
    """A loudspeaker that records what it plays into a WAV file of int16.

    The file appears when the sink is closed, however the block around it ends: a recording that
    was interrupted is kept, and is always a sound WAV file. What is discarded was written already
    and stays in it.

    Args:
        path: the file, named ``.wav`` or without an extension; replaced if it is there.
        rate: frames a second, in Hz.
        channels: samples in a frame.
        paced: take audio no faster than it would be heard.

    Raises:
        InvalidArgumentError: a value is out of range, or ``path`` is named as another format.
        OSError: the file cannot be written there; see :func:`opuscule.files.atomic_output`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        rate: int = 16_000,
        channels: int = 1,
        *,
        paced: bool = False,
    ) -> None:
        super().__init__(rate, channels, paced=paced)
        if Path(path).suffix.lower() not in ("", ".wav", ".wave"):
            raise InvalidArgumentError(f"{path}: WAV is what is written here; name it .wav")
        self._output = contextlib.ExitStack()
        self._writer = WavWriter(self._output.enter_context(atomic_output(path)), rate, channels)

    def _keep(self, pcm: bytes) -> None:
        self._writer.write(pcm)

    async def close(self) -> None:
        """Finish the file and give it its name."""
        if not self._closed:
            await super().close()
            with self._output:
                self._writer.close()

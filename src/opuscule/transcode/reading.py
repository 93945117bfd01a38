"""Whatever holds audio, as PCM: Opus by libopus, packet by packet, everything else as it is."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator

from opuscule.containers.bare import BarePcm
from opuscule.containers.detect import FileFormat, detect, detect_file
from opuscule.containers.media import open_pcm
from opuscule.containers.opening import PacketReader, open_links
from opuscule.containers.pcm import PcmReader, SampleFormat
from opuscule.containers.pipe import Pipe
from opuscule.containers.raw import Framing
from opuscule.errors import UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, Packet
from opuscule.playout import PlayoutStats, StreamDecoder
from opuscule.units import check_rate

__all__ = ["OpusReader", "Progress", "open_audio"]

Progress = Callable[[int, int | None], None]
"""Is told the 48 kHz samples done so far, and how many there are in all where that is known."""


class OpusReader(PcmReader):
    """A file of Opus packets as PCM: Ogg, WebM, Matroska, MP4, CAF or MPEG-TS.

    Holes are concealed and the gain is applied. Streams that are chained to the first (in Ogg) come
    one after the other; those with other numbers of channels are mixed to its.

    Args:
        path: the file, or a pipe: see :func:`opuscule.containers.opening.open_packets`.
        rate: of the samples, an Opus rate.
        raw: how a raw stream is framed.

    Raises:
        FormatError: it holds no Opus packets, or is damaged in its headers; for a stream chained to
            the first one, while iterating.
        MissingExtraError, OSError: see :func:`opuscule.containers.opening.open_packets`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Pipe,
        *,
        rate: int = 48_000,
        raw: Framing | None = None,
    ) -> None:
        self._rate = check_rate(rate)
        with contextlib.ExitStack() as stack:
            self._links = stack.enter_context(open_links(path, raw=raw))
            first = next(self._links)
            self._comments = first.comments
            self.stream = first.format
            self._decoder: StreamDecoder | None = None
            self._done: PlayoutStats | None = None
            self._blocks = self._decode(first)
            self._stack = stack.pop_all()

    @property
    def rate(self) -> int:
        """Of the samples handed out, in Hz."""
        return self._rate

    @property
    def channels(self) -> int:
        """1 or 2."""
        return self.stream.channels

    @property
    def sample_format(self) -> SampleFormat:
        """Always int16."""
        return "int16"

    @property
    def total_samples(self) -> int | None:
        """Known only when all has been read."""
        return None

    @property
    def comments(self) -> tuple[tuple[str, str], ...]:
        """The tags of the file's first stream."""
        return self._comments

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """The same: other readers have them under this name."""
        return self._comments

    @property
    def stats(self) -> PlayoutStats:
        """What the samples so far were made from."""
        now = self._decoder.stats if self._decoder else None
        parts = [part for part in (self._done, now) if part]
        return PlayoutStats.joined(parts)

    def _decode(self, first: PacketReader) -> Iterator[bytes]:
        for link in itertools.chain([first], self._links):
            decoder = StreamDecoder(link.format, rate=self._rate, channels=self.channels)
            # A chain may have many links: of those that are over, only the sums are kept.
            self._done = self.stats if self._decoder else None
            self._decoder = decoder
            sequence = 0
            for item in link:
                if isinstance(item, Gap):
                    # One number stands for whatever was lost: a gap in time alone would be a pause.
                    sequence += 1
                    continue
                packet = Packet(sequence, item.time_samples, item.duration_samples, item.data)
                sequence += 1
                yield from decoder.push(packet)
            yield from decoder.finish(link.end_samples, sequence)

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        """Give the file back."""
        self._stack.close()


def open_audio(
    path: str | os.PathLike[str] | Pipe,
    *,
    rate: int | None = None,
    salvage: bool = False,
    bare: BarePcm | None = None,
) -> PcmReader:
    """Open any audio file, or a pipe, as PCM at an Opus rate, by its content and not its name.

    Opus in any container is taken out packet by packet and decoded by libopus, what is missing
    concealed. Ogg Opus and WAV are read here; everything else, and other rates, by the ``media``
    extra. The arguments and errors are those of :func:`opuscule.containers.media.open_pcm`.
    """
    if bare is None:
        if isinstance(path, Pipe):
            # What is no Opus after all could not be read again; PyAV takes the other containers.
            if detect(path.head()) is FileFormat.OGG_OPUS:
                return OpusReader(path, rate=rate or 48_000)
        elif detect_file(check_input(path)).may_hold_opus:
            # It may hold Vorbis or AAC as well.
            with contextlib.suppress(UnsupportedFormatError):
                return OpusReader(path, rate=rate or 48_000)
    return open_pcm(path, rate=rate, salvage=salvage, bare=bare)

"""Audio files into Opus and back.

``open_audio`` reads whatever holds audio, Ogg Opus included, as PCM; ``encode_file`` and
``decode_file`` are what the commands of these names do.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.detect import detect_file
from opuscule.containers.media import open_pcm
from opuscule.containers.ogg import OggWriter
from opuscule.containers.opening import PacketReader, open_links
from opuscule.containers.pcm import PcmReader, SampleFormat
from opuscule.containers.wav import WavWriter
from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.files import atomic_output, check_input
from opuscule.packets import Gap, Packet
from opuscule.playout import PlayoutStats, StreamDecoder
from opuscule.units import check_rate, to_media_samples

__all__ = [
    "MAX_CHANNELS",
    "Decoded",
    "Encoded",
    "OpusReader",
    "Progress",
    "decode_file",
    "encode_file",
    "open_audio",
]

MAX_CHANNELS = 2
"""What one Opus stream holds."""

Progress = Callable[[int, int | None], None]
"""Is told the 48 kHz samples done so far, and how many there are in all where that is known."""


class OpusReader(PcmReader):
    """A file of Opus packets as PCM: Ogg, WebM, Matroska, MP4, CAF or MPEG-TS.

    Holes are concealed and the gain is applied. Streams that are chained to the first (in Ogg) come
    one after the other; those with other numbers of channels are mixed to its.

    Args:
        path: the file.
        rate: of the samples, an Opus rate.

    Raises:
        FormatError: it holds no Opus packets, or is damaged in its headers; for a stream chained to
            the first one, while iterating.
        MissingExtraError, OSError: see :func:`opuscule.containers.opening.open_packets`.
    """

    def __init__(self, path: str | os.PathLike[str], *, rate: int = 48_000) -> None:
        self._rate = check_rate(rate)
        with contextlib.ExitStack() as stack:
            self._links = stack.enter_context(open_links(path))
            first = next(self._links)
            self._comments = first.comments
            self.stream = first.format
            self._done: list[StreamDecoder] = []
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
    def stats(self) -> PlayoutStats:
        """What the samples so far were made from."""
        parts = [decoder.stats for decoder in self._done]
        names = [field.name for field in fields(PlayoutStats)]
        return PlayoutStats(**{n: sum(getattr(part, n) for part in parts) for n in names})

    def _decode(self, first: PacketReader) -> Iterator[bytes]:
        for link in itertools.chain([first], self._links):
            decoder = StreamDecoder(link.format, rate=self._rate, channels=self.channels)
            self._done.append(decoder)
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
    path: str | os.PathLike[str], *, rate: int | None = None, salvage: bool = False
) -> PcmReader:
    """Open any audio file as PCM at an Opus rate, by its content and not its name.

    Opus in any container is taken out packet by packet and decoded by libopus, what is missing
    concealed. Ogg Opus and WAV are read here; everything else, and other rates, by the ``media``
    extra. The arguments and errors are those of :func:`opuscule.containers.media.open_pcm`.
    """
    if detect_file(check_input(path)).may_hold_opus:
        # It may hold Vorbis or AAC as well.
        with contextlib.suppress(UnsupportedFormatError):
            return OpusReader(path, rate=rate or 48_000)
    return open_pcm(path, rate=rate, salvage=salvage)


def _check_apart(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    if Path(target).exists() and Path(target).samefile(source):
        raise InvalidArgumentError(
            f"{os.fspath(target)} is what is read, and would be replaced; name another to write"
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """What :func:`encode_file` made."""

    samples: int
    """Per channel, at ``rate``."""
    rate: int
    """In Hz."""
    channels: int
    """1 or 2."""
    packets: int
    """How many were written."""
    payload_bytes: int
    """Of the packets alone."""
    duration_s: float
    """What is heard, in seconds."""
    bitrate: float
    """Of the packets, bits a second."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What :func:`decode_file` made."""

    samples: int
    """Per channel, at ``rate``."""
    rate: int
    """In Hz."""
    channels: int
    """1 or 2."""
    duration_s: float
    """What is heard, in seconds."""
    concealed_samples: int
    """Made up or rebuilt because packets were missing."""


def encode_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    preset: str | EncoderSettings = "voice",
    frame_ms: float = 20,
    rate: int | None = None,
    salvage: bool = False,
    progress: Progress | None = None,
) -> Encoded:
    """Encode an audio file to Ogg Opus; ``target`` appears when it is whole.

    ``rate`` and ``salvage`` are those of :func:`opuscule.containers.media.open_pcm`.

    Raises:
        FormatError: ``source`` cannot be read, or has more than two channels.
        InvalidArgumentError: a setting is out of its range, or ``target`` is ``source``.
        OSError: a file cannot be read or written.
    """
    packets = payload_bytes = 0
    with open_audio(source, rate=rate, salvage=salvage) as reader:
        _check_apart(source, target)
        if reader.channels > MAX_CHANNELS:
            raise UnsupportedFormatError(
                f"{source} has {reader.channels} channels; one Opus stream has 1 or 2: mix or pick"
                " them first"
            )
        total = reader.total_samples and to_media_samples(reader.total_samples, reader.rate)
        encoder = StreamEncoder(
            reader.rate,
            reader.channels,
            frame_ms=frame_ms,
            sample_format=reader.sample_format,
            preset=preset,
        )
        with atomic_output(target) as file:
            writer = OggWriter(file, encoder.format)

            def write(made: list[Packet]) -> None:
                nonlocal packets, payload_bytes
                for packet in made:
                    writer.write(packet)
                    packets += 1
                    payload_bytes += len(packet.data)

            for block in reader:
                write(encoder.push(block))
                if progress:
                    progress(encoder.end_samples, total)
            write(encoder.finish())
            writer.close(encoder.end_samples)
    valid = max(0, encoder.end_samples - encoder.format.pre_skip_samples)
    return Encoded(
        samples=valid // to_media_samples(1, reader.rate),
        rate=reader.rate,
        channels=reader.channels,
        packets=packets,
        payload_bytes=payload_bytes,
        duration_s=valid / 48_000,
        bitrate=payload_bytes * 8 / (valid / 48_000) if valid else 0.0,
    )


def decode_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    rate: int = 48_000,
    progress: Progress | None = None,
) -> Decoded:
    """Decode a file of Opus packets to a WAV file; ``target`` appears when it is whole.

    Raises:
        FormatError: ``source`` holds no Opus packets, or is damaged beyond its headers.
        InvalidArgumentError: ``rate`` is no Opus rate, or ``target`` is ``source``.
        OSError: a file cannot be read or written.
    """
    with OpusReader(source, rate=rate) as reader:
        _check_apart(source, target)
        with atomic_output(target) as file:
            writer = WavWriter(file, reader.rate, reader.channels)
            for block in reader:
                writer.write(block)
                if progress:
                    progress(to_media_samples(writer.total_samples, reader.rate), None)
            writer.close()
            if not writer.total_samples and reader.stats.packets_lost:
                raise FormatError(f"{source} has no packet that can be decoded")
        stats = reader.stats
        return Decoded(
            samples=writer.total_samples,
            rate=reader.rate,
            channels=reader.channels,
            duration_s=writer.total_samples / reader.rate,
            concealed_samples=stats.fec_samples + stats.dred_samples + stats.plc_samples,
        )

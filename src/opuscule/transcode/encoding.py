"""Audio into Opus."""

import os
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.bare import BarePcm
from opuscule.containers.pipe import Pipe
from opuscule.errors import UnsupportedFormatError
from opuscule.packets import Packet
from opuscule.transcode.reading import Progress, open_audio
from opuscule.transcode.targets import (
    PACKET_ENDINGS,
    PACKET_FORMATS,
    carried_tags,
    check_apart,
    chosen_format,
    open_target,
    packet_sink,
)
from opuscule.units import to_media_samples

__all__ = ["MAX_CHANNELS", "Encoded", "encode_file"]

MAX_CHANNELS = 2
"""What one Opus stream holds."""


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


def encode_file(
    source: str | os.PathLike[str] | Pipe,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    preset: str | EncoderSettings = "voice",
    frame_ms: float | None = None,
    rate: int | None = None,
    salvage: bool = False,
    bare: BarePcm | None = None,
    target_format: str | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Encode audio to Opus; a file appears when it is whole, a stream as it comes.

    Tags of what PyAV reads and of Opus (a chain's first stream) go along, pictures from Ogg to Ogg
    only. Raw streams have none.

    Args:
        source: an audio file of any kind, or a pipe, which may be live and without end: what comes
            is encoded at once, and memory stays bounded.
        target: the file to write, or an open binary file, which is flushed at least once a second
            of audio.
        preset: the name of a preset, or settings of one's own.
        frame_ms: audio per packet; None for the preset's.
        rate: the rate in Hz to convert to; see :func:`opuscule.containers.media.open_pcm`.
        salvage: read a damaged or cut file as far as it goes.
        bare: what samples without a header are.
        target_format: one of :data:`opuscule.transcode.PACKET_FORMATS`; None for that of the
            ending of ``target``, or Ogg.
        progress: is told how far it is.

    Raises:
        FormatError: ``source`` cannot be read, or has more than two channels.
        InvalidArgumentError: a setting is out of its range, ``target`` is ``source``, or its ending
            is none that is written.
        MissingExtraError: reading or writing these kinds needs the extra ``media``.
        OSError: a file cannot be read or written.
    """
    container = chosen_format(target, target_format, PACKET_FORMATS, PACKET_ENDINGS)
    packets = payload_bytes = 0
    with open_audio(source, rate=rate, salvage=salvage, bare=bare) as reader:
        check_apart(source, target)
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
        with open_target(target) as file:
            writer = packet_sink(file, container, encoder.format, carried_tags(reader.tags))
            live = file is target

            def write(made: list[Packet]) -> None:
                nonlocal packets, payload_bytes
                for packet in made:
                    writer.write(packet)
                    packets += 1
                    payload_bytes += len(packet.data)
                if live:
                    file.flush()

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

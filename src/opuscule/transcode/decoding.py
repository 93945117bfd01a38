"""Opus into audio."""

import os
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.containers.pipe import Pipe
from opuscule.containers.raw import Framing
from opuscule.errors import FormatError
from opuscule.transcode.reading import OpusReader, Progress
from opuscule.transcode.targets import (
    SOUND_ENDINGS,
    SOUND_FORMATS,
    check_apart,
    chosen_format,
    open_target,
    sound_sink,
)
from opuscule.units import to_media_samples

__all__ = ["Decoded", "decode_file"]


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
    """Made up, rebuilt or, in long gaps, silent because packets were missing; per channel."""


def decode_file(
    source: str | os.PathLike[str] | Pipe,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    rate: int = 48_000,
    raw: Framing | None = None,
    target_format: str | None = None,
    progress: Progress | None = None,
) -> Decoded:
    """Decode Opus packets to int16; a file appears when it is whole, a stream as it comes.

    Args:
        source: a file of Opus packets, or a pipe, which may be live and without end.
        target: the file to write, or an open binary file, which is flushed as it is written.
        rate: of the samples, an Opus rate.
        raw: how a raw stream is framed.
        target_format: one of :data:`opuscule.transcode.SOUND_FORMATS`; None for that of the ending
            of ``target``, or WAV.
        progress: is told how far it is.

    Raises:
        FormatError: ``source`` holds no Opus packets, or is damaged beyond its headers.
        InvalidArgumentError: ``rate`` is no Opus rate, ``target`` is ``source``, or its ending is
            none that is written.
        MissingExtraError: reading or writing these kinds needs the extra ``media``.
        OSError: a file cannot be read or written.
    """
    container = chosen_format(target, target_format, SOUND_FORMATS, SOUND_ENDINGS)
    with OpusReader(source, rate=rate, raw=raw) as reader:
        check_apart(source, target)
        with open_target(target) as file:
            writer = sound_sink(file, container, reader.rate, reader.channels)
            for block in reader:
                writer.write(block)
                if file is target:
                    file.flush()
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
            concealed_samples=stats.fec_samples + stats.dred_samples + stats.concealed_samples,
        )

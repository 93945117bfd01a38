"""What can be written: the formats by name, and by the ending of a file's name."""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from opuscule.containers.av_writer import AV_CONTAINERS, AvWriter
from opuscule.containers.bare import BareWriter
from opuscule.containers.media_writer import LOSSLESS, MediaWriter
from opuscule.containers.ogg import OggWriter
from opuscule.containers.pipe import Pipe
from opuscule.containers.raw import FRAMINGS, RawWriter
from opuscule.containers.wav import WavWriter
from opuscule.errors import InvalidArgumentError
from opuscule.files import atomic_output
from opuscule.packets import Packet, StreamFormat

__all__ = [
    "PACKET_ENDINGS",
    "PACKET_FORMATS",
    "SOUND_ENDINGS",
    "SOUND_FORMATS",
    "PacketSink",
    "SoundSink",
    "check_apart",
    "chosen_format",
    "open_target",
    "packet_sink",
    "sound_sink",
]

PACKET_ENDINGS = {
    ".opus": "ogg",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".webm": "webm",
    ".mka": "matroska",
    ".mkv": "matroska",
    ".mp4": "mp4",
    ".m4a": "mp4",
}
"""Endings of names of files of Opus packets, and the format that each stands for."""

PACKET_FORMATS = ("ogg", *AV_CONTAINERS, *FRAMINGS)
"""What Opus packets are written into."""

SOUND_ENDINGS = {
    ".wav": "wav",
    ".flac": "flac",
    ".aiff": "aiff",
    ".aif": "aiff",
    ".pcm": "pcm",
    ".raw": "pcm",
}
"""Endings of names of files of samples, and the format that each stands for."""

SOUND_FORMATS = ("wav", *LOSSLESS, "pcm")
"""What samples are written into; ``pcm`` is bare int16, low byte first."""


_TAG_NAME = re.compile("[ -<>-}]+")  # RFC 7845 §5.2, as Vorbis has it
_OF_THE_FILE = re.compile(
    # Who wrote the file that was read and how; MP4's and Matroska's own; how loud its samples were,
    # which Opus says otherwise (RFC 7845 §5.2.1).
    "encoder|encoder_options|encoding|duration|major_brand|minor_version|compatible_brands"
    "|handler_name|vendor_id|creation_time|language|replaygain_.*",
    re.IGNORECASE,
)


class PacketSink(Protocol):
    """What packets are written into."""

    def write(self, packet: Packet) -> None:
        """Add a packet at its media time."""

    def close(self, end_samples: int | None = None) -> None:
        """Write the end, at a media time."""


class SoundSink(Protocol):
    """What samples are written into."""

    @property
    def total_samples(self) -> int:
        """Frames written so far."""

    def write(self, pcm: bytes) -> None:
        """Append whole frames of int16."""

    def close(self) -> None:
        """Write the end."""


def chosen_format(
    target: str | os.PathLike[str] | BinaryIO,
    name: str | None,
    names: tuple[str, ...],
    endings: Mapping[str, str],
) -> str:
    """Return the format to write: the one that is named, else by the ending of the target's name.

    A target without an ending, or that is an open file, gets the first of ``names``.

    Raises:
        InvalidArgumentError: there is no such format, or none with that ending.
    """
    if name is not None:
        if name not in names:
            raise InvalidArgumentError(f"format is {name!r}; there are: {', '.join(names)}")
        return name
    ending = Path(target).suffix.lower() if isinstance(target, str | os.PathLike) else ""
    if not ending:
        return names[0]
    if ending not in endings:
        raise InvalidArgumentError(
            f"{target} ends in {ending!r}; what is written here is {', '.join(endings)}, or"
            f" name the format: {', '.join(names)}"
        )
    return endings[ending]


def check_apart(source: str | os.PathLike[str] | Pipe, target: object) -> None:
    """Refuse to write what is being read.

    Raises:
        InvalidArgumentError: both are the same file.
    """
    if isinstance(source, Pipe) or not isinstance(target, str | os.PathLike):
        return
    if Path(target).exists() and Path(target).samefile(source):
        raise InvalidArgumentError(
            f"{os.fspath(target)} is what is read, and would be replaced; name another to write"
        )


@contextlib.contextmanager
def open_target(target: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Open what is to be written: a file that appears when it is whole, or one that is open.

    Errors: see :func:`opuscule.files.atomic_output`.
    """
    if isinstance(target, str | os.PathLike):
        with atomic_output(target) as file:
            yield file
    else:
        yield target
        target.flush()


def carried_tags(tags: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Tags that still hold once the audio is encoded anew, and that Opus's comments can name."""
    return tuple(
        (name, value)
        for name, value in tags
        if _TAG_NAME.fullmatch(name) and not _OF_THE_FILE.fullmatch(name)
    )


def packet_sink(
    file: BinaryIO, name: str, stream_format: StreamFormat, tags: tuple[tuple[str, str], ...]
) -> PacketSink:
    """Begin to write packets in a format of :data:`PACKET_FORMATS`.

    Errors: those of the writers.
    """
    for container in AV_CONTAINERS:
        if container == name:
            return AvWriter(file, container, stream_format, tags=tags)
    for framing in FRAMINGS:
        if framing == name:
            return _RawSink(RawWriter(file, framing))
    return OggWriter(file, stream_format, comments=tags)


def sound_sink(file: BinaryIO, name: str, rate: int, channels: int) -> SoundSink:
    """Begin to write samples in a format of :data:`SOUND_FORMATS`.

    Errors: those of the writers.
    """
    for container in LOSSLESS:
        if container == name:
            return MediaWriter(file, container, rate, channels)
    return BareWriter(file, channels) if name == "pcm" else WavWriter(file, rate, channels)


class _RawSink:
    """A raw stream, which has no time and no end."""

    def __init__(self, writer: RawWriter) -> None:
        self._writer = writer

    def write(self, packet: Packet) -> None:
        self._writer.write(packet.data)

    def close(self, end_samples: int | None = None) -> None:
        pass

"""Any file of Opus packets, opened by its content: the same reader whatever the container."""

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from opuscule.containers.av_packets import AvReader
from opuscule.containers.detect import HEAD_BYTES, FileFormat, detect
from opuscule.containers.ogg import OggReader
from opuscule.containers.raw import Framing, RawReader
from opuscule.errors import FormatError, UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, Packet, StreamFormat

__all__ = ["PacketReader", "open_packets"]


class PacketReader(Protocol):
    """What every reader of Opus packets offers; iterate over it once."""

    format: StreamFormat
    """What a decoder has to know."""
    vendor: str
    """The encoder's name; empty if the file has none."""
    comments: tuple[tuple[str, str], ...]
    """Tags: names and values."""

    def __iter__(self) -> Iterator[Packet | Gap]: ...

    @property
    def end_samples(self) -> int:
        """Media time at which the audio ends, 48 kHz samples, pre-skip included, end trim done."""

    @property
    def truncated(self) -> bool:
        """Whether the end of the file is missing, as far as that can be told."""

    @property
    def skipped(self) -> dict[str, tuple[int, int]]:
        """What was passed over: for each reason how often, and how many bytes."""


@contextlib.contextmanager
def open_packets(
    path: str | os.PathLike[str], *, raw: Framing | None = None
) -> Iterator[PacketReader]:
    """Open a file of Opus packets: Ogg, WebM, Matroska, MP4, CAF, MPEG-TS, or a raw stream.

    Args:
        path: the file; its name's extension means nothing.
        raw: how a raw stream is framed; ``None`` for a file that says what it is.

    Raises:
        UnsupportedFormatError: it is another kind of file, holds no Opus, or is a pipe.
        FormatError: it is damaged where it begins; see the reader of its kind.
        MissingExtraError: it is neither Ogg nor raw, and the extra ``media`` is not installed.
        FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """
    path = check_input(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        if raw is None and not file.seekable():
            raise UnsupportedFormatError(f"{path} is a pipe; write it into a file first")
        try:
            reader = _reader(file, raw, stack)
        except FormatError as error:
            raise type(error)(f"{path}: {error}") from error
        yield reader


def _reader(file: BinaryIO, raw: Framing | None, stack: contextlib.ExitStack) -> PacketReader:
    if raw is not None:
        return RawReader(file, raw)
    found = detect(file.read(HEAD_BYTES))
    file.seek(0)
    if found in (FileFormat.OGG, FileFormat.OGG_OPUS):
        return OggReader(file)
    if not found.may_hold_opus:
        raise UnsupportedFormatError(
            f"it holds no Opus packets ({_what_it_is(found)}); name a file of Opus in Ogg, WebM, "
            "Matroska, MP4, CAF or MPEG-TS, or say how a raw stream is framed"
        )
    reader = AvReader(file, found)
    stack.callback(reader.close)
    return reader


def _what_it_is(found: FileFormat) -> str:
    return "of an unknown kind" if found is FileFormat.OTHER else f"it is {found.upper()}"

"""Any file of Opus packets, opened by its content: the same reader whatever the container."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from opuscule.containers.av_packets import AvReader
from opuscule.containers.detect import HEAD_BYTES, FileFormat, detect
from opuscule.containers.ogg import OggReader, read_links
from opuscule.containers.pipe import Pipe
from opuscule.containers.raw import Framing, RawReader
from opuscule.errors import FormatError, UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, Packet, StreamFormat

__all__ = ["PacketReader", "open_links", "open_packets"]

_OGG = (FileFormat.OGG, FileFormat.OGG_OPUS)
# The others keep tables where nobody who cannot seek finds them.
_PIPED = (*_OGG, FileFormat.MATROSKA, FileFormat.WEBM, FileFormat.MPEG_TS)


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
    path: str | os.PathLike[str] | Pipe, *, raw: Framing | None = None
) -> Iterator[PacketReader]:
    """Open a file of Opus packets: Ogg, WebM, Matroska, MP4, CAF, MPEG-TS, or a raw stream.

    Args:
        path: the file; its name's extension means nothing. A pipe of Ogg, WebM, Matroska, MPEG-TS
            or a raw stream.
        raw: how a raw stream is framed; ``None`` for a file that says what it is.

    Raises:
        UnsupportedFormatError: it is another kind of file, holds no Opus, or is a pipe of a kind
            that cannot be read from one; a name of a pipe is none of ours.
        FormatError: it is damaged where it begins; see the reader of its kind.
        MissingExtraError: it is neither Ogg nor raw, and the extra ``media`` is not installed.
        FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """
    with _opened(path, raw) as (file, found, stack):
        with _naming(path):
            reader = _reader(file, found, raw, stack)
        yield reader


@contextlib.contextmanager
def open_links(
    path: str | os.PathLike[str] | Pipe, *, raw: Framing | None = None
) -> Iterator[Iterator[PacketReader]]:
    """Open a file for all of the streams that are chained in it, which only Ogg allows.

    Gives their readers one after the other; take from each what you want before the next.

    Args, errors: as for :func:`open_packets`.
    """
    with _opened(path, raw) as (file, found, stack):
        links: Iterator[PacketReader]
        with _naming(path):
            if found in _OGG:
                rest = read_links(file)
                links = itertools.chain([next(rest)], rest)
            else:
                links = iter([_reader(file, found, raw, stack)])
        yield links


@contextlib.contextmanager
def _opened(
    path: str | os.PathLike[str] | Pipe, raw: Framing | None
) -> Iterator[tuple[BinaryIO, FileFormat, contextlib.ExitStack]]:
    """Open a file and look into it."""
    with contextlib.ExitStack() as stack:
        if isinstance(path, Pipe):
            found = FileFormat.OTHER if raw else detect(path.head())
            if found.may_hold_opus and found not in _PIPED:
                raise UnsupportedFormatError(
                    f"{path} is {found.upper()}, which cannot be read from a pipe; write it into a "
                    "file first"
                )
            yield path, found, stack
            return
        path = check_input(path)
        file = stack.enter_context(path.open("rb"))
        found = FileFormat.OTHER
        if raw is None:
            if not file.seekable():
                raise UnsupportedFormatError(f"{path} is a pipe; write it into a file first")
            found = detect(file.read(HEAD_BYTES))
            file.seek(0)
        yield file, found, stack


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str] | Pipe) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from error


def _reader(
    file: BinaryIO, found: FileFormat, raw: Framing | None, stack: contextlib.ExitStack
) -> PacketReader:
    if raw is not None:
        return RawReader(file, raw)
    if found in _OGG:
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

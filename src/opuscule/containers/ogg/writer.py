"""Ogg Opus files written, and those that were cut off continued."""

import secrets
from collections.abc import Iterable
from typing import BinaryIO, Protocol, Self

from opuscule._native import OggOpusWriter, OggPages
from opuscule.containers.ogg.reader import OggLink, read_links
from opuscule.containers.ogg.source import CHUNK_BYTES
from opuscule.errors import FormatError, InvalidArgumentError
from opuscule.files import check_open
from opuscule.packets import Gap, Packet, StreamFormat

__all__ = ["PAGE_SAMPLES", "OggWriter", "PageFile"]

PAGE_SAMPLES = 48_000
"""A second: how much audio a page holds at most, unless one packet is longer."""

_RUN_PACKETS = 1024


class PageFile(Protocol):
    """What pages are written to; a binary file is one."""

    def write(self, pages: bytes, /) -> object:
        """Add bytes at the end."""

    def flush(self) -> object:
        """Hand them to the system."""


class OggWriter:
    """Writes an Ogg Opus file, a page at the latest every second of audio.

    What is there when the process is killed is a file that plays, and :meth:`append` goes on with
    it. Audio that is missing between two packets is filled with packets that ask players for
    concealment (RFC 7845 §4.1), so that time stays right everywhere; :class:`OggReader` gives them
    as gaps. They exist in steps of 2.5 ms: what is left of a gap is carried on, so the packets
    after it lie up to 119 samples too early in the file, until a later gap takes it up.

    A writer at the end of a finished file begins the next link of a chain.

    Args:
        file: a writable binary file; it is flushed after each page, and not closed.
        stream_format: what a decoder has to know.
        comments: names and values, in order; see :class:`Picture` for pictures.
        serial: the stream's serial number, 0 to 2**32 - 1; a random one if None. The same packets
            with the same number give the same bytes.
        vendor: the encoder's name.
        start_granule: granule position of media time 0 (RFC 7845 §4.5), for a part of a longer
            stream; 0 to 2**62.
        page_samples: how much audio a page holds at most, 48 kHz samples; less makes a file that is
            killed lose less, and larger.

    Raises:
        InvalidArgumentError: a number of the format, the serial, a comment's name or another
            argument is out of range.
    """

    def __init__(
        self,
        file: PageFile,
        stream_format: StreamFormat,
        *,
        comments: Iterable[tuple[str, str]] = (),
        serial: int | None = None,
        vendor: str = "opuscule",
        start_granule: int = 0,
        page_samples: int = PAGE_SAMPLES,
    ) -> None:
        check_open(file, "wb")
        serial = secrets.randbits(32) if serial is None else serial
        _check("serial", serial, 0, 2**32 - 1)
        family = stream_format.mapping_family
        _check("channels", stream_format.channels, 1, {0: 2, 1: 8}.get(family, 255))
        _check("streams", stream_format.streams, 1, 255)
        _check("coupled", stream_format.coupled, 0, stream_format.streams)
        _check("pre_skip_samples", stream_format.pre_skip_samples, 0, 2**16 - 1)
        _check("input_rate", stream_format.input_rate, 0, 2**32 - 1)
        _check("gain_q8", stream_format.gain_q8, -(2**15), 2**15 - 1)
        _check("start_granule", start_granule, 0, 2**62)
        _check("page_samples", page_samples, 1, 2**31)
        native = OggOpusWriter(
            serial,
            stream_format.channels,
            stream_format.pre_skip_samples,
            stream_format.input_rate,
            stream_format.gain_q8,
            _bytes(vendor),
            [_comment(name, value) for name, value in comments],
            start_granule=start_granule,
            page_samples=page_samples,
            layout=_layout(stream_format),
        )
        self._begin(file, native, 0)

    @classmethod
    def like(cls, file: PageFile, link: OggLink, *, page_samples: int = PAGE_SAMPLES) -> Self:
        """Write a stream with the headers, serial number and start of one that is read.

        Comments are the same byte for byte, even those that break RFC 7845 §5.2. The start is known
        once a packet of the link was read; one below 0 (against §4.5) becomes 0.

        Raises:
            InvalidArgumentError: ``page_samples`` is out of range.
        """
        _check("page_samples", page_samples, 1, 2**31)
        vendor, comments = link.raw_comments
        form = link.format
        native = OggOpusWriter(
            link.serial,
            form.channels,
            form.pre_skip_samples,
            form.input_rate,
            form.gain_q8,
            vendor,
            comments,
            start_granule=max(0, link.start_granule),
            page_samples=page_samples,
            layout=_layout(form),
        )
        return cls._made(file, native, 0)

    @classmethod
    def _made(cls, file: PageFile, native: OggOpusWriter, end_samples: int) -> Self:
        writer = cls.__new__(cls)
        writer._begin(file, native, end_samples)  # noqa: SLF001 - it is one of this class
        return writer

    def _begin(self, file: PageFile, native: OggOpusWriter, end_samples: int) -> None:
        self._file, self._native = file, native
        self._end_samples = end_samples
        self._put(native.headers)

    @classmethod
    def append(cls, file: BinaryIO, *, page_samples: int = PAGE_SAMPLES) -> Self:
        """Go on with a file that was cut off: the last stream in it.

        What follows its last sound page, and the beginning of a packet on that page whose end is
        missing, is removed. Damage before that stays, and is skipped by readers: see
        :func:`repair`. The next packet may begin at :attr:`end_samples` or later.

        Args:
            file: a binary file that can be read, written and seeked; it is not closed.
            page_samples: as for a new file.

        Raises:
            InvalidArgumentError: the stream is finished (begin another link: put the file at its
                end and make a new writer), or is not alone.
            FormatError: it is no Ogg Opus file, or its headers are cut off: begin it anew.
        """
        _check("page_samples", page_samples, 1, 2**31)
        last, packet = None, None
        for link in read_links(file):
            last, packet = link, None
            for batch in link.columns():
                if batch.lengths:
                    packet = batch.payload[-batch.lengths[-1] :]
        if last is None or not last.truncated:
            raise InvalidArgumentError(
                "the file's last stream is finished; put the file at its end and begin another"
            )
        offset, sequence, granule, whole = _last_page(file, last)
        native = OggOpusWriter.resume(
            last.serial,
            last.format.channels,
            last.format.pre_skip_samples,
            sequence,
            granule - last.end_samples,
            last.end_samples,
            packet,
            page_samples,
            _layout(last.format),
        )
        file.seek(offset)
        file.write(whole)
        file.truncate()
        file.flush()
        return cls._made(file, native, last.end_samples)

    @property
    def end_samples(self) -> int:
        """Media time at which the last packet or gap ends, and the next may begin."""
        return self._end_samples

    def write(self, packet: Packet) -> None:
        """Add a packet at its media time; its duration is taken from its own bytes.

        Raises:
            InvalidPacketError: its duration cannot be told.
            InvalidArgumentError: it has more than 61,298 bytes, begins before the one before it
                ends or more than a day after, or the file is finished. Nothing was written.
        """
        self._put(self._native.write(packet.data, packet.time_samples))
        self._end_samples = packet.end_samples

    def write_all(self, items: Iterable[Packet | Gap]) -> None:
        """Add what an iterator gives, such as a reader; a gap at its end is part of the audio.

        A list or tuple is written in runs, several times as fast.

        Raises:
            InvalidPacketError, InvalidArgumentError: as for :meth:`write`; what came before is
                written.
        """
        if not isinstance(items, list | tuple):
            self._write_each(items)
            return
        for first in range(0, len(items), _RUN_PACKETS):
            run = items[first : first + _RUN_PACKETS]
            packets = [item for item in run if isinstance(item, Packet)]
            if len(packets) == len(run):
                self._write_run(packets)
            else:
                self._write_each(run)

    def _write_each(self, items: Iterable[Packet | Gap]) -> None:
        """What comes from an iterator may come live: no packet waits for the next."""
        write = self._native.write
        last = None
        try:
            for item in items:
                if isinstance(item, Packet):
                    if pages := write(item.data, item.time_samples):
                        self._put(pages)
                    last = item
                elif not last or item.end_samples > last.end_samples:
                    self._end_samples = max(self._end_samples, item.end_samples)
        finally:
            if last:
                self._end_samples = max(self._end_samples, last.end_samples)

    def _write_run(self, packets: list[Packet]) -> None:
        pages, written = self._native.write_run(
            [packet.data for packet in packets], [packet.time_samples for packet in packets]
        )
        self._put(pages)
        if written:
            self._end_samples = packets[written - 1].end_samples
        if written < len(packets):
            self.write(packets[written])  # it says what is wrong

    def close(self, end_samples: int | None = None) -> None:
        """Write the end; what lies beyond it is trimmed, what is missing before it is a gap.

        Args:
            end_samples: media time at which the audio ends, 48 kHz samples with pre-skip; None for
                the end of the last packet or gap. A time within the pre-skip becomes the pre-skip.

        Raises:
            InvalidArgumentError: the end lies before pages that are written already (the last
                packet can always be trimmed), more than a day after the last packet, or the file is
                finished. Nothing was written.
        """
        end = self._end_samples if end_samples is None else end_samples
        self._put(self._native.finish(end))

    def _put(self, pages: bytes) -> None:
        if pages:
            self._file.write(pages)
            self._file.flush()


def _last_page(file: BinaryIO, link: OggLink) -> tuple[int, int, int, bytes]:
    """Find a stream's last page on which a packet ends.

    Returns:
        Its offset, number, granule position, and itself without what ends on no page.
    """
    file.seek(link.offset_bytes)
    scanner = OggPages(link.offset_bytes)
    found, length = (link.offset_bytes, 0, 0), 0
    data = b"..."
    while data:
        data = file.read(CHUNK_BYTES)
        for offset, size, serial, sequence, granule, _, ends, _ in scanner.feed(data):
            if serial != link.serial:
                raise InvalidArgumentError(
                    f"another stream, serial number {serial}, runs beside the one to go on with"
                )
            if ends:
                found, length = (offset, sequence, granule), size
    file.seek(found[0])
    page = OggPages.whole_packets(file.read(length))
    if page is None:
        raise FormatError(f"the page at byte {found[0]} was changed while the file was read")
    return *found, page


def _layout(form: StreamFormat) -> tuple[int, int, int, bytes]:
    return form.mapping_family, form.streams, form.coupled, form.mapping


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidArgumentError(f"{name} is {value}; expected {low} to {high}")


def _comment(name: str, value: str) -> bytes:
    # RFC 7845 §5.2 takes the rule for names from Vorbis: printable ASCII without '='.
    if not name or not all(" " <= character <= "}" and character != "=" for character in name):
        raise InvalidArgumentError(
            f"a comment is named {name!r}; expected ASCII from space to '}}' without '='"
        )
    return _bytes(f"{name}={value}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")

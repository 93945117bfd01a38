"""Ogg Opus files read: one stream, or the links of a chain one by one."""

from array import array
from collections.abc import Iterator
from typing import BinaryIO

from opuscule.containers.ogg.columns import PacketColumns
from opuscule.containers.ogg.seek import find_page
from opuscule.containers.ogg.source import Source
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat, make_packets

__all__ = ["PRE_ROLL_SAMPLES", "OggLink", "OggReader", "read_links"]

PRE_ROLL_SAMPLES = 3_840
"""What a decoder that starts in the middle is given first, 80 ms (RFC 7845 §4.6). After it the
audio sounds right; bit for bit it is that of a decode from the start only later, if ever."""


class OggLink:
    """One Opus stream of a file, made by :class:`OggReader` or :func:`read_links`.

    Iterate over it once, or take its :meth:`columns`; :meth:`seek` lets both begin elsewhere.
    """

    format: StreamFormat
    """What a decoder has to know."""
    vendor: str
    """The encoder's name. Text that is not UTF-8 is decoded with ``errors="surrogateescape"``, here
    and in the comments, so that encoding it the same way gives the file's bytes back."""
    comments: tuple[tuple[str, str], ...]
    """Names, as written, and values; a comment without ``=`` is a name with an empty value."""
    serial: int
    """The stream's serial number."""
    offset_bytes: int
    """Where in the file its group of streams begins; 0 means where reading began, if the file
    cannot seek."""

    def __init__(self, source: Source) -> None:
        self._source = source
        while (tags := source.native.tags) is None:
            source.more()
        native = source.native
        head = native.head
        assert head is not None  # noqa: S101 - the comments come after it; this tells mypy
        self.format = _stream_format(head)
        self._tags = tags
        vendor, comments = tags
        self.vendor = _text(vendor)
        pairs = (_text(comment).partition("=") for comment in comments)
        self.comments = tuple((name, value) for name, _, value in pairs)
        self.serial = native.serial
        self.offset_bytes = source.base_bytes + native.offset_bytes
        self._base_bytes = source.base_bytes
        self._end_samples = 0
        self._final: tuple[tuple[int, int, bool] | None, dict[str, tuple[int, int]]] | None = None
        self._items = self._read(0)
        self._from_samples = 0

    def __iter__(self) -> Iterator[Packet | Gap]:
        items = None
        while items is not self._items:
            items = self._items
            for item in items:
                yield item
                if items is not self._items:  # sought meanwhile, in the loop over this
                    break

    def _read(self, from_samples: int) -> Iterator[Packet | Gap]:
        sequence = 0
        more = True
        while more and self._final is None:
            data, times, durations, gaps = self._source.native.packets()
            if data:
                self._end_samples = times[-1] + durations[-1]
            first = 0
            while first < len(data) and times[first] + durations[first] <= from_samples:
                first += 1
            for before, start, missing in (*gaps, (len(data), 0, 0)):
                if before > first:
                    run = slice(first, before)
                    yield from make_packets(sequence, times[run], durations[run], data[run])
                    sequence += before - first
                    first = before
                self._end_samples = max(self._end_samples, start + missing)
                if missing and start + missing > from_samples:
                    yield Gap(start, missing, GapKind.LOST)
            more = self._source.more()
        self._check_end()

    def columns(self) -> Iterator[PacketColumns]:
        """Give the packets and gaps in batches, many times faster than one by one.

        Each batch is what a piece of the file, some 64 KiB, completes.
        """
        from_samples = self._from_samples
        more = True
        while more and self._final is None:
            payload, lengths, times, durations, gaps = self._source.native.columns()
            if lengths or gaps:
                batch = PacketColumns(
                    payload,
                    array("I", lengths),
                    array("q", times),
                    array("I", durations),
                    tuple((before, Gap(at, n, GapKind.LOST)) for before, at, n in gaps),
                )
                ends = [gap.end_samples for _, gap in batch.gaps[-1:]]
                if batch.lengths:
                    ends.append(batch.times_samples[-1] + batch.durations_samples[-1])
                self._end_samples = max(ends)
                if batch.gaps or self._end_samples > from_samples:
                    yield batch.without_start(from_samples)
            more = self._source.more()
        self._check_end()

    def _check_end(self) -> None:
        """Object to what follows the link, where nobody would read it."""

    def seek(self, time_samples: int, *, pre_roll_samples: int = PRE_ROLL_SAMPLES) -> None:
        """Let reading begin so that a media time can be decoded; the file has to be seekable.

        The next item is the packet or gap that reaches ``pre_roll_samples`` before the time, or the
        stream's first; beyond the end, there may be none. A loop over packets that is under way
        goes on there; one over :meth:`columns` is to be begun anew. Media times are those of a read
        from the start, as long as no granule position before is behind the packets' own durations
        (``granule_behind`` in :attr:`skipped`; such files can only be read from the start).
        :attr:`skipped` counts anew, and so do packets' numbers, for how many came before is not
        known. In a chain whose links have one serial number, against RFC 3533 §4, the time may be
        found in a later one.

        Args:
            time_samples: 48 kHz samples from the link's start, pre-skip included.
            pre_roll_samples: how much a decoder is to be given before that.

        Raises:
            InvalidArgumentError: a number is below 0, the file cannot seek, or
                :func:`read_links` has gone on to another link.
        """
        if time_samples < 0 or pre_roll_samples < 0:
            raise InvalidArgumentError(
                f"seek to {time_samples} with a pre-roll of {pre_roll_samples}; expected 0 or more"
            )
        if not self._source.file.seekable():
            raise InvalidArgumentError("the file cannot seek; read it from the start, or save it")
        if self._final is not None:
            raise InvalidArgumentError("another link is being read; seek before going on to it")
        limit = max(0, time_samples - pre_roll_samples)
        if not self._resume(limit):
            self._source.begin_at(self.offset_bytes)
            self._base_bytes = self.offset_bytes
            while self._source.native.tags is None:
                self._source.more()
        self._from_samples = limit
        self._end_samples = 0
        self._items = self._read(limit)

    def _resume(self, limit_samples: int) -> bool:
        """Go on after the last page that ends before a time; False if there is none."""
        source = self._source
        while (start := source.native.start) is None:
            source.native.columns()  # nobody will want them
            if not source.more():
                return False
        granule, offset = start
        first_audio = self._base_bytes + offset
        step = 1
        while limit_samples >= 0:
            page = find_page(source.file, self.serial, granule, first_audio, limit_samples)
            if page is None:
                return False
            if source.resume_at(page.offset_bytes, page.length_bytes):
                return True
            # It tells a time and yet not where its packets lie: it holds a coded gap alone, say.
            limit_samples = page.end_samples - step
            step *= 2
        return False

    @property
    def end_samples(self) -> int:
        """Media time at which the audio ends: 48 kHz samples, pre-skip included, end trim done.

        Until the last page is read (which may be before its packets are given), the end of the last
        packet or gap that was read.
        """
        end = self._state[0]
        return end[0] if end else self._end_samples

    @property
    def start_granule(self) -> int:
        """Granule position of media time 0 (RFC 7845 §4.5).

        Known at the first packet, and 0 before; below 0 where the file breaks §4.5.
        """
        end, start = self._state[0], self._source.native.start
        if end:
            return end[1]
        return start[0] if start and self._final is None else 0

    @property
    def raw_comments(self) -> tuple[bytes, list[bytes]]:
        """The encoder's name and the comments, ``NAME=value`` each, as the file has them."""
        return self._tags[0], list(self._tags[1])

    @property
    def truncated(self) -> bool:
        """Whether the last page of the stream has not been seen: it is cut, or still written."""
        end = self._state[0]
        return end[2] if end else True

    @property
    def skipped(self) -> dict[str, tuple[int, int]]:
        """What was passed over so far, or is wrong: for each reason how often, and how many bytes.

        The reasons: ``damage``, ``other_stream``, ``lost_head`` (a stream whose first page is not
        there), ``stray_page`` (repeated, or after the last), ``missing_pages``, ``partial_packet``,
        ``oversize_packet``, ``invalid_packet``, ``tags`` (lost, wrong, or over 16 MiB); and wrong
        numbers: ``granule_ahead`` (a gap that nothing explains), ``granule_behind`` (packets would
        overlap; they were believed) and ``bad_start`` (below what RFC 7845 §4.5 allows).
        """
        return self._state[1]

    @property
    def skipped_bytes(self) -> int:
        """Bytes that were passed over so far, other streams not counted."""
        skipped = self.skipped.items()
        return sum(count for reason, (_, count) in skipped if reason != "other_stream")

    @property
    def _state(self) -> tuple[tuple[int, int, bool] | None, dict[str, tuple[int, int]]]:
        return self._final or (self._source.native.end, self._source.native.skipped)

    def _leave(self) -> bool:
        """Pass over what was not read, and go on to the next link; False if there is none."""
        native = self._source.native
        native.columns()
        while self._source.more():
            native.columns()
        self._final = self._state
        return native.next_link()


class OggReader(OggLink):
    """The packets and gaps of an Ogg file's one Opus stream; iterate over it once.

    The headers are read at construction. Damage is passed over, and the audio that it costs is a
    :class:`Gap`. Streams of other kinds (video, say) are left out. Another Opus stream is an error:
    :func:`read_links` reads those that are chained, ``serial`` chooses one of those side by side.

    Args:
        file: a readable binary file, at the beginning of the Ogg data; it is not closed.
        serial: serial number of the stream to read, whatever others there are.

    Raises:
        FormatError: the file is empty or not Ogg, or a header is wrong.
        TruncatedError: the file ends inside the headers.
        UnsupportedFormatError: there is no Opus in it, or two Opus streams run side by side. While
            iterating, after the packets before it: a second Opus stream is chained to the first.
        InvalidArgumentError: no Opus stream has that serial number.
    """

    def __init__(self, file: BinaryIO, *, serial: int | None = None) -> None:
        super().__init__(Source(file, serial))

    def _check_end(self) -> None:
        if self._source.native.has_next_link:
            raise UnsupportedFormatError(
                "a second Opus stream begins behind the first, so the file is a chain; read its "
                "links one by one with read_links"
            )


def read_links(file: BinaryIO, *, serial: int | None = None) -> Iterator[OggLink]:
    """Read the Opus streams that are chained in a file, one after the other.

    Each has its own format, comments and media time. Take from a link what you want before you go
    on to the next; the rest of it is passed over.

    Args, errors: as for :class:`OggReader`; errors in a later link are raised when it is reached.
    """
    source = Source(file, serial)
    link = OggLink(source)
    yield link
    while link._leave():  # noqa: SLF001 - a method for this function, which nobody else should call
        link = OggLink(source)
        yield link


def _stream_format(head: tuple[int, int, int, int, int, int, int, bytes]) -> StreamFormat:
    channels, pre_skip, input_rate, gain, family, streams, coupled, mapping = head
    return StreamFormat(channels, pre_skip, input_rate, gain, family, streams, coupled, mapping)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")

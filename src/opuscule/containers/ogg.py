"""Ogg Opus files (RFC 7845): packets with their media time, gaps where audio is missing.

The work is done by the native module; this is its typed face over a binary file. Files are read
and written in pieces, whatever their size.
"""

import secrets
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from opuscule._native import OggOpusReader, OggOpusWriter
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

__all__ = ["OggReader", "OggWriter"]

_CHUNK_BYTES = 1 << 16

_Batch = list[tuple[int, int, bytes | None]]


class OggReader:
    """The packets and gaps of an Ogg file's one Opus stream; iterate over it once.

    The headers are read at construction. Damage is passed over, and the audio that it costs is a
    :class:`Gap`. Other streams in the file (video, say) are left out; a second Opus stream, beside
    the first or chained after it, raises an error where it begins.

    Args:
        file: a readable binary file, at the beginning of the Ogg data; it is not closed.

    Raises:
        FormatError: the file is empty or not Ogg, or a header is wrong. While iterating, after the
            packets before it: the first granule position is below what RFC 7845 §4.3 allows.
        TruncatedError: the file ends inside the headers.
        UnsupportedFormatError: there is no Opus in it. While iterating, after the packets before
            it: a second Opus stream begins.
    """

    format: StreamFormat
    """What a decoder has to know."""
    vendor: str
    """The encoder's name. Text that is not UTF-8 is decoded with ``errors="surrogateescape"``, here
    and in the comments, so that encoding it the same way gives the file's bytes back."""
    comments: tuple[tuple[str, str], ...]
    """Names, as written, and values; a comment without ``=`` is a name with an empty value."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._native = OggOpusReader()
        self._end_samples = 0
        self._finished = False
        first: _Batch = []
        while (tags := self._native.tags) is None:
            first = self._next_batch()
        head = self._native.head
        assert head is not None  # noqa: S101 - the comments come after it; this tells mypy
        self.format = _stream_format(head)
        vendor, comments = tags
        self.vendor = _text(vendor)
        pairs = (_text(comment).partition("=") for comment in comments)
        self.comments = tuple((name, value) for name, _, value in pairs)
        self._items = self._read(first)

    def __iter__(self) -> Iterator[Packet | Gap]:
        return self._items

    def _next_batch(self) -> _Batch:
        data = self._file.read(_CHUNK_BYTES)
        self._finished = not data
        return self._native.feed(data) if data else self._native.finish()

    def _read(self, batch: _Batch) -> Iterator[Packet | Gap]:
        sequence = 0
        # An error waits until what came before it is handed over, so the end is an empty batch.
        while batch or not self._finished:
            for time, duration, data in batch:
                self._end_samples = time + duration
                if data is None:
                    yield Gap(time, duration, GapKind.LOST)
                else:
                    yield Packet(sequence, time, duration, data)
                    sequence += 1
            batch = self._next_batch()

    @property
    def end_samples(self) -> int:
        """Media time at which the audio ends: 48 kHz samples, pre-skip included, end trim done.

        Until the last page is read (which may be before its packets are given), the end of the last
        packet or gap that was given.
        """
        end = self._native.end
        return end[0] if end else self._end_samples

    @property
    def start_granule(self) -> int:
        """Granule position of media time 0 (RFC 7845 §4.3); known, and else 0, at the end."""
        end = self._native.end
        return end[1] if end else 0

    @property
    def truncated(self) -> bool:
        """Whether the last page of the stream has not been seen: it is cut, or still written."""
        end = self._native.end
        return end[2] if end else True

    @property
    def skipped(self) -> dict[str, tuple[int, int]]:
        """What was passed over so far: for each reason how often, and how many bytes.

        The reasons: ``damage``, ``other_stream``, ``stray_page`` (repeated, or after the last),
        ``partial_packet``, ``oversize_packet``, ``invalid_packet``, ``tags`` (lost, or over 16
        MiB), and ``granule_behind`` (a wrong number; no byte is lost).
        """
        return self._native.skipped

    @property
    def skipped_bytes(self) -> int:
        """Bytes that were passed over so far, other streams not counted."""
        skipped = self._native.skipped.items()
        return sum(count for reason, (_, count) in skipped if reason != "other_stream")


class OggWriter:
    """Writes an Ogg Opus file, a page at the latest every second of audio.

    What is there when the process is killed is a file that plays. Audio that is missing between two
    packets is filled with packets that ask players for concealment (RFC 7845 §4.1), so that time
    stays right everywhere; :class:`OggReader` gives them as gaps. They exist in steps of 2.5 ms:
    what is left of a gap is carried on, so the packets after it lie up to 119 samples too early in
    the file, until a later gap takes it up.

    Args:
        file: a writable binary file; it is flushed after each page, and not closed.
        stream_format: what a decoder has to know.
        comments: names and values, in order.
        serial: the stream's serial number, 0 to 2**32 - 1; a random one if None. The same packets
            with the same number give the same bytes.
        vendor: the encoder's name.

    Raises:
        InvalidArgumentError: a number of the format, the serial or a comment's name is out of
            range.
    """

    def __init__(
        self,
        file: BinaryIO,
        stream_format: StreamFormat,
        *,
        comments: Iterable[tuple[str, str]] = (),
        serial: int | None = None,
        vendor: str = "opuscule",
    ) -> None:
        serial = secrets.randbits(32) if serial is None else serial
        _check("serial", serial, 0, 2**32 - 1)
        family = stream_format.mapping_family
        _check("channels", stream_format.channels, 1, {0: 2, 1: 8}.get(family, 255))
        _check("streams", stream_format.streams, 1, 255)
        _check("coupled", stream_format.coupled, 0, stream_format.streams)
        _check("pre_skip_samples", stream_format.pre_skip_samples, 0, 2**16 - 1)
        _check("input_rate", stream_format.input_rate, 0, 2**32 - 1)
        _check("gain_q8", stream_format.gain_q8, -(2**15), 2**15 - 1)
        self._file = file
        self._end_samples = 0
        self._native = OggOpusWriter(
            serial,
            stream_format.channels,
            stream_format.pre_skip_samples,
            stream_format.input_rate,
            stream_format.gain_q8,
            _bytes(vendor),
            [_comment(name, value) for name, value in comments],
            (family, stream_format.streams, stream_format.coupled, stream_format.mapping),
        )
        self._put(self._native.headers)

    def write(self, packet: Packet) -> None:
        """Add a packet at its media time; its duration is taken from its own bytes.

        Raises:
            InvalidPacketError: its duration cannot be told.
            InvalidArgumentError: it has more than 61,298 bytes, begins before the one before it
                ends or more than a day after, or the file is finished. Nothing was written.
        """
        self._put(self._native.write(packet.data, packet.time_samples))
        self._end_samples = packet.end_samples

    def close(self, end_samples: int | None = None) -> None:
        """Write the end; what lies beyond it is trimmed, what is missing before it is a gap.

        Args:
            end_samples: media time at which the audio ends, 48 kHz samples with pre-skip; None for
                the end of the last packet. A time within the pre-skip becomes the pre-skip.

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


def _stream_format(head: tuple[int, int, int, int, int, int, int, bytes]) -> StreamFormat:
    channels, pre_skip, input_rate, gain, family, streams, coupled, mapping = head
    return StreamFormat(channels, pre_skip, input_rate, gain, family, streams, coupled, mapping)


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


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")

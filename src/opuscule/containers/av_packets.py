"""Opus packets out of WebM, Matroska, MP4, CAF and MPEG-TS, as they are.

PyAV (the extra ``media``) takes the containers apart; nothing is decoded. What time a packet has is
decided here: the sum of the durations before it, as :mod:`opuscule.containers.timeline` explains.
The beginning and the end are cut by what each container has for that:

========== =========================================== ======================================
container  pre-skip                                    end trim
========== =========================================== ======================================
WebM, MKV  OpusHead in CodecPrivate                    DiscardPadding of the last block
MP4        edit list, else OpusHead in ``dOps``        a last packet given less than it lasts
CAF        priming frames in ``pakt``                  remainder frames in ``pakt``
MPEG-TS    start trim of the first control headers     end trim of the last control header
========== =========================================== ======================================
"""

import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from opuscule._native import packet_duration
from opuscule.containers.detect import FileFormat
from opuscule.containers.opus_head import (
    AccessUnit,
    CafPackets,
    access_units,
    caf_packets,
    parse_opus_head,
)
from opuscule.containers.timeline import StampedTimeline
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    InvalidPacketError,
    MissingExtraError,
    UnsupportedFormatError,
)
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.units import MEDIA_RATE

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream

    AvPacket = av.Packet[AudioStream]

__all__ = ["AvReader"]

_DEMUXERS = {
    FileFormat.MATROSKA: "matroska",
    FileFormat.WEBM: "matroska",
    FileFormat.MP4: "mov",
    FileFormat.CAF: "caf",
    FileFormat.MPEG_TS: "mpegts",
}
# What FFmpeg puts among the tags although nobody has written it there.
_STRUCTURE = frozenset(
    ("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "duration")
)
_SKIP = struct.Struct("<II")  # AV_PKT_DATA_SKIP_SAMPLES: from the start, from the end


class AvReader:
    """The packets and gaps of a file's first Opus stream; iterate over it once.

    Bytes that are no Opus packet are passed over and leave a :class:`Gap`; so do packets that are
    missing by the container's own time stamps. Other streams are left out.

    Args:
        file: a readable binary file, at its beginning; it is not closed. MP4 and CAF have to be
            seekable.
        file_format: what it is, from :func:`opuscule.containers.detect.detect`.

    Raises:
        InvalidArgumentError: it is of a kind that is not read here.
        FormatError: it is damaged where it says what it holds.
        UnsupportedFormatError: there is no Opus in it, or more than two channels.
        MissingExtraError: PyAV is not installed.
    """

    format: StreamFormat
    """What a decoder has to know."""
    head: bytes
    """The codec header as the file has it, an OpusHead; empty if it has none."""
    vendor: str
    """The encoder's name, if the file has it."""
    comments: tuple[tuple[str, str], ...]
    """The file's and the stream's tags; names as FFmpeg gives them."""

    def __init__(self, file: BinaryIO, file_format: FileFormat) -> None:
        if file_format not in _DEMUXERS:
            raise InvalidArgumentError(f"{file_format} files are not read by AvReader")
        try:
            import av
        except ImportError as error:
            raise MissingExtraError(f"reading {file_format} files", "media") from error
        self._av = av
        self._kind = file_format
        caf = caf_packets(file) if file_format is FileFormat.CAF else None
        if file.seekable():
            file.seek(0)
        try:
            # An open file, one demuxer and no protocol: nothing else than this file is ever read.
            self._container = av.open(
                file,
                mode="r",
                format=_DEMUXERS[file_format],
                # The parser would drop MPEG-TS's control headers, and the trims in them.
                options={"protocol_whitelist": "none", "fflags": "noparse"}
                if file_format is FileFormat.MPEG_TS
                else {"protocol_whitelist": "none"},
                metadata_errors="surrogateescape",
            )
        except av.FFmpegError as error:
            raise FormatError(
                f"the {file_format} file cannot be read: {error.strerror}; it is damaged or cut"
            ) from error
        try:
            self._begin(caf)
        except BaseException:
            self.close()
            raise

    def _begin(self, caf: CafPackets | None) -> None:
        # A stream of a codec that FFmpeg does not know has no context, whatever its type says.
        audio = self._container.streams.audio
        opus = [s for s in audio if getattr(s.codec_context, "name", "") == "opus"]
        if not opus:
            raise UnsupportedFormatError(f"the {self._kind} file has no Opus in it")
        self._stream = stream = opus[0]
        self.head = bytes(stream.codec_context.extradata or b"")
        tags = {**self._container.metadata, **stream.metadata}
        self.comments = tuple((k, v) for k, v in tags.items() if k.lower() not in _STRUCTURE)
        self.vendor = next((v for k, v in tags.items() if k.lower() == "encoder"), "")
        self._end_samples = self._last_end = self._end_trim = 0
        self._invalid_packets = self._invalid_bytes = self._packets = 0
        self._promised_packets = self._promised_samples = 0
        if self._kind is not FileFormat.MPEG_TS:  # FFmpeg makes its up
            self._promised_packets = caf.packets if caf else stream.frames
            self._promised_samples = (self._container.duration or 0) * MEDIA_RATE // 1_000_000
        self._lost_at_end: int | None = None
        self._damage = self._clocked = False
        self._caf = caf
        self._finished = False
        tick = math.ceil(MEDIA_RATE * (stream.time_base or 0))
        self._timeline = StampedTimeline(tick)
        self._units = self._demux()
        first = next(self._units, None)
        self.format = self._stream_format(first)
        self._items = self._read(first)

    def _stream_format(self, first: "tuple[AvPacket, AccessUnit] | None") -> StreamFormat:
        if self.head:
            stated = parse_opus_head(self.head)
        else:
            channels = self._stream.codec_context.channels
            if channels not in (1, 2):
                raise UnsupportedFormatError(f"the file has {channels} channels; 1 or 2 are read")
            stated = StreamFormat(channels, 0, self._stream.codec_context.sample_rate)
        pre_skip = stated.pre_skip_samples
        if self._caf is not None:
            pre_skip = self._caf.priming_samples
        elif first is not None and self._kind is FileFormat.MPEG_TS:
            pre_skip = first[1].start_trim_samples
        elif first is not None and self._kind is FileFormat.MP4:
            pre_skip = _skips(first[0])[0] or pre_skip
        return StreamFormat(stated.channels, pre_skip, stated.input_rate, stated.gain_q8)

    def __iter__(self) -> Iterator[Packet | Gap]:
        return self._items

    def _demux(self) -> "Iterator[tuple[AvPacket, AccessUnit]]":
        """Yield the container's packets; those of MPEG-TS taken apart."""
        try:
            for block in self._container.demux(self._stream):
                data = bytes(block)
                if not data:
                    continue  # PyAV's sign that the stream is over
                if block.is_corrupt:
                    # Cut or with a hole in it: what is left may look like a packet and is none.
                    self._pass_over(block, data)
                    continue
                if self._kind is not FileFormat.MPEG_TS:
                    yield block, AccessUnit(data, 0, _skips(block)[1])
                    continue
                try:
                    for unit in access_units(data):
                        yield block, unit
                        block.pts = None  # it was that of the first one
                except InvalidPacketError:
                    self._pass_over(block, data)
        except self._av.FFmpegError:
            # FFmpeg does not go on from here: all that follows is lost, as in a file that was cut.
            self._damage = True

    def _read(self, first: "tuple[AvPacket, AccessUnit] | None") -> Iterator[Packet | Gap]:
        base = MEDIA_RATE * (self._stream.time_base or 0)
        unit = first
        while unit is not None:
            block, access = unit
            try:
                duration = packet_duration(access.data)
            except InvalidPacketError:
                self._pass_over(block, access.data)
                unit = next(self._units, None)
                continue
            self._lost_at_end = None
            stamp = None if block.pts is None else round(block.pts * base)
            if self._kind is FileFormat.CAF:
                stamp = None  # CAF has none; FFmpeg makes them of a rounded mean
            missing = self._timeline.gap_before(stamp, duration)
            if missing:
                yield self._place_gap(missing)
            packet = Packet(self._packets, self._last_end, duration, access.data)
            self._packets += 1
            self._last_end = packet.end_samples
            self._place_end(block, access, packet, base)
            yield packet
            unit = next(self._units, None)
        if self._lost_at_end:
            yield self._place_gap(self._lost_at_end)
            self._end_samples = self._last_end
        elif self._caf is not None:
            self._end_samples -= min(self._caf.remainder_samples, self._end_samples)
        self._finished = True

    def _pass_over(self, block: "AvPacket", data: bytes) -> None:
        self._invalid_packets += 1
        self._invalid_bytes += len(data)
        lasts = (block.duration or 0) * MEDIA_RATE * (self._stream.time_base or 0)
        # Between packets the stamps tell how much is missing; at the end only this does.
        self._lost_at_end = (self._lost_at_end or 0) + round(lasts / 120) * 120

    def _place_gap(self, samples: int) -> Gap:
        gap = Gap(self._last_end, samples, GapKind.LOST)
        self._last_end = gap.end_samples
        return gap

    def _place_end(
        self, block: "AvPacket", access: AccessUnit, packet: Packet, base: Fraction | int
    ) -> None:
        trim = access.end_trim_samples
        if self._kind is FileFormat.MP4 and block.duration:
            # The last packet's duration leaves out what is cut off. If others are too short as well
            # (longer ones stand before a gap), they are a clock's, as Chromium's are, and would cut
            # off what is audio.
            shorter = packet.duration_samples - round(block.duration * base)
            trim = trim if self._clocked else max(trim, shorter)
            self._clocked |= shorter > base
            if block.is_discard and packet.sequence:  # beyond the end of the edit list
                return
        self._end_samples = packet.end_samples - min(trim, packet.duration_samples)

    @property
    def end_samples(self) -> int:
        """Media time at which the audio ends: 48 kHz samples, pre-skip included, end trim done.

        Until all is read, the end of what was given.
        """
        return self._end_samples if self._finished else self._last_end

    @property
    def truncated(self) -> bool:
        """Whether there is less than the file says, or it is not all read yet.

        Known of MP4 and CAF, which count their packets, and of Matroska that states its duration.
        MPEG-TS and live WebM say nothing of their end.
        """
        if not self._finished or self._damage or self._lost_at_end is not None:
            return True
        if self._promised_packets:
            return self._packets + self._invalid_packets < self._promised_packets
        # Matroska's duration is rounded, and may count from the pre-skip or from 0.
        return self._last_end + MEDIA_RATE // 10 < self._promised_samples

    @property
    def skipped(self) -> dict[str, tuple[int, int]]:
        """What was passed over so far: for each reason how often, and how many bytes.

        The reasons: ``invalid_packet``; ``damage`` (from there on nothing can be read; nobody
        knows how many bytes); ``wrong_stamp`` (a time stamp that jumps back, or by over a day; no
        byte is lost).
        """
        found = {
            "invalid_packet": (self._invalid_packets, self._invalid_bytes),
            "damage": (int(self._damage), 0),
            "wrong_stamp": (self._timeline.wrong_stamps, 0),
        }
        return {reason: counts for reason, counts in found.items() if counts[0]}

    def close(self) -> None:
        """Give back what PyAV holds; closing twice does no harm."""
        self._container.close()


def _skips(block: "AvPacket") -> tuple[int, int]:
    """How much FFmpeg says to cut off a packet: at its start and at its end, 48 kHz samples."""
    if not block.has_sidedata("skip_samples"):
        return 0, 0
    start, end = _SKIP.unpack_from(bytes(block.get_sidedata("skip_samples")))
    return start, end

"""A recording, read and decoded from any sample to any other.

Exactness. A decoder that begins in the middle gives other samples than one that has decoded all
before; for most signals they become the same after a second or two, for steady tones never. So
:meth:`Recording.extract` decodes from the beginning unless it is given a pre-roll, and then it is
exact: equal to :meth:`Recording.sequential` sample by sample. Exact always means: the same build of
libopus on the same kind of processor, decoder complexity 5 or below, 48 kHz, the recording's own
channels.
"""

import logging
import sys
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from opuscule import _native
from opuscule.archive.info import RecordingInfo
from opuscule.archive.layout import Index, Run
from opuscule.archive.local import LocalArray, read_group
from opuscule.archive.points import COLUMNS, Part, SyncPoints, read_points
from opuscule.archive.sequential import SequentialDecoder
from opuscule.codec import Pcm, as_pcm, packet_duration
from opuscule.errors import (
    CorruptArchiveError,
    InvalidArgumentError,
    InvalidPacketError,
)
from opuscule.packets import Gap, Packet
from opuscule.units import ms_to_samples

__all__ = ["MAX_COMPLEXITY", "Recording"]

MAX_COMPLEXITY = 5
"""From 6 on libopus enhances speech, and what it then gives depends on all that came before."""

_MAX_RUN_BYTES = 16 << 20
"""The longest run of packets that is decoded in one piece, some 90 minutes of speech; what is
longer is decoded packet by packet, so that memory stays bounded."""

_BATCH_PACKETS = 512

_FAR_SAMPLES = 30 * 48_000
"""So much is decoded in vain before the user is told what would help."""

_log = logging.getLogger(__name__)


class Recording:
    """One recording. Its index is read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Its folder in the archive."""
        self.name = path.name
        """Its name in the archive."""
        self.info = RecordingInfo.from_attributes(read_group(path), str(path))
        """What is known of it."""
        self._points: tuple[SyncPoints | None] | None = None
        self._told = False
        self._packets = self._array("packets", ("uint8",), self.info.payload_bytes, 1)

    @cached_property
    def index(self) -> Index:
        """Where each packet is.

        Raises:
            CorruptArchiveError: it contradicts itself or the payload.
        """
        lengths = self._array("lengths", ("uint8", "uint16"), self.info.packets, 1)
        anchors = self._array("anchors", ("int64",), None, 2)
        gaps = self._array("gaps", ("int64",), None, 4)
        try:
            return Index(
                _values(lengths),
                _values(anchors),
                _values(gaps),
                self.info.payload_bytes,
                self._durations,
            )
        except CorruptArchiveError as error:
            raise CorruptArchiveError(f"{self.path}: {error}") from error

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The stretches of media time for which there is no packet, in order."""
        return tuple(placed.gap for placed in self.index.gaps)

    def extract(
        self,
        start_sample: int,
        stop_sample: int,
        *,
        dtype: Literal["int16", "float32"] = "int16",
        pre_roll_ms: float | None = None,
        complexity: int = MAX_COMPLEXITY,
    ) -> Pcm:
        """Decode samples ``[start_sample, stop_sample)`` of the audio.

        Args:
            start_sample: first sample, at 48 kHz; 0 is the first after the pre-skip.
            stop_sample: one past the last; at most ``info.total_samples``.
            dtype: ``int16``, or ``float32`` with full scale ±1.
            pre_roll_ms: None decodes from the beginning and is exact. A number begins so many
                milliseconds before ``start_sample`` (at the packet there) and is fast: it sounds
                the same from 80 ms on (RFC 7845 §4.6) and need not be the same samples.
            complexity: of the decoder, 0 to 5; 5 conceals gaps best.

        Returns:
            A memoryview of shape ``(samples, channels)``; ``numpy.asarray`` takes it as it is.

        Raises:
            InvalidArgumentError: the range is empty or not within the audio, or another value is
                out of its range.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        """
        self._check_range(start_sample, stop_sample)
        _check_decoding(dtype, complexity)
        start = start_sample + self.info.pre_skip_samples
        stop = stop_sample + self.info.pre_skip_samples
        if pre_roll_ms is None:
            parts = self._exact_parts(start, stop, dtype, complexity)
        elif pre_roll_ms >= 0:
            # A million milliseconds is more than enough, and keeps infinity out.
            begin = max(0, start - ms_to_samples(min(pre_roll_ms, 1e6)))
            parts = [Part(begin, start, stop)]
        else:
            raise InvalidArgumentError(f"pre_roll_ms is {pre_roll_ms}; expected 0 or more")
        data = [self._part(part, dtype, complexity) for part in parts]
        return as_pcm(data[0] if len(data) == 1 else b"".join(data), self.info.channels, dtype)

    def sequential(
        self,
        *,
        dtype: Literal["int16", "float32"] = "int16",
        complexity: int = MAX_COMPLEXITY,
    ) -> Iterator[Pcm]:
        """Decode all of the audio in order, in blocks of at most 120 ms.

        The yardstick for :meth:`extract`, along a way of its own, and the way to decode a long
        recording in bounded memory.

        Raises:
            InvalidArgumentError: a value is out of its range.
            CorruptArchiveError: see :meth:`extract`.
        """
        _check_decoding(dtype, complexity)
        start, stop = self.info.pre_skip_samples, self.info.end_samples
        for block in self._blocks(0, start, stop, dtype, complexity):
            yield as_pcm(block, self.info.channels, dtype)

    def packets(self, first: int = 0, stop: int | None = None) -> Iterator[Packet]:
        """Read packets ``[first, stop)``, numbered from 0, with their media times.

        The sequence number is the packet's place here: what was missing before has left a gap.

        Raises:
            InvalidArgumentError: there are no such packets.
            CorruptArchiveError: one of them is not valid.
        """
        count = self.info.packets
        stop = count if stop is None else stop
        if not 0 <= first <= stop <= count:
            raise InvalidArgumentError(f"packets {first} to {stop} are wanted; there are {count}")
        return (item for item in self._items(first, stop) if isinstance(item, Packet))

    def payload(self, start_byte: int, stop_byte: int) -> bytes:
        """Read a range of the packets' bytes, end to end.

        Raises:
            CorruptArchiveError: it is outside, or damaged.
        """
        return self._packets.read(start_byte, stop_byte)

    @property
    def points(self) -> SyncPoints | None:
        """Where decoding may begin; None until this very decoder has prepared the recording.

        Raises:
            CorruptArchiveError: they do not fit the recording.
        """
        if self._points is None:
            found = None
            if (self.path / "points" / "zarr.json").exists():
                source = self._array("points", ("uint8",), None, COLUMNS)
                found = read_points(source, self.index, MAX_COMPLEXITY)
            self._points = (found,)
        return self._points[0]

    def forget_points(self) -> None:
        """Read them again when they are next wanted."""
        self._points = None

    def _exact_parts(self, start: int, stop: int, dtype: str, complexity: int) -> Sequence[Part]:
        points = self.points if complexity == MAX_COMPLEXITY else None
        if points is not None:
            return list(points.parts(start, stop, float_output=dtype == "float32"))
        if start > _FAR_SAMPLES and not self._told:
            self._told = True
            _log.warning(
                "%s is decoded from its beginning to be exact at %d s: opuscule archive prepare "
                "makes that near, and a pre-roll of 80 ms is near and not exact",
                self.path,
                start // 48_000,
            )
        return [Part(0, start, stop)]

    def _part(self, part: Part, dtype: str, complexity: int) -> bytes:
        run = self.index.run(part.begin_samples, part.stop_samples)
        if run.stop_byte - run.start_byte <= _MAX_RUN_BYTES:
            samples = part.stop_samples - part.start_samples
            return self._decode(run, part.start_samples, samples, dtype, complexity)
        blocks = self._blocks(run.first, part.start_samples, part.stop_samples, dtype, complexity)
        return b"".join(blocks)

    def _array(
        self, name: str, data_types: Sequence[str], rows: int | None, columns: int
    ) -> LocalArray:
        found = LocalArray(self.path / name)
        shape = (rows if rows is not None else found.rows,) + ((columns,) if columns > 1 else ())
        if found.data_type not in data_types or found.shape != shape:
            raise CorruptArchiveError(
                f"{self.path / name} is {found.data_type} of shape {found.shape}; expected "
                f"{' or '.join(data_types)} of shape {shape}"
            )
        return found

    def _durations(self, first: int, stop: int) -> Sequence[int]:
        if self.info.packet_samples is not None:
            return [self.info.packet_samples] * (stop - first)
        data = self._packet_bytes(first, stop)
        return [self._duration(number, packet) for number, packet in enumerate(data, first)]

    def _duration(self, number: int, data: bytes) -> int:
        try:
            return packet_duration(data)
        except InvalidPacketError as error:
            raise CorruptArchiveError(f"{self.path}: packet {number}: {error}") from error

    def _packet_bytes(self, first: int, stop: int) -> Iterator[bytes]:
        index = self.index
        offset = index.byte_offset(first)
        while first < stop:
            lengths = index.lengths[first : min(first + _BATCH_PACKETS, stop)]
            size = sum(lengths)
            block = self.payload(offset, offset + size)
            at = 0
            for length in lengths:
                yield block[at : at + length]
                at += length
            first += len(lengths)
            offset += size

    def _items(self, first: int, stop: int) -> Iterator[Packet | Gap]:
        """Yield packets and the gaps between them, at the recording's ends also those outside."""
        index = self.index
        if not len(index) or first == len(index):
            yield from (placed.gap for placed in index.gaps if not len(index))
            return
        time = index.packet_start(first)
        gaps = iter(index.gaps)
        gap = next((g for g in gaps if g.before > first or not first), None)
        for number, data in enumerate(self._packet_bytes(first, stop), first):
            while gap is not None and gap.before == number:
                yield gap.gap
                time = gap.gap.end_samples
                gap = next(gaps, None)
            duration = self._duration(number, data)
            yield Packet(number, time, duration, data)
            time += duration
        while gap is not None and gap.before == stop == len(index):
            yield gap.gap
            gap = next(gaps, None)

    def _decode(self, run: Run, start: int, samples: int, dtype: str, complexity: int) -> bytes:
        try:
            return _native.decode_run(
                self.payload(run.start_byte, run.stop_byte),
                run.lengths,
                run.gaps,
                channels=self.info.channels,
                skip_samples=start - run.start_samples,
                take_samples=samples,
                float_output=dtype == "float32",
                complexity=complexity,
                gain_q8=self.info.gain_q8,
            )
        except (InvalidPacketError, InvalidArgumentError) as error:
            raise CorruptArchiveError(
                f"{self.path}: packets {run.first} to {run.stop}: {error}"
            ) from error

    def _blocks(
        self, first: int, start: int, end: int, dtype: str, complexity: int
    ) -> Iterator[bytes]:
        """Decode from packet ``first`` on, and keep media time ``[start, end)``."""
        decoder = SequentialDecoder(
            self.info.channels,
            complexity=complexity,
            float_output=dtype == "float32",
            gain_q8=self.info.gain_q8,
        )
        size = decoder.frame_bytes
        time = self.index.packet_start(first) if first else 0
        for block in decoder.decode(self._items(first, self.info.packets)):
            samples = len(block) // size
            low, high = max(0, start - time), min(samples, end - time)
            time += samples
            if low < high:
                yield block[low * size : high * size]
            if time >= end:
                return

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= self.info.total_samples:
            raise InvalidArgumentError(
                f"samples {start} to {stop} of recording {self.name!r} are wanted; give a range "
                f"that is not empty within 0 to {self.info.total_samples} (48 kHz)"
            )


def _check_decoding(dtype: str, complexity: int) -> None:
    if dtype not in ("int16", "float32"):
        raise InvalidArgumentError(f"dtype is {dtype!r}; expected 'int16' or 'float32'")
    if not 0 <= complexity <= MAX_COMPLEXITY:
        raise InvalidArgumentError(
            f"complexity is {complexity}; expected 0 to {MAX_COMPLEXITY}: above it, what comes out "
            "depends on all that came before"
        )


_TYPE_CODES: dict[str, Literal["B", "H", "q"]] = {"uint8": "B", "uint16": "H", "int64": "q"}


def _values(source: LocalArray) -> "array[int]":
    values = array(_TYPE_CODES[source.data_type], source.read(0, source.rows))
    if sys.byteorder == "big":
        values.byteswap()
    return values

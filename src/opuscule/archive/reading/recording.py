"""A recording, read and decoded from any sample to any other.

Exactness. A decoder that begins in the middle gives other samples than one that has decoded all
before; for most signals they become the same after a second or two, for steady tones never. So
:meth:`Recording.extract` decodes from the beginning unless it is given a pre-roll, and then it is
exact: equal to :meth:`Recording.sequential` sample by sample. Exact always means: the same build of
libopus on the same kind of processor, decoder complexity 5 or below, 48 kHz, the recording's own
channels.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from opuscule import _native
from opuscule.archive.layout import Index, Run
from opuscule.archive.reading.contents import Contents
from opuscule.archive.reading.damage import (
    Damage,
    DamageLog,
    OnDamage,
    check_on_damage,
)
from opuscule.archive.reading.planning import MAX_COMPLEXITY, Plan
from opuscule.archive.reading.ranges import RangeReading, check_range
from opuscule.archive.reading.sequential import SequentialDecoder
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.info import RecordingInfo
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.points import Part, SyncPoints
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.codec import Pcm, as_pcm
from opuscule.errors import (
    ArchiveError,
    CorruptArchiveError,
    InvalidArgumentError,
    InvalidPacketError,
)
from opuscule.packets import Gap, Packet, SampleFormat
from opuscule.units import MEDIA_RATE, ms_to_samples

if TYPE_CHECKING:
    from opuscule.archive.reading.originals import Original

__all__ = ["MAX_COMPLEXITY", "Recording"]

_MAX_RUN_BYTES = 16 << 20
"""The longest run of packets that is decoded in one piece, some 90 minutes of speech; what is
longer is decoded packet by packet, so that memory stays bounded."""


class Recording(RangeReading):
    """One recording. Its index is read when it is first needed."""

    def __init__(self, place: Path | Place) -> None:
        if isinstance(place, Path):
            place = Place(LocalStore(place.parent), place.name)
        self.place = place
        """Where it is."""
        self.name = self.place.name
        """Its name in the archive."""
        attributes, self._arrays = open_recording_document(self.place)
        self.info = RecordingInfo.from_attributes(attributes, str(self.place))
        """What is known of it."""
        self._damage = DamageLog(str(self.place))
        self._contents = Contents(self.place, self._arrays, self.info)
        self._plan = Plan(str(self.place), self._contents, "points" in self._arrays)

    def __reduce__(self) -> tuple[type["Recording"], tuple[Place]]:
        return Recording, (self.place,)  # opened anew where it is unpickled

    def __repr__(self) -> str:
        seconds = self.info.total_samples / MEDIA_RATE
        kind = "mono" if self.info.channels == 1 else "stereo"
        return f"<Recording {str(self.place)!r}: {seconds:.3f} s, {kind}>"

    @property
    def path(self) -> Path:
        """Its folder in the archive.

        Raises:
            ArchiveError: the archive is no folder.
        """
        if isinstance(self.place.store, LocalStore):
            return self.place.store.path / self.place.key
        raise ArchiveError(f"{self.place} is not in a folder; export it into a local archive first")

    @property
    def index(self) -> Index:
        """Where each packet is.

        Raises:
            CorruptArchiveError: it contradicts itself or the payload.
        """
        return self._contents.index

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What extraction came upon and concealed so far, in order."""
        return self._damage.found

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
        on_damage: OnDamage = "raise",
    ) -> Pcm:
        """Decode samples ``[start_sample, stop_sample)`` of the audio.

        Args:
            start_sample: first sample, at 48 kHz; 0 is the first after the pre-skip.
            stop_sample: one past the last; at most ``info.total_samples``.
            dtype: ``int16``, or ``float32`` with full scale ±1.
            pre_roll_ms: None is exact: decoding begins at a sync point that suffices, or at the
                beginning of what is not prepared. A number begins so many
                milliseconds before ``start_sample`` (at the packet there) and is fast: it sounds
                the same from 80 ms on (RFC 7845 §4.6) and need not be the same samples.
            complexity: of the decoder, 0 to 5; 5 conceals gaps best.
            on_damage: ``raise`` an error, or ``conceal`` packets that are damaged as if they were
                lost; which they are is in the log and in :attr:`damage`. What no damage reaches is
                exact as ever, and the rest that of :meth:`sequential` with ``conceal``.

        Returns:
            A memoryview of shape ``(samples, channels)``; ``numpy.asarray`` takes it as it is.

        Raises:
            InvalidArgumentError: the range is empty or not within the audio, or another value is
                out of its range.
            CorruptArchiveError: the archive is damaged or contradicts itself.
            OSError: it cannot be read.
        """
        check_range(self, start_sample, stop_sample)
        _check_decoding(dtype, complexity, on_damage)
        start = start_sample + self.info.pre_skip_samples
        stop = stop_sample + self.info.pre_skip_samples
        if pre_roll_ms is None:
            parts = list(self._plan.parts(start, stop, dtype, complexity, on_damage))
        elif pre_roll_ms >= 0:
            # A million milliseconds is more than enough, and keeps infinity out.
            begin = max(0, start - ms_to_samples(min(pre_roll_ms, 1e6)))
            parts = [Part(begin, start, stop)]
        else:
            raise InvalidArgumentError(f"pre_roll_ms is {pre_roll_ms}; expected 0 or more")
        data = [self._part(part, dtype, complexity, on_damage) for part in parts]
        return as_pcm(data[0] if len(data) == 1 else b"".join(data), self.info.channels, dtype)

    def sequential(
        self,
        *,
        dtype: Literal["int16", "float32"] = "int16",
        complexity: int = MAX_COMPLEXITY,
        on_damage: OnDamage = "raise",
    ) -> Iterator[Pcm]:
        """Decode all of the audio in order, in blocks of at most 120 ms.

        The yardstick for :meth:`extract`, along a way of its own, and the way to decode a long
        recording in bounded memory.

        Raises:
            InvalidArgumentError: a value is out of its range.
            CorruptArchiveError: see :meth:`extract`.
        """
        _check_decoding(dtype, complexity, on_damage)
        start, stop = self.info.pre_skip_samples, self.info.end_samples
        for block in self._blocks(0, start, stop, dtype, complexity, on_damage):
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
        return (item for item in self._contents.items(first, stop) if isinstance(item, Packet))

    def payload(self, start_byte: int, stop_byte: int) -> bytes:
        """Read a range of the packets' bytes, end to end.

        Raises:
            CorruptArchiveError: it is outside, or damaged.
        """
        return self._contents.payload(start_byte, stop_byte)

    @cached_property
    def lossless(self) -> "Original | None":
        """The file's own samples, where they are kept beside the packets; else None.

        Raises:
            CorruptArchiveError: what is known of them contradicts itself.
        """
        known = self.info.source.get("lossless")
        if known is None:
            return None
        from opuscule.archive.reading.originals import Original
        from opuscule.archive.storage.lossless import Lossless

        known = Lossless.from_json(known, str(self.place))
        return Original(self.name, known, self.info.start_epoch_ms, self.array)

    def array(self, name: str) -> StoredArray:
        """Open one of its arrays, such as ``lossless``, to read its bytes.

        Raises:
            CorruptArchiveError: it has none of that name, or its metadata contradicts itself.
            NotAnArchiveError: it is stored in a way that this release does not read.
        """
        return self._contents.array(name, None)

    def check_shards(self) -> None:
        """Check what only other Zarr libraries need.

        Raises:
            CorruptArchiveError: it is not what was written.
            OSError: it cannot be read.
        """
        self._contents.check_shards()

    @property
    def points(self) -> SyncPoints | None:
        """Where decoding may begin; None until this very decoder has prepared the recording.

        Raises:
            CorruptArchiveError: they do not fit the recording.
        """
        return self._plan.points

    def forget_points(self) -> None:
        """Read them again when they are next wanted."""
        _, self._arrays = open_recording_document(self.place)
        self._contents = Contents(self.place, self._arrays, self.info)
        self._plan = Plan(str(self.place), self._contents, "points" in self._arrays)

    def parts(
        self, start_samples: int, stop_samples: int, dtype: SampleFormat, on_damage: OnDamage
    ) -> Iterator[Part]:
        """Plan how to decode a stretch of media time so that it is exact: parts that adjoin.

        Raises:
            CorruptArchiveError: the sync points do not fit the recording.
        """
        return self._plan.parts(start_samples, stop_samples, dtype, MAX_COMPLEXITY, on_damage)

    def items(
        self, first: int, stop_sample: int, on_damage: OnDamage = "raise"
    ) -> Iterator[Packet | Gap]:
        """Read packets and gaps from packet ``first`` to the end.

        Args:
            first: number of a packet.
            stop_sample: what is concealed is reported if it begins before this sample of the audio.
            on_damage: as for :meth:`extract`; damaged packets become gaps.

        Raises:
            CorruptArchiveError: a packet is damaged, or the archive contradicts itself.
        """
        note = self._damage.before(stop_sample) if on_damage == "conceal" else None
        return self._contents.items(first, self.info.packets, note)

    def _part(self, part: Part, dtype: str, complexity: int, on_damage: OnDamage) -> bytes:
        concealing = on_damage == "conceal"
        run = self.index.run(part.begin_samples, part.stop_samples, rebuild=concealing)
        start, stop = part.start_samples, part.stop_samples
        if run.stop_byte - run.start_byte <= _MAX_RUN_BYTES:
            return self._decode(run, start, stop - start, dtype, complexity, on_damage)
        return b"".join(self._blocks(run.first, start, stop, dtype, complexity, on_damage))

    def _decode(
        self,
        run: Run,
        start: int,
        samples: int,
        dtype: str,
        complexity: int,
        on_damage: OnDamage,
    ) -> bytes:
        if on_damage == "raise":
            data = self.payload(run.start_byte, run.stop_byte)
        else:
            data, run, damages = self._contents.sound(run)
            note = self._damage.before(start + samples - self.info.pre_skip_samples)
            for damage in damages:
                note(damage)
        try:
            return _native.decode_run(
                data,
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
                f"{self.place}: packets {run.first} to {run.stop}: {error}"
            ) from error

    def _blocks(
        self, first: int, start: int, end: int, dtype: str, complexity: int, on_damage: OnDamage
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
        stop_sample = end - self.info.pre_skip_samples
        for block in decoder.decode(self.items(first, stop_sample, on_damage)):
            samples = len(block) // size
            low, high = max(0, start - time), min(samples, end - time)
            time += samples
            if low < high:
                yield block[low * size : high * size]
            if time >= end:
                return


def _check_decoding(dtype: str, complexity: int, on_damage: str) -> None:
    check_on_damage(on_damage)
    if dtype not in ("int16", "float32"):
        raise InvalidArgumentError(f"dtype is {dtype!r}; expected 'int16' or 'float32'")
    if not 0 <= complexity <= MAX_COMPLEXITY:
        raise InvalidArgumentError(
            f"complexity is {complexity}; expected 0 to {MAX_COMPLEXITY}: above it, what comes out "
            "depends on all that came before"
        )

"""Random segments of an archive for training: a map-style dataset that needs no framework.

Theory of operation. Segment ``i`` of epoch ``e`` depends on nothing but the seed, ``e`` and ``i``:
its place is a hash of them, so any worker on any machine draws the same, in any order. All places
where a segment fits are laid end to end and numbered, so that each is equally likely, and a
recording comes up by its length. What is pickled is names and numbers; recordings are opened by
whoever reads them, when a segment of theirs comes up; their lengths are the catalogue's.
"""

import os
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from opuscule.archive.reading.archive import Archive, open_archive
from opuscule.archive.reading.recording import Recording
from opuscule.archive.reading.streaming import Mode, check_mode, pick
from opuscule.errors import CorruptArchiveError, InvalidArgumentError, MissingExtraError
from opuscule.units import MEDIA_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

__all__ = ["Segment", "SegmentDataset"]

_KEPT_RECORDINGS = 1024
_KEPT_PACKETS = 16_000_000
"""How many recordings are kept open, and with how many packets: some 90 hours, 32 MB of index."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a segment is."""

    recording: str
    """Name of the recording."""
    start_sample: int
    """First sample, at 48 kHz."""
    stop_sample: int
    """One past the last."""


class SegmentDataset:
    """Segments of one length drawn at random from an archive, as float32 arrays.

    Has ``len()`` and ``dataset[i]``, which is all that a PyTorch ``DataLoader`` asks for, its
    workers included; or give batches without one by :meth:`batches`. The same seed gives the same
    segments everywhere; :meth:`set_epoch` gives others.

    Args:
        archive: one that is open, or where it is. It may grow: what is in it now is drawn from.
        segment_samples: length of a segment, in samples at ``rate``.
        count: how many segments an epoch has.
        seed: of the draw.
        rate: of what comes out, in Hz; another than 48 kHz needs the extra ``media``.
        channels: which, from 0; None for all, and then all recordings must have as many.
        mode: ``exact``, or ``fast``, which begins to decode 80 ms before a segment.
        skip_gaps: draw no segment in which something is missing. Opens each recording once, and
            reads the index of those with gaps.
        recordings: names to draw from; None for all.

    Raises:
        InvalidArgumentError: no segment fits anywhere, recordings differ in channels, or a value is
            out of its range.
        NotAnArchiveError, CorruptArchiveError, RecordingNotFoundError: it cannot be read.
        MissingExtraError: NumPy is not installed.
    """

    def __init__(
        self,
        archive: Archive | str | os.PathLike[str],
        segment_samples: int,
        *,
        count: int,
        seed: int = 0,
        rate: int = MEDIA_RATE,
        channels: Sequence[int] | None = None,
        mode: Mode = "exact",
        skip_gaps: bool = False,
        recordings: Iterable[str] | None = None,
    ) -> None:
        check_mode(mode)
        if segment_samples < 1 or count < 0 or rate < 1:
            raise InvalidArgumentError(
                f"{count} segments of {segment_samples} samples at {rate} Hz are wanted; expected "
                "a positive length and rate"
            )
        _numpy()
        self._where = archive
        self._archive = archive if isinstance(archive, Archive) else open_archive(archive)
        self._length, self._count, self._seed, self._epoch = segment_samples, count, seed, 0
        self._rate, self._mode = rate, mode
        self._channels = None if channels is None else tuple(channels)
        self._span = -(-segment_samples * MEDIA_RATE // rate)
        self._lock = Lock()
        self._opened: OrderedDict[str, Recording] = OrderedDict()
        self._names: list[str] = []
        # Of each stretch in which segments fit: its recording, its first sample, and how many
        # places there are up to its end.
        self._owners, self._firsts, self._ends = array("I"), array("q"), array("q")
        self.channels = self._survey(recordings, skip_gaps)
        """How many channels a segment has."""

    def _survey(self, recordings: Iterable[str] | None, skip_gaps: bool) -> int:
        """List all places; return how many channels come out."""
        counts: dict[int, str] = {}
        places = 0
        catalogue = self._archive.catalogue()
        for name in sorted(catalogue) if recordings is None else recordings:
            entry = catalogue.get(name)
            whole: Iterable[tuple[int, int]]
            if skip_gaps or entry is None or not entry.channels:
                recording = self._archive[name]
                channels, total = recording.info.channels, recording.info.total_samples
                whole = _whole(recording) if skip_gaps else [(0, total)]
            else:
                # Not one of 100,000 recordings has to be opened for this.
                channels, whole = entry.channels, [(0, entry.total_samples)]
            if channels not in counts:
                counts[channels] = name
                pick(b"", channels, self._channels, "float32")
            self._names.append(name)
            for start, stop in whole:
                if stop - start >= self._span:
                    places += stop - start - self._span + 1
                    self._owners.append(len(self._names) - 1)
                    self._firsts.append(start)
                    self._ends.append(places)
        if not places:
            raise InvalidArgumentError(
                f"none of {len(self._names)} recordings of {self._archive.store.name} has room for "
                f"{self._span} samples at 48 kHz" + (" without a gap" if skip_gaps else "")
            )
        if self._channels is not None:
            return len(self._channels)
        if len(counts) > 1:
            some = ", ".join(f"{name!r} has {number}" for number, name in sorted(counts.items()))
            raise InvalidArgumentError(
                f"recordings differ in their channels: {some}; choose, such as channels=[0]"
            )
        return next(iter(counts))

    def __len__(self) -> int:
        """How many segments an epoch has."""
        return self._count

    @property
    def places(self) -> int:
        """At how many samples a segment can begin, over all recordings."""
        return self._ends[-1]

    def set_epoch(self, epoch: int) -> None:
        """Draw other segments from now on; the same for the same epoch.

        PyTorch's workers are copies of the dataset: call this before the loop over the loader.
        """
        self._epoch = epoch

    def where(self, number: int) -> Segment:
        """Tell where a segment is, without decoding it.

        Raises:
            IndexError: there is no such segment.
        """
        if not -self._count <= number < self._count:
            raise IndexError(f"segment {number} is wanted; an epoch has {self._count}")
        text = f"{self._seed} {self._epoch} {number % self._count}"
        # 128 bits over at most 2**62 places: no place is favoured by more than 2**-66.
        place = int.from_bytes(blake2b(text.encode(), digest_size=16).digest()) % self.places
        stretch = bisect_right(self._ends, place)
        before = self._ends[stretch - 1] if stretch else 0
        start = self._firsts[stretch] + place - before
        return Segment(self._names[self._owners[stretch]], start, start + self._span)

    def __getitem__(self, number: int) -> "Samples":
        """Decode segment ``number``: float32 of shape ``(samples, channels)``, full scale ±1.

        Raises:
            IndexError: there is no such segment.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
            MissingExtraError: another rate is wanted and soxr is not installed.
        """
        # A copy can be written to, which PyTorch asks for.
        return _numpy().array(self._decode(number))  # type: ignore[no-any-return]  # of NumPy

    def _decode(self, number: int) -> "Samples":
        segment = self.where(number)
        recording = self._open(segment.recording)
        info = recording.info
        if segment.stop_sample > info.total_samples or (
            self._channels is None and info.channels != self.channels
        ):
            raise CorruptArchiveError(
                f"{recording.place} has {info.total_samples} samples of {info.channels} channels, "
                "which is not what the catalogue says: opuscule archive reindex"
            )
        pcm = recording.read(
            segment.start_sample,
            segment.stop_sample,
            rate=self._rate,
            channels=self._channels,
            mode=self._mode,
        )
        # At another rate rounding may give one sample more.
        found: Samples = _numpy().asarray(pcm)[: self._length]
        return found

    def batches(
        self, size: int, *, rank: int = 0, world: int = 1, threads: int = 1
    ) -> "Iterator[Samples]":
        """Decode this epoch's segments batch by batch.

        Args:
            size: segments in a batch; the last may have fewer.
            rank: of this worker: it takes segments ``rank``, ``rank + world`` …
            world: how many workers there are.
            threads: how many segments are decoded at a time, without the GIL.

        Yields:
            float32 of shape ``(segments, samples, channels)``.

        Raises:
            InvalidArgumentError: a value is out of its range.
            CorruptArchiveError: see ``dataset[i]``.
        """
        if size < 1 or threads < 1 or not 0 <= rank < world:
            raise InvalidArgumentError(
                f"batches of {size} for worker {rank} of {world} in {threads} threads are wanted; "
                "expected a positive size and threads, and a rank from 0 to world - 1"
            )
        mine = range(rank, self._count, world)
        return self._batches([mine[at : at + size] for at in range(0, len(mine), size)], threads)

    def _batches(self, wanted: Sequence[range], threads: int) -> "Iterator[Samples]":
        if threads == 1:
            for batch in wanted:
                rows = self._room(batch)
                for row, number in enumerate(batch):
                    self._fill(rows, row, number)
                yield rows
            return
        with ThreadPoolExecutor(threads, "opuscule-segments") as pool:

            def begin(batch: range) -> "tuple[Samples, list[Future[None]]]":
                rows = self._room(batch)
                return rows, [pool.submit(self._fill, rows, row, n) for row, n in enumerate(batch)]

            # The next batch is on its way while one is used.
            ahead = None
            for following in [*wanted, None]:
                current, ahead = ahead, begin(following) if following else None
                if current:
                    rows, filled = current
                    for future in filled:
                        future.result()
                    yield rows

    def _room(self, batch: range) -> "Samples":
        np = _numpy()
        rows: Samples = np.empty((len(batch), self._length, self.channels), np.float32)
        return rows

    def _fill(self, rows: "Samples", row: int, number: int) -> None:
        rows[row] = self._decode(number)

    def _open(self, name: str) -> Recording:
        found = self._opened.get(name)
        if found is None:
            found = self._archive[name]
            with self._lock:
                self._opened[name] = found
                packets = sum(recording.info.packets for recording in self._opened.values())
                while len(self._opened) > 1 and (
                    len(self._opened) > _KEPT_RECORDINGS or packets > _KEPT_PACKETS
                ):
                    packets -= self._opened.popitem(last=False)[1].info.packets
        return found

    def __getstate__(self) -> dict[str, object]:
        state = {**self.__dict__, "_opened": OrderedDict(), "_lock": None}
        if not isinstance(self._where, Archive):
            state["_archive"] = None  # whoever gets it opens it again
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=Lock())
        if not isinstance(self._where, Archive):
            self._archive = open_archive(self._where)


def _whole(recording: Recording) -> Iterator[tuple[int, int]]:
    """Give the stretches of audio in which nothing is missing."""
    info, at = recording.info, 0
    for gap in recording.gaps if info.gaps else ():
        yield at, max(at, gap.start_samples - info.pre_skip_samples)
        at = max(at, gap.end_samples - info.pre_skip_samples)
    yield at, info.total_samples


def _numpy() -> ModuleType:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("a dataset of arrays", "archive") from error
    return np

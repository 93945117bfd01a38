"""What an archive is made of, in sums; by its catalogue alone."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from opuscule.archive.reading.archive import Archive
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.entries import Entry
from opuscule.archive.storage.stores import LocalStore
from opuscule.archive.upkeep.garbage import collect_garbage
from opuscule.units import MEDIA_RATE

__all__ = ["ArchiveStats", "archive_stats"]

_MOST_DAYS = 62
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """What an archive is made of."""

    recordings: int
    """How many there are."""
    total_samples: int
    """Length of their audio in 48 kHz samples."""
    payload_bytes: int
    """Length of their packets."""
    index_bytes: int
    """What the indexes take."""
    points_bytes: int
    """What the sync points take."""
    lossless_bytes: int
    """What the originals beside take."""
    other_bytes: int
    """What checksums, metadata and the catalogue take."""
    garbage_bytes: int | None
    """What :func:`collect_garbage` would give back; None if the archive is not in a folder."""
    prepared: int
    """How many have sync points."""
    broken_off: int
    """How many were broken off."""
    gaps: int
    """Stretches without packets, of any kind."""
    lost_samples: int
    """Length of what was sent and did not arrive, in 48 kHz samples."""
    kinds: Mapping[str, int]
    """How many were imported, and how many live."""
    rates: Mapping[int, int]
    """How many sources had which rate in Hz."""
    containers: Mapping[str, int]
    """How many files were of which kind: ``wav``, ``flac``, ``ogg`` …"""
    channels: Mapping[int, int]
    """How many have one channel, and how many two."""
    samples_by_time: Mapping[str, int]
    """48 kHz samples by the day, UTC, on which recordings began (``2026-05-01``), or by the month
    (``2026-05``) if they lie more than 62 days apart, in order."""
    undated_samples: int
    """48 kHz samples of those that do not say when they began."""

    @property
    def stored_bytes(self) -> int:
        """What all of it takes on the disk, garbage not counted."""
        parts = self.payload_bytes, self.index_bytes, self.points_bytes, self.lossless_bytes
        return sum(parts) + self.other_bytes

    @property
    def mean_bits_per_s(self) -> float:
        """Packets by the length of the audio, in bits a second."""
        return self.payload_bytes * 8 * MEDIA_RATE / self.total_samples if self.total_samples else 0


def archive_stats(archive: Archive) -> ArchiveStats:
    """Add up what the catalogue says of an archive's recordings.

    Raises:
        OSError: its store fails.
    """
    entries = list(archive.catalogue().values())

    def total(of: str) -> int:
        return sum(getattr(entry, of) for entry in entries)

    other, garbage = total("other_bytes"), None
    if isinstance(archive.store, LocalStore):
        for name in ("zarr.json", "recordings/zarr.json", CATALOGUE):
            path = archive.store.path / name
            other += path.stat().st_size if path.exists() else 0
        garbage = collect_garbage(archive.store.path, dry_run=True).freed_bytes
    dated = [entry for entry in entries if entry.start_epoch_ms is not None]
    by_time = _by_time(dated)
    return ArchiveStats(
        recordings=len(entries),
        total_samples=total("total_samples"),
        payload_bytes=total("payload_bytes"),
        index_bytes=total("index_bytes"),
        points_bytes=total("points_bytes"),
        lossless_bytes=total("lossless_bytes"),
        other_bytes=other,
        garbage_bytes=garbage,
        prepared=sum(entry.prepared for entry in entries),
        broken_off=sum(not entry.complete for entry in entries),
        gaps=total("gaps"),
        lost_samples=total("lost_samples"),
        kinds=_counted(entry.kind for entry in entries),
        rates=_counted(entry.rate for entry in entries),
        containers=_counted(entry.container for entry in entries if entry.container),
        channels=_counted(entry.channels for entry in entries),
        samples_by_time=by_time,
        undated_samples=total("total_samples") - sum(by_time.values()),
    )


def _counted(values: Iterable[_T]) -> dict[_T, int]:
    """Count values, the most frequent first."""
    return dict(Counter(values).most_common())


def _by_time(entries: Iterable[Entry]) -> dict[str, int]:
    days: Counter[date] = Counter()
    for entry in entries:
        # A clock that was wrong beyond what a calendar has says nothing.
        with contextlib.suppress(OverflowError, OSError, ValueError):
            begin = datetime.fromtimestamp((entry.start_epoch_ms or 0) / 1000, UTC).date()
            days[begin] += entry.total_samples
    found: Counter[str] = Counter()
    by_month = bool(days) and (max(days) - min(days)).days >= _MOST_DAYS
    for day in sorted(days):
        found[f"{day:%Y-%m}" if by_month else f"{day}"] += days[day]
    return dict(found)

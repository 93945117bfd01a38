"""Recordings removed: by their names, or because they are old or there are too many.

What is removed is gone from every file of the archive, and its space is given back. How that is
safe from a kill is in ``storage/changes.py``.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opuscule.archive.reading.archive import Archive, open_archive
from opuscule.archive.storage.changes import take_away
from opuscule.archive.storage.entries import Entry
from opuscule.archive.storage.incoming import tree_bytes
from opuscule.archive.storage.info import is_name
from opuscule.errors import InvalidArgumentError, RecordingNotFoundError

__all__ = ["ExpireReport", "Expired", "RemoveReport", "expire_recordings", "remove_recordings"]


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What was removed."""

    removed: tuple[str, ...]
    """Names of the recordings."""
    freed_bytes: int
    """How long their files were together."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A recording that is over its time, or for which there is no room."""

    name: str
    """Its name."""
    epoch_ms: int | None
    """Its age counts from here, in milliseconds since 1970 UTC; None if that is not known."""
    counted_from: Literal["start", "added", "unknown"]
    """What that is: when it began; where that is not known, when it was added to the archive."""
    size_bytes: int
    """What it takes on the disk."""
    reason: Literal["age", "size"]
    """Which of the limits it is over; the age, if both."""


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """What was removed, and what is left."""

    removed: tuple[Expired, ...]
    """The recordings, the oldest first."""
    freed_bytes: int
    """What they took on the disk."""
    kept: int
    """How many recordings are left."""
    kept_bytes: int
    """What those take."""


def remove_recordings(
    archive: str | os.PathLike[str], names: Iterable[str], *, dry_run: bool = False
) -> RemoveReport:
    """Remove recordings with all that belongs to them, damaged ones as well.

    Others may read and write the archive meanwhile. Who has one of the recordings open gets a
    :class:`RecordingNotFoundError` at the next look into it. Killed at any moment, each of the
    recordings is there as it was, or is not seen; :func:`collect_garbage` clears up.

    Args:
        archive: a local archive.
        names: of the recordings.
        dry_run: remove nothing, only say what would be.

    Raises:
        RecordingNotFoundError: there is none of a name; nothing was removed then.
        NotAnArchiveError: there is no archive.
        ArchiveError: it is not in a folder.
        OSError: it cannot be written.
    """
    opened = open_archive(archive)
    wanted = tuple(dict.fromkeys(names))
    known = opened.catalogue()
    folders = set(opened.store.names("recordings"))
    for name in wanted:
        if not is_name(name) or (name not in known and name not in folders):
            raise RecordingNotFoundError(
                f"{opened.store.name} has no recording {name!r}; nothing was removed"
            )
    root = opened.path
    freed = sum(tree_bytes(root / "recordings" / name) for name in wanted)
    if not dry_run:
        take_away(root, wanted)
    return RemoveReport(wanted, freed)


def expire_recordings(
    archive: str | os.PathLike[str],
    *,
    now_epoch_ms: int,
    older_than_ms: int | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
) -> ExpireReport:
    """Remove the oldest recordings until none is too old and all fit into a size.

    The age of a recording counts from its beginning; where that is not known, from when it was
    added to the archive. One of which neither is known is never too old, and is the last to go for
    want of room. Of two of one age the first by its name goes.

    Args:
        archive: a local archive.
        now_epoch_ms: the time, in milliseconds since 1970 UTC.
        older_than_ms: how old they may become, in milliseconds; None for any age.
        max_bytes: what they may take on the disk together; None for any size. What killed writers
            left does not count.
        dry_run: remove nothing, only say what would be.

    Raises:
        InvalidArgumentError: no limit is given, or one is negative.
        NotAnArchiveError: there is no archive.
        ArchiveError: it is not in a folder.
        OSError: it cannot be written.
    """
    limits = [limit for limit in (older_than_ms, max_bytes) if limit is not None]
    if not limits or min(limits) < 0:
        raise InvalidArgumentError(
            f"older_than_ms is {older_than_ms} and max_bytes is {max_bytes}; expected one or both, "
            "0 or more"
        )
    opened = open_archive(archive)
    root = opened.path
    entries = _oldest_first(opened)
    kept_bytes = sum(entry.stored_bytes for entry in entries)
    expired: list[Expired] = []
    for entry in entries:
        epoch_ms, counted_from = _age(entry)
        old = (
            older_than_ms is not None
            and epoch_ms is not None
            and epoch_ms < now_epoch_ms - older_than_ms
        )
        if not old and (max_bytes is None or kept_bytes <= max_bytes):
            continue
        size = entry.stored_bytes
        kept_bytes -= size
        expired.append(Expired(entry.name, epoch_ms, counted_from, size, "age" if old else "size"))
    if not dry_run:
        take_away(root, [one.name for one in expired])
    freed = sum(one.size_bytes for one in expired)
    return ExpireReport(tuple(expired), freed, len(entries) - len(expired), kept_bytes)


def _oldest_first(opened: Archive) -> list[Entry]:
    def key(entry: Entry) -> tuple[bool, int, str]:
        epoch_ms, _ = _age(entry)
        return epoch_ms is None, epoch_ms or 0, entry.name

    return sorted(opened.catalogue().values(), key=key)


def _age(entry: Entry) -> tuple[int | None, Literal["start", "added", "unknown"]]:
    if entry.start_epoch_ms is not None:
        return entry.start_epoch_ms, "start"
    if entry.added_epoch_ms is not None:
        return entry.added_epoch_ms, "added"
    return None, "unknown"

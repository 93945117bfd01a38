"""What is of no use to anybody any more, found and removed."""

import os
from dataclasses import dataclass

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.storage import catalogue
from opuscule.archive.storage.incoming import Leftover, clear_beside, clear_left

__all__ = ["GarbageReport", "collect_garbage"]


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What was of no use."""

    found: tuple[Leftover, ...]
    """What it was."""
    freed_bytes: int
    """How long its files were together."""
    in_use: int
    """How many folders living writers hold; these were left alone."""


def collect_garbage(archive: str | os.PathLike[str], *, dry_run: bool = False) -> GarbageReport:
    """Remove what killed writers left behind, and lines of the catalogue that others replaced.

    What a living writer holds is not touched, nor is any recording. Writing to the archive does the
    same on the way, but for the catalogue; this says what there was.

    Args:
        archive: a local archive.
        dry_run: remove nothing, only say what would be.

    Raises:
        NotAnArchiveError: there is no archive.
        ArchiveError: it is not in a folder.
        OSError: it cannot be written.
    """
    root = open_archive(archive).path
    found, in_use = clear_left(root, lambda names: catalogue.adopt(root, names), dry_run=dry_run)
    found += clear_beside(root, dry_run=dry_run)
    for path, size in (
        (root / catalogue.UNFINISHED, catalogue.clear_unfinished(root, dry_run=dry_run)),
        (root / catalogue.CATALOGUE, catalogue.compact(root, dry_run=dry_run)),
    ):
        if size:
            found.append(Leftover(path, size, "catalogue"))
    return GarbageReport(tuple(found), sum(one.size_bytes for one in found), in_use)

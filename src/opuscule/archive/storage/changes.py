"""What is done to recordings in their places: sync points put in, whole recordings taken away.

Each change shows at one moment, a rename, and what a kill leaves of the rest lies in a folder under
``.incoming`` that has the recording's name; see ``catalogue``.
"""

import contextlib
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

from opuscule import _native
from opuscule.archive.storage import catalogue
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.entries import read_entry
from opuscule.archive.storage.incoming import (
    INCOMING,
    REMOVED,
    alone,
    lock_archive,
    make_place,
    unlock,
)
from opuscule.archive.storage.info import RecordingInfo, check_name
from opuscule.archive.storage.store import replace_document, sync, sync_tree, write_array
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.errors import NotAnArchiveError, RecordingNotFoundError

__all__ = ["take_away", "write_points"]

_AT_ONCE = 100
"""So many recordings go with one writing of the catalogue, each with a folder held open."""


def write_points(
    recording: Path,
    info: RecordingInfo,
    rows: bytes,
    columns: int,
    attributes: Mapping[str, object],
) -> None:
    """Add the array of sync points to a recording, in place of one that is there.

    Args:
        recording: its folder.
        info: what it is; the points are of this recording and of no other.
        rows: the points.
        columns: bytes of each.
        attributes: of the array.

    Raises:
        RecordingNotFoundError: it was removed, or another one is in its place.
        CorruptArchiveError: the recording cannot be read.
        OSError: there is no room, or the archive cannot be written.
    """
    root, here = recording.parents[1], Place(LocalStore(recording.parent), recording.name)
    lock = lock_archive(root, lambda names: catalogue.adopt(root, names))
    try:
        with make_place(root, recording.name) as own:
            place = own.path
            known = {**attributes, "rows_crc32c": _native.crc32c(rows)}
            document = write_array(place / "points", rows, columns, known)
            sync_tree(place / "points")
            with alone(root):
                _check_same(here, info)
                target = recording / "points"
                if target.exists():
                    # First nobody is told of them, then they go: a crash leaves none.
                    replace_document(recording, place, {"points": None})
                    target.rename(place / "old")
                (place / "points").rename(target)
                sync(recording)
                replace_document(recording, place, {"points": document})
                entry = read_entry(here)
                if entry is not None:
                    catalogue.enter(root, entry)
    finally:
        unlock(lock)


def _check_same(here: Place, info: RecordingInfo) -> None:
    try:
        found = RecordingInfo.from_attributes(open_recording_document(here)[0], str(here))
    except NotAnArchiveError as error:
        raise RecordingNotFoundError(f"{here} was removed after it was opened") from error
    if found != info:
        raise RecordingNotFoundError(
            f"{here} was removed after it was opened, and another recording has its name: open it "
            "again"
        )


def take_away(root: Path, names: Iterable[str]) -> None:
    """Remove recordings, their lines in the catalogue, and all their files.

    What is not there is passed over. Killed at any moment, each of them is there as it was or is
    not seen; the next writer removes what is left of it.

    Raises:
        InvalidArgumentError: no recording can have such a name.
        OSError: the archive cannot be written; or not all files could be deleted.
    """
    lock = lock_archive(root, lambda names: catalogue.adopt(root, names))
    try:
        left = iter(names)
        while batch := list(itertools.islice(left, _AT_ONCE)):
            for name in batch:
                check_name(name)  # a catalogue may be of somebody else's making, and say a path
            _take_away(root, batch)
    finally:
        unlock(lock)


def _take_away(root: Path, names: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        places = {name: stack.enter_context(make_place(root, name)).path for name in names}
        sync(root / INCOMING)
        try:
            with alone(root):
                catalogue.leave_out(root, set(names))
                for name, place in places.items():
                    with contextlib.suppress(FileNotFoundError):  # there was but a line
                        (root / "recordings" / name).rename(place / REMOVED)
                sync(root / "recordings")
        except BaseException:  # Ctrl-C, too
            catalogue.adopt(root, names)
            raise
    if not (root / catalogue.CATALOGUE).exists():
        with contextlib.suppress(OSError):  # without it an archive is read by its folders
            catalogue.rebuild(root)  # for which there may be room now
    if stuck := [str(place) for place in places.values() if place.exists()]:
        raise PermissionError(
            f"{', '.join(stuck)}: not all files could be deleted; the recordings are gone from the "
            "archive"
        )

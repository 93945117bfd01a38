"""The catalogue: one line for each recording of an archive, so that one read tells what there is.

Theory of operation. To ``catalogue.jsonl`` a line is appended when a recording has been put in its
place, and another when it has changed; the last line about a name counts. When recordings go, it is
written anew without them, so that nothing of them is left. The recordings are the truth and the
catalogue is a copy: where it is missing or damaged, the folders are listed instead, and it can be
made anew at any time.

Who changes it is ``alone`` with it and with the names of the recordings. One who is killed between
the two steps leaves a folder with the recording's name under ``.incoming``. Readers of a local
archive look there too, and the next writer, which clears that away, adds the line.
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.entries import Entry, line, line_names, parse, read_entry
from opuscule.archive.storage.incoming import alone
from opuscule.archive.storage.store import sync
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.errors import ArchiveError, CorruptArchiveError

__all__ = [
    "CATALOGUE",
    "UNFINISHED",
    "adopt",
    "appear",
    "clear_unfinished",
    "compact",
    "enter",
    "leave_out",
    "rebuild",
]

CATALOGUE = "catalogue.jsonl"
"""Its name in the archive's root."""

UNFINISHED = f".{CATALOGUE}.new"
"""What it is called while it is written anew."""

_log = logging.getLogger(__name__)


def appear(root: Path, made: Path, name: str) -> None:
    """Put a recording that lies ready in its place, and add its line.

    Raises:
        ArchiveError: what lies there is no recording.
        OSError: something is in that place, or it cannot be put there.
    """
    entry = read_entry(Place(LocalStore(made.parent), made.name), name)
    target = root / "recordings" / name
    with alone(root):
        made.rename(target)
        if entry is not None:
            enter(root, entry)
        sync(target.parent)


def adopt(root: Path, names: Collection[str]) -> None:
    """Finish what somebody who was killed had begun with recordings.

    Points that a recording does not name yet go; the catalogue is made to say of these recordings
    what is so.
    """
    store = LocalStore(root)
    entries: dict[str, Entry] = {}
    with alone(root):
        for name in names:
            with contextlib.suppress(ArchiveError, OSError):
                _, arrays = open_recording_document(Place(store, f"recordings/{name}"))
                if "points" not in arrays:
                    shutil.rmtree(root / "recordings" / name / "points", ignore_errors=True)
        try:
            parse(store.read(CATALOGUE), entries)
        except (OSError, CorruptArchiveError):
            return  # read without it; reindex makes it anew
        gone = [one for one in names if one in entries and not (root / "recordings" / one).exists()]
        if gone:
            leave_out(root, gone)
        for name in names:
            with contextlib.suppress(ArchiveError, OSError):
                entry = read_entry(Place(store, f"recordings/{name}"))
                if entry is not None and entry != entries.get(name):
                    enter(root, entry)


def enter(root: Path, entry: Entry) -> None:
    """Add a recording's line, as :func:`alone`; what fails is logged and not raised."""
    try:
        _append(root, line(entry))
    except OSError as error:
        # The recording is whole. Without its catalogue an archive is read by its folders.
        _log.warning("%s cannot be written, and is removed: %s", root / CATALOGUE, error)
        with contextlib.suppress(OSError):
            (root / CATALOGUE).unlink()


def leave_out(root: Path, names: Collection[str]) -> None:
    """Write the catalogue anew without some recordings, as :func:`alone`.

    Where there is no room for it, it is removed: the next that enters something makes it anew.

    Raises:
        OSError: it can be neither written nor removed.
    """
    path = root / CATALOGUE
    try:
        data = path.read_bytes()
        lines = _last_lines(data)
    except FileNotFoundError:
        return
    except CorruptArchiveError as error:
        _log.warning("%s: %s; it is made anew", path, error)
        _rebuild(root, names)
        return
    try:
        _replace(path, b"".join(one for name, one in lines.items() if name not in names))
    except OSError as error:
        _log.warning("%s cannot be written anew, and is removed: %s", path, error)
        path.unlink()


def compact(root: Path, *, dry_run: bool = False) -> int:
    """Leave out what later lines have replaced; return how many bytes that gives back.

    A catalogue that is missing or damaged is left as it is.

    Raises:
        OSError: it cannot be written.
    """
    path = root / CATALOGUE
    with alone(root):
        try:
            data = path.read_bytes()
            kept = b"".join(_last_lines(data).values())
        except (FileNotFoundError, CorruptArchiveError):
            return 0
        if len(kept) < len(data) and not dry_run:
            _replace(path, kept)
        return len(data) - len(kept)


def clear_unfinished(root: Path, *, dry_run: bool = False) -> int:
    """Remove a catalogue that was not written to its end; return how many bytes it has."""
    made = root / UNFINISHED
    with alone(root), contextlib.suppress(FileNotFoundError):
        size = made.lstat().st_size
        if not dry_run:
            made.unlink()
        return size
    return 0


def rebuild(root: Path) -> tuple[int, tuple[str, ...]]:
    """Make an archive's catalogue anew from its recordings.

    Returns:
        How many it lists, and what was wrong with others.

    Raises:
        OSError: it cannot be written.
    """
    with alone(root):
        return _rebuild(root)


def _rebuild(root: Path, without: Collection[str] = ()) -> tuple[int, tuple[str, ...]]:
    store = LocalStore(root)
    problems: list[str] = []
    lines: list[bytes] = []
    for name in store.names("recordings"):
        try:
            entry = None if name in without else read_entry(Place(store, f"recordings/{name}"))
        except ArchiveError as error:
            problems.append(str(error))
            continue
        if entry is not None:
            lines.append(line(entry))
    _replace(root / CATALOGUE, b"".join(lines))
    return len(lines), tuple(problems)


def _last_lines(data: bytes) -> dict[str, bytes]:
    """Take the last line about each name; what was not written to its end is none."""
    data = data[: data.rfind(b"\n") + 1]
    lines = [one + b"\n" for one in data.split(b"\n")[:-1]]
    return dict(zip(line_names(data), lines, strict=True))


def _append(root: Path, added: bytes) -> None:
    path = root / CATALOGUE
    if not path.exists():
        _rebuild(root)
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        end -= _torn(path, end)
        file.seek(end)
        try:
            file.write(added)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def _replace(path: Path, data: bytes) -> None:
    made = path.with_name(UNFINISHED)
    try:
        with made.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.rename(path)
    finally:
        made.unlink(missing_ok=True)
    sync(path.parent)


def _torn(path: Path, size: int) -> int:
    """Count the bytes of a last line that was not written to its end."""
    with path.open("rb") as file:
        back = 4096
        while True:
            file.seek(max(0, size - back))
            tail = file.read(min(back, size))
            if b"\n" in tail or back >= size:
                return len(tail) - (tail.rfind(b"\n") + 1)
            back *= 16

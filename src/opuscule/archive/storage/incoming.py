"""Where writers gather what is not to be seen yet, and the locks that say who is at work.

Theory of operation. Three locks, all of them ``flock``, which the system takes back when a process
ends, however it ends:

- on the archive's folder, shared, by every writer: an archive is not removed under anybody's hands;
- on a folder of one's own below ``.incoming``, by whom it belongs to: one that nobody holds was
  left by a writer that was killed, and is cleared away;
- on ``recordings``, by whoever changes what is in it, together with the catalogue, so that both
  say the same: for a moment only, and never while another lock is waited for.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from opuscule.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "INCOMING",
    "REMOVED",
    "Leftover",
    "OwnPlace",
    "alone",
    "clear_beside",
    "clear_left",
    "left_names",
    "lock_archive",
    "make_beside",
    "make_place",
    "tree_bytes",
    "unlock",
]

INCOMING = ".incoming"
"""The folder in an archive's root that is for writers only."""

_BESIDE = ".opuscule"

REMOVED = "removed"
"""What a recording is called, in a folder of one's own, on its way out."""

Kind = Literal["unfinished", "removed", "catalogue"]
"""What is left over; see :class:`Leftover`."""


class OwnPlace:
    """A folder of a writer's own, held as long as it lives; a context manager that removes it."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        """Where it is; its name is that of a recording, a dot, and something."""
        self._handle = handle

    def close(self) -> None:
        """Remove it with all that is in it, and ``.incoming`` if nobody else is in there."""
        import shutil  # for writers alone: reading one second does without

        shutil.rmtree(self.path, ignore_errors=True)
        self.release()
        if self.path.parent.name == INCOMING:
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()

    def release(self) -> None:
        """Leave it to others as it is."""
        unlock(self._handle)
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Leftover:
    """What is of no use to anybody any more."""

    path: Path
    """Where it is."""
    size_bytes: int
    """How long its files are together."""
    kind: Kind
    """``unfinished``: what a writer that was killed had gathered; ``removed``: the rest of a
    recording whose removal was killed; ``catalogue``: lines that later ones have replaced, or a
    catalogue that was not written to its end."""


def make_place(root: Path, name: str) -> OwnPlace:
    """Make a folder of one's own for a recording, in an archive.

    Raises:
        OSError: it cannot be made.
    """
    import tempfile  # for writers alone

    incoming = root / INCOMING
    for _ in range(100):
        # Not exist_ok, which looks again and fails where it has been removed meanwhile.
        with contextlib.suppress(FileExistsError):
            incoming.mkdir()
        # Another writer that ends at this moment may remove the empty directory.
        with contextlib.suppress(FileNotFoundError):
            if place := _hold(Path(tempfile.mkdtemp(prefix=f"{name}.", dir=incoming))):
                return place
    raise ArchiveError(f"{incoming} is removed again and again; what else is using the archive?")


def make_beside(root: Path) -> OwnPlace:
    """Make a folder of one's own beside an archive that is to appear, or to go, at once.

    Raises:
        OSError: it cannot be made.
    """
    import tempfile

    for _ in range(100):
        made = tempfile.mkdtemp(prefix=f".{root.name}.", suffix=_BESIDE, dir=root.parent)
        with contextlib.suppress(FileNotFoundError):
            if place := _hold(Path(made)):
                return place
    raise ArchiveError(f"{root}: what is made beside it is removed again and again")


def left_names(root: Path) -> list[str]:
    """List the names of recordings that are being written, or were when their writers ended."""
    try:
        return sorted({_name(path) for path in (root / INCOMING).iterdir()})
    except (FileNotFoundError, NotADirectoryError):
        return []


def clear_left(
    root: Path, adopt: Callable[[list[str]], None] | None = None, *, dry_run: bool = False
) -> tuple[list[Leftover], int]:
    """Remove what killed writers left below ``.incoming``.

    Args:
        root: the archive.
        adopt: is given the name of the recording before its folder goes.
        dry_run: remove nothing.

    Returns:
        What it was, and how many folders living writers hold.
    """
    try:
        paths = sorted((root / INCOMING).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return [], 0
    found = _clear(paths, adopt, dry_run)
    if not dry_run:
        with contextlib.suppress(OSError):  # others may be at work in it
            (root / INCOMING).rmdir()
    return found


def clear_beside(root: Path, *, dry_run: bool = False) -> list[Leftover]:
    """Remove what :func:`make_beside` made for those who were killed."""
    start = f".{root.name}."
    paths = sorted(root.parent.glob(f".*{_BESIDE}"))
    return _clear([path for path in paths if path.name.startswith(start)], None, dry_run)[0]


def _clear(
    paths: list[Path], adopt: Callable[[list[str]], None] | None, dry_run: bool
) -> tuple[list[Leftover], int]:
    found: list[Leftover] = []
    living = 0
    if sys.platform == "win32":  # where nobody can tell who is alive
        return found, living
    for path in paths:
        if not path.is_dir():
            continue
        try:
            place = _hold(path)
        except FileNotFoundError:  # its owner, or who clears up as well, was faster
            continue
        except PermissionError:
            place = None
        if place is None:
            living += 1
            continue
        try:
            kind: Kind = "removed" if (path / REMOVED).exists() else "unfinished"
            found.append(Leftover(path, tree_bytes(path), kind))
            if not dry_run:
                if adopt is not None:
                    adopt([_name(path)])
                place.close()
        finally:
            place.release()
    return found, living


def lock_archive(root: Path, adopt: Callable[[list[str]], None] | None = None) -> int | None:
    """Take part in writing, and clear away what killed writers left.

    ``adopt`` is given the names of their recordings before that.
    """
    if sys.platform == "win32":
        return None
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        clear_left(root, adopt)
    except BaseException:  # Ctrl-C, too
        os.close(handle)
        raise
    return handle


def unlock(handle: int | None) -> None:
    """Give a lock back."""
    if handle is not None:
        os.close(handle)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Be the only one that changes which recordings there are, and the catalogue."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(root / "recordings", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def tree_bytes(path: Path) -> int:
    """Add up the lengths of all files in a folder; what vanishes meanwhile is not counted."""
    size = 0
    for folder, _, files in os.walk(path):
        for file in files:
            with contextlib.suppress(OSError):
                size += Path(folder, file).lstat().st_size
    return size


def _name(place: Path) -> str:
    return place.name.rpartition(".")[0]


def _hold(path: Path) -> OwnPlace | None:
    """Take a folder for oneself; None if somebody holds it.

    Raises:
        FileNotFoundError: it is gone.
        PermissionError: it is somebody else's.
    """
    if sys.platform == "win32":
        return OwnPlace(path, None)
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.stat()  # it may have gone before it was locked; no name is used twice
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return OwnPlace(path, handle)

"""Where writers gather what is not to be seen yet, and the lock that says if any is at work."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from opuscule.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

__all__ = ["left_names", "lock_archive", "make_place", "remove", "unlock"]


def make_place(incoming: Path, name: str) -> Path:
    """Make a directory of one's own under ``incoming``, which is made if need be."""
    import tempfile  # for writers alone, as shutil below

    for _ in range(100):
        incoming.mkdir(exist_ok=True)
        # Another writer that ends at this moment may remove the empty directory.
        with contextlib.suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=f"{name}.", dir=incoming))
    raise ArchiveError(f"{incoming} is removed again and again; what else is using the archive?")


def remove(place: Path) -> None:
    """Remove a directory and what is in it, as far as that can be done."""
    import shutil

    shutil.rmtree(place, ignore_errors=True)


def left_names(root: Path) -> list[str]:
    """List the names of recordings that are being written, or were when their writers ended."""
    try:
        return sorted({p.name.rpartition(".")[0] for p in (root / ".incoming").iterdir()})
    except (FileNotFoundError, NotADirectoryError):
        return []


def lock_archive(root: Path, adopt: Callable[[list[str]], None] | None = None) -> int | None:
    """Take part in writing; first remove what killed writers left, if nobody else is writing.

    ``adopt`` is given the names of their recordings before that.
    """
    if sys.platform == "win32":
        return None
    handle = os.open(root, os.O_RDONLY)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (root / ".incoming").exists():
                if adopt is not None:
                    adopt(left_names(root))
                remove(root / ".incoming")
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:
        os.close(handle)
        raise
    return handle


def unlock(handle: int | None) -> None:
    """Give the lock back."""
    if handle is not None:
        os.close(handle)

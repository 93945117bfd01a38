"""Where writers gather what is not to be seen yet, and the lock that says if any is at work."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from opuscule.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

__all__ = ["lock_archive", "make_place", "unlock"]


def make_place(incoming: Path, name: str) -> Path:
    """Make a directory of one's own under ``incoming``, which is made if need be."""
    for _ in range(100):
        incoming.mkdir(exist_ok=True)
        # Another writer that ends at this moment may remove the empty directory.
        with contextlib.suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=f"{name}.", dir=incoming))
    raise ArchiveError(f"{incoming} is removed again and again; what else is using the archive?")


def lock_archive(root: Path) -> int | None:
    """Take part in writing; first remove what killed writers left, if nobody else is writing."""
    if sys.platform == "win32":
        return None
    handle = os.open(root, os.O_RDONLY)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(root / ".incoming", ignore_errors=True)
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError:
        os.close(handle)
        raise
    return handle


def unlock(handle: int | None) -> None:
    """Give the lock back."""
    if handle is not None:
        os.close(handle)

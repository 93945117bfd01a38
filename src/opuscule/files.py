"""Files that are whole or not there: checks before reading, atomic writing."""

import contextlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from opuscule.errors import FormatError, InvalidArgumentError

__all__ = ["atomic_output", "check_input", "check_open", "check_output", "why"]


def check_input(path: str | os.PathLike[str], *, expected: str = "audio") -> Path:
    """Return ``path`` if something is there to be read; its content is not looked at.

    A device or pipe passes, although its size is 0. ``expected`` is the content, for
    the error.

    Raises:
        FileNotFoundError: nothing has that name.
        IsADirectoryError: it is a folder.
        PermissionError: this user may not read it.
        FormatError: it is a file of 0 bytes.
        InvalidArgumentError: no file can have that name.
    """
    path, status = _stat(path)
    if status is None:
        raise FileNotFoundError(f"{path}: there is no such file; check the name")
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path} may not be read by this user; check its permissions")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise FormatError(f"{path} is empty: got 0 bytes, expected {expected}")
    return path


def check_open(file: object, mode: str) -> None:
    """Refuse a name where an open file is expected, and a file that is open as text.

    Raises:
        InvalidArgumentError: it is one of these; the message has the call with ``mode``.
    """
    if isinstance(file, str | bytes | os.PathLike):
        wrong = f"{os.fspath(file)!r} is a name"
    elif isinstance(file, io.TextIOBase):
        wrong = "the file is open as text"
    else:
        return
    raise InvalidArgumentError(f"{wrong}; expected an open binary file: open(name, {mode!r})")


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if a file can be written there, as far as is known before it is tried.

    For what is written at the end of long work. Errors: see :func:`atomic_output`.
    """
    path, status = _writable(path)
    if status is None or stat.S_ISREG(status.st_mode):
        folder = path.resolve().parent
        if not folder.is_dir():
            raise _no_folder(folder)
        if not os.access(folder, os.W_OK):
            raise _no_permission(folder)
    return path


def why(error: OSError) -> str:
    """Say why something failed without Python's "[Errno 28]", which tells a person nothing."""
    return error.strerror or str(error)


@contextlib.contextmanager
def atomic_output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is whole and on the disk.

    Yields a seekable binary file in the same folder under a temporary name (``.opuscule-*.part``).
    When the block ends well it is flushed to the disk and takes the name, and the permissions, of
    what was there before; whatever ends the block otherwise (Ctrl-C included) removes it and leaves
    the old file as it was. A symbolic link is followed. A device or pipe (``/dev/null``,
    ``/dev/stdout``) cannot be replaced and is written directly.

    Raises:
        IsADirectoryError: ``path`` is a folder.
        FileNotFoundError: the folder that it is to be in does not exist.
        NotADirectoryError: what should be that folder is a file.
        PermissionError: this user may not write there.
        InvalidArgumentError: no file can have that name.
        OSError: writing failed, such as on a full disk.
    """
    path, status = _writable(path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        with path.open("wb") as direct:
            yield direct
        return
    target = path.resolve()
    part = target.parent / f".opuscule-{secrets.token_hex(6)}.part"
    try:
        with _create(part) as output:  # within the try: Ctrl-C may come as soon as it is there
            yield output
            output.flush()
            if status is not None:
                part.chmod(stat.S_IMODE(status.st_mode))
            os.fsync(output.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(target.parent)


def _stat(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """Return the path and what is there, or None; other reasons for not knowing are raised."""
    found = Path(path)
    if not found.name and not os.fspath(path):
        raise InvalidArgumentError("the file name is empty; give one")
    try:
        return found, found.stat()
    except FileNotFoundError:
        return found, None
    except NotADirectoryError:
        raise NotADirectoryError(
            f"{path}: Not a directory: what should be its folder is a file"
        ) from None
    except ValueError as error:
        raise InvalidArgumentError(
            f"{os.fspath(path)!r} cannot be a file name: got a NUL or a character that none can "
            "have; give another name"
        ) from error


def _writable(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """As :func:`_stat`, of what may be replaced or written to."""
    path, status = _stat(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; name a file in it")
    if status is not None and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} may not be written by this user; choose another name")
    return path, status


def _create(part: Path) -> BinaryIO:
    try:
        return part.open("xb")
    except FileNotFoundError:
        raise _no_folder(part.parent) from None
    except PermissionError:
        raise _no_permission(part.parent) from None


def _no_folder(folder: Path) -> FileNotFoundError:
    return FileNotFoundError(f"{folder}: there is no such folder; create it first")


def _no_permission(folder: Path) -> PermissionError:
    return PermissionError(f"{folder}: this user may not create files there; choose another folder")


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system lets folders be flushed."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

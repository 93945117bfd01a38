"""Where an archive can be read from: a folder, a zip file, memory; an object store is in remote.py.

A store gives whole objects and ranges of objects by name, and lists names. That is all that reading
an archive needs; how many requests each part of it costs is in docs/archive-format.md.
"""

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from opuscule.errors import NotAnArchiveError

if TYPE_CHECKING:
    from zipfile import ZipFile

__all__ = [
    "LocalStore",
    "MemoryStore",
    "Place",
    "Store",
    "ZipStore",
]


class Store(ABC):
    """Objects by name; a name's parts are separated by ``/``."""

    name: str
    """What to call it in messages."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Read a whole object.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
        """

    @abstractmethod
    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes ``[start, stop)`` of an object, or as many of them as it has.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
        """

    @abstractmethod
    def names(self, key: str) -> list[str]:
        """List what has objects below ``key``, in order: one part of a name each.

        Raises:
            OSError: it cannot be listed.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a store, of an object or of what is below it."""

    store: Store
    key: str = ""

    def __truediv__(self, name: str) -> "Place":
        """Go one part further."""
        return Place(self.store, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        """Say where it is."""
        return f"{self.store.name}/{self.key}" if self.key else self.store.name

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    def read(self) -> bytes:
        """Read all of it, as :meth:`Store.read`."""
        return self.store.read(self.key)

    def read_range(self, start: int, stop: int) -> bytes:
        """Read a part of it, as :meth:`Store.read_range`."""
        return self.store.read_range(self.key, start, stop)


class LocalStore(Store):
    """A folder on a local disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The folder."""
        self.name = str(path)

    def read(self, key: str) -> bytes:
        """Read a file."""
        try:
            with open(f"{self.name}/{key}", "rb", buffering=0) as file:  # noqa: PTH123 - hot path
                return file.readall()
        except NotADirectoryError as error:
            raise FileNotFoundError(*error.args) from error

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read a part of a file with one ``pread``, where the system has it."""
        handle = os.open(f"{self.name}/{key}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            if hasattr(os, "pread"):
                return os.pread(handle, stop - start, start)
            os.lseek(handle, start, os.SEEK_SET)
            return os.read(handle, stop - start)
        finally:
            os.close(handle)

    def names(self, key: str) -> list[str]:
        """List the folders in a folder."""
        try:
            with os.scandir(self.path / key) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except FileNotFoundError:
            return []


class MemoryStore(Store):
    """A mapping of names to bytes."""

    def __init__(self, objects: Mapping[str, bytes], name: str = "memory") -> None:
        self._objects = objects
        self.name = name

    def read(self, key: str) -> bytes:
        """Take an object."""
        try:
            return self._objects[key]
        except KeyError:
            raise FileNotFoundError(f"memory holds no {key}") from None

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Take a part of an object."""
        return self.read(key)[start:stop]

    def names(self, key: str) -> list[str]:
        """List what is below a name."""
        return _below(list(self._objects), key)


class ZipStore(Store):
    """A zip file with an archive in it, or with a folder that is one.

    A range of a member that is stored costs its bytes; of one that is deflated, the whole member.

    Raises:
        NotAnArchiveError: it is no zip file.
        OSError: it cannot be read.
    """

    _LOCAL_HEADER = struct.Struct("<26xHH")

    def __init__(self, path: Path) -> None:
        import zipfile  # most processes read no zip file, and importing it takes milliseconds
        import zlib

        self._errors = (
            *(zipfile.BadZipFile, zlib.error),
            *(NotImplementedError, ValueError, EOFError),
        )
        self._stored = zipfile.ZIP_STORED
        self._opened: dict[int, ZipFile] = {}
        self.name = str(path)
        self._names = [info.filename for info in self._zip.infolist() if not info.is_dir()]
        tops = sorted((n for n in self._names if PurePosixPath(n).name == "zarr.json"), key=len)
        self._root = tops[0].removesuffix("zarr.json") if tops else ""

    def __reduce__(self) -> tuple[type["ZipStore"], tuple[Path]]:
        return ZipStore, (Path(self.name),)

    @property
    def _zip(self) -> "ZipFile":
        """It, opened by this process itself: forked ones would share their place in the file."""
        opened = self._opened.get(os.getpid())
        if opened is None:
            import zipfile

            try:
                opened = zipfile.ZipFile(self.name)
            except zipfile.BadZipFile as error:
                raise NotAnArchiveError(
                    f"{self.name} is no archive: expected a folder that opuscule archive import "
                    "made, or a zip file of one"
                ) from error
            self._opened = {os.getpid(): opened}
        return opened

    def read(self, key: str) -> bytes:
        """Read a member."""
        try:
            return self._zip.read(self._root + key)
        except KeyError:
            raise FileNotFoundError(f"{self.name} has no {key}") from None
        except self._errors as error:
            raise OSError(f"{self.name}: {key} cannot be unpacked: {error}") from error

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read a part of a member."""
        try:
            info = self._zip.getinfo(self._root + key)
        except KeyError:
            raise FileNotFoundError(f"{self.name} has no {key}") from None
        if info.compress_type != self._stored or info.flag_bits & 1:
            return self.read(key)[start:stop]
        with open(self.name, "rb", buffering=0) as file:  # noqa: PTH123 - hot path
            file.seek(info.header_offset)
            header = file.read(self._LOCAL_HEADER.size)
            if len(header) < self._LOCAL_HEADER.size:
                return b""
            name, extra = self._LOCAL_HEADER.unpack(header)
            begin = info.header_offset + len(header) + name + extra
            file.seek(begin + start)
            return file.read(max(0, min(stop, info.file_size) - start))

    def names(self, key: str) -> list[str]:
        """List what is below a name."""
        return _below(self._names, self._root + key)


def _below(names: list[str], key: str) -> list[str]:
    prefix = key.rstrip("/") + "/" if key else ""
    rest = (name[len(prefix) :] for name in names if name.startswith(prefix))
    return sorted({name.partition("/")[0] for name in rest if "/" in name})

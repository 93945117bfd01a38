"""An archive opened for reading.

The catalogue is imported where it is read: a process that reads one second of one recording does
not, and msgspec takes milliseconds to import.
"""

import fnmatch
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opuscule import _native
from opuscule.archive.reading.recording import Recording
from opuscule.archive.storage.incoming import left_names
from opuscule.archive.storage.info import is_name
from opuscule.archive.storage.remote import open_store
from opuscule.archive.storage.store import check_archive
from opuscule.archive.storage.stores import LocalStore, Place, Store
from opuscule.errors import (
    ArchiveError,
    CorruptArchiveError,
    NotAnArchiveError,
    RecordingNotFoundError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from opuscule.archive.storage.entries import Entry

__all__ = ["Archive", "open_archive"]

_SHOWN_NAMES = 5

_log = logging.getLogger(__name__)


def open_archive(
    where: "str | os.PathLike[str] | Mapping[str, bytes] | Store | ObjectStore", **options: Any
) -> "Archive":
    """Open an archive for reading.

    Args:
        where: its folder or zip file; an URL (``s3://``, ``gs://``, ``az://``, ``https://``); a
            mapping of names to bytes; a store.
        options: for an URL, those of :func:`obstore.store.from_url`.

    Raises:
        NotAnArchiveError: there is none, or one of a version that this release cannot read.
        CorruptArchiveError: its metadata cannot be understood.
        MissingExtraError: it is an URL, and the extra ``remote`` is not installed.
        InvalidArgumentError: an URL or option is not valid.
        OSError: it cannot be read.
    """
    store = open_store(where, **options)
    if isinstance(store, LocalStore) and not store.path.exists():
        raise NotAnArchiveError(
            f"{store.name}: there is no such archive: it has no zarr.json; check the name"
        )
    check_archive(Place(store))
    return Archive(store)


class Archive(Collection[str]):
    """The names of an archive's recordings, and ``archive[name]`` the recording.

    Each look at one on a local disk sees what is there at that moment; others are read once, and
    again on :meth:`refresh`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        """Where it is."""
        self._entries: dict[str, Entry] | None = None
        self._seen = (0, 0, 0)
        self._known = (0, 0)  # how many bytes of the catalogue, and their CRC32C
        self._told = False

    def __repr__(self) -> str:
        return f"<Archive {self.store.name!r}>"

    @property
    def path(self) -> Path:
        """Its folder.

        Raises:
            ArchiveError: it is not in one.
        """
        if isinstance(self.store, LocalStore):
            return self.store.path
        raise ArchiveError(f"{self.store.name} is no folder; export it into a local archive first")

    def __getitem__(self, name: str) -> Recording:
        """Open a recording.

        Raises:
            RecordingNotFoundError: there is none of that name.
            NotAnArchiveError, CorruptArchiveError: it cannot be read.
            OSError: its store fails.
        """
        place = Place(self.store, f"recordings/{name}")
        if is_name(name):
            try:
                return Recording(place)
            except NotAnArchiveError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
        names = list(self)
        if name in names:
            raise RecordingNotFoundError(
                f"{place} has no zarr.json, and is in the catalogue: take it from a copy; opuscule "
                "archive reindex leaves it out"
            )
        raise RecordingNotFoundError(
            f"{self.store.name} has no recording {name!r}; it has {_some(names)}"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.catalogue()))

    def __len__(self) -> int:
        return len(self.catalogue())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or not is_name(name):
            return False
        if isinstance(self.store, LocalStore):
            return (self.store.path / "recordings" / name / "zarr.json").is_file()
        return name in self.catalogue()

    def catalogue(self) -> "Mapping[str, Entry]":
        """Return what the catalogue says of each recording, by name.

        Where it is missing or damaged, the recordings are asked one by one, and a warning is
        logged; those that cannot be read are left out.

        Raises:
            OSError: the store fails.
        """
        if isinstance(self.store, LocalStore):
            return self._local_catalogue(self.store)
        if self._entries is None:
            from opuscule.archive.storage.catalogue import CATALOGUE
            from opuscule.archive.storage.entries import parse

            try:
                entries: dict[str, Entry] = {}
                parse(self.store.read(CATALOGUE), entries)
            except (FileNotFoundError, CorruptArchiveError) as error:
                entries = self._listed(error)
            self._entries = entries
        return self._entries

    def refresh(self) -> None:
        """Look again at the next occasion."""
        self._entries, self._seen, self._known = None, (0, 0, 0), (0, 0)

    def find(
        self,
        pattern: str = "*",
        *,
        device: str | None = None,
        start_epoch_ms: int | None = None,
        stop_epoch_ms: int | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> "Iterator[Entry]":
        """Search the catalogue; what is left as it is does not restrict.

        Args:
            pattern: of the name, with ``*``, ``?`` and ``[...]``.
            device: that recorded it.
            start_epoch_ms: recordings that end after this wall time.
            stop_epoch_ms: recordings that begin before this wall time. Those of unknown time are
                found by neither.
            attributes: what must be so of the user's own attributes, the tags, what a recorder said
                (``audiomoth.serial``), and ``device``, ``kind``, ``container`` and ``path``. A
                text stands for another value that JSON writes so.

        Raises:
            OSError: the store fails.
        """
        wanted = dict(attributes or {})
        for name, entry in sorted(self.catalogue().items()):
            begin = entry.start_epoch_ms
            if start_epoch_ms is not None or stop_epoch_ms is not None:
                if begin is None:
                    continue
                end = begin + entry.total_samples / 48
                if start_epoch_ms is not None and end <= start_epoch_ms:
                    continue
                if stop_epoch_ms is not None and begin >= stop_epoch_ms:
                    continue
            if (
                (device is None or entry.device == device)
                and all(_says(entry, key, value) for key, value in wanted.items())
                and fnmatch.fnmatchcase(name, pattern)
            ):
                yield entry

    def _local_catalogue(self, store: LocalStore) -> "Mapping[str, Entry]":
        """Read what is new of the catalogue, and what was not yet entered."""
        from opuscule.archive.storage.catalogue import CATALOGUE
        from opuscule.archive.storage.entries import parse

        try:
            status = (store.path / CATALOGUE).stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._entries is None or seen != self._seen:
                data = store.read(CATALOGUE)
                size, crc = self._known
                # Not by its inode, whose number another file may have had in between.
                grown = self._entries is not None and _native.crc32c(data[:size]) == crc
                entries = dict(self._entries or {}) if grown else {}
                # What is behind the last line is still being written, or was when its writer died.
                end = data.rfind(b"\n") + 1
                parse(data[size if grown else 0 : end], entries)
                self._entries, self._seen = entries, seen
                self._known = (end, _native.crc32c(data[:end]))
        except (FileNotFoundError, CorruptArchiveError) as error:
            self.refresh()
            return self._listed(error)
        # On these somebody is at work, or was when he was killed: they say themselves what is so.
        late = set(left_names(store.path))
        if not late:
            return self._entries
        known = {name: entry for name, entry in self._entries.items() if name not in late}
        return known | self._read(sorted(late))

    def _listed(self, error: Exception) -> "dict[str, Entry]":
        if not self._told:
            self._told = True
            _log.warning(
                "%s: the catalogue cannot be used (%s), so that every recording is read: opuscule "
                "archive reindex makes it anew",
                self.store.name,
                "it is missing" if isinstance(error, FileNotFoundError) else error,
            )
        return self._read(self.store.names("recordings"))

    def _read(self, names: list[str]) -> "dict[str, Entry]":
        from opuscule.archive.storage.entries import Entry, read_entry

        found = {}
        for name in names:
            try:
                entry = read_entry(Place(self.store, f"recordings/{name}"))
            except NotAnArchiveError:
                continue
            except CorruptArchiveError as error:
                _log.warning("%s", error)
                entry = Entry(name=name)
            if entry is not None:
                found[name] = entry
        return found


_FACTS = frozenset(("container", "device", "kind", "path"))


def _says(entry: "Entry", key: str, wanted: object) -> bool:
    for known in (entry.attributes, entry.tags, entry.metadata):
        if key in known:
            value = known[key]
            break
    else:
        value = getattr(entry, key) if key in _FACTS else None
        if value is None:
            return False
    if isinstance(value, str) or not isinstance(wanted, str):
        return value == wanted
    import msgspec

    return msgspec.json.encode(value).decode() == wanted


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES]) or "none"
    return shown + (f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else "")

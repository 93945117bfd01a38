"""Recordings copied, object by object, into a folder, a zip file or an object store.

A recording's ``zarr.json`` is written last, or the whole is renamed into its place, so that a
reader of the copy meets a recording whole or not at all; the catalogue comes after that.
"""

import contextlib
import os
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opuscule.archive.reading.archive import Archive, open_archive
from opuscule.archive.storage import catalogue
from opuscule.archive.storage.documents import open_recording_document, to_text
from opuscule.archive.storage.entries import Entry, line, read_entry
from opuscule.archive.storage.incoming import lock_archive, make_place, unlock
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.remote import RemoteStore, open_store
from opuscule.archive.storage.store import ensure_archive, root_objects, sync_tree
from opuscule.archive.storage.stores import MemoryStore, Place
from opuscule.errors import (
    CorruptArchiveError,
    InvalidArgumentError,
    NotAnArchiveError,
    RecordingExistsError,
    RecordingNotFoundError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ExportReport", "export_recordings"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was copied."""

    copied: tuple[str, ...]
    """Names of the recordings that were."""
    there_before: tuple[str, ...]
    """Names of those that the target had already, the same."""
    copied_bytes: int
    """Bytes of all objects together."""
    damaged: tuple[str, ...] = ()
    """What is wrong with recordings that are damaged, a line each. They were left out, unless it
    was asked for them."""


def export_recordings(
    archive: Archive,
    target: "str | os.PathLike[str] | ObjectStore",
    names: Iterable[str] | None = None,
    *,
    damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> ExportReport:
    """Copy recordings, with their sync points, into another archive, which is made if need be.

    All that is copied is compared with its checksums on the way; a damaged recording is left out
    and reported. Interrupted, it leaves whole recordings only, of a zip file nothing; a second run
    continues. Memory: two shards, 32 MiB at most.

    Args:
        archive: where they are.
        target: a folder; a name that ends with ``.zip``, which must not exist; an URL; a store of
            obstore.
        names: of which recordings; None for all.
        damaged: copy damaged recordings, too, as they are.
        progress: is told how many are done, and of how many.
        options: for an URL, those of :func:`obstore.store.from_url`.

    Raises:
        RecordingNotFoundError: there is none of a name.
        RecordingExistsError: the target has another recording of that name, or is a file.
        NotAnArchiveError: something else is there.
        CorruptArchiveError: the target is damaged.
        MissingExtraError: obstore is needed and not installed.
        OSError: a store cannot be read or written.
    """
    chosen = sorted(set(archive if names is None else names))
    for name in chosen:
        if name not in archive:
            raise RecordingNotFoundError(f"{archive.store.name} has no recording {name!r}")
    copied, same, wrong, size = list[str](), list[str](), list[str](), 0
    with _open_sink(target, options) as sink:
        for number, name in enumerate(chosen):
            place = Place(archive.store, f"recordings/{name}")
            try:
                entry = read_entry(place)
                assert entry is not None  # noqa: S101 - its name was found in an archive
                if sink.has(place):
                    same.append(name)
                else:
                    found = _Objects(place, damaged)
                    size += sink.add(entry, found)
                    copied.append(name)
                    wrong += found.problems
            except CorruptArchiveError as error:
                wrong.append(str(error))
            if progress:
                progress(number + 1, len(chosen))
    return ExportReport(tuple(copied), tuple(same), size, tuple(wrong))


class _Objects:
    """The objects of a recording, by their names in it; its ``zarr.json`` comes last.

    Args:
        place: of the recording.
        damaged: whether to go on over damage.
    """

    def __init__(self, place: Place, damaged: bool) -> None:
        self._place, self._damaged = place, damaged
        self.problems: list[str] = []
        """What is wrong with it: one line."""

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Read them.

        Raises:
            CorruptArchiveError: one is damaged, and those are not wanted.
        """
        place, self.problems = self._place, []
        text = (place / "zarr.json").read()
        # What these bytes say, and not what has become of them by now.
        snapshot = Place(MemoryStore({f"{place.name}/zarr.json": text}), place.name)
        _, arrays = open_recording_document(snapshot)
        for name, document in arrays.items():
            yield f"{name}/zarr.json", to_text(document)
            array = StoredArray(place / name, document)
            for number, key in enumerate(array.objects()):
                try:
                    data, problem = array.checked_object(number)
                except FileNotFoundError:
                    self._tell(f"{key} is missing")
                    continue
                if problem is not None:
                    self._tell(problem)
                yield key.key.removeprefix(place.key + "/"), data
        yield "zarr.json", text

    def _tell(self, problem: str) -> None:
        if not self._damaged:
            raise CorruptArchiveError(problem)
        if not self.problems:
            self.problems.append(problem)


class _Sink(ABC):
    """An archive that is written to."""

    archive: Archive | None = None
    """What is there already."""

    def has(self, place: Place) -> bool:
        """Tell whether it has a recording already.

        Raises:
            RecordingExistsError: it has another one of that name.
        """
        if self.archive is None:
            return False
        try:
            there = self.archive[place.name].info
        except RecordingNotFoundError:
            return False
        attributes, _ = open_recording_document(place)
        own = attributes["opuscule"]
        mine = {**there.to_own()}
        if isinstance(own, dict) and all(own.get(key) == mine[key] for key in mine):
            return True
        raise RecordingExistsError(
            f"{self.archive.store.name} has another recording {place.name!r}; remove it first or "
            "choose another target"
        )

    @abstractmethod
    def add(self, entry: Entry, objects: _Objects) -> int:
        """Write a recording; return how many bytes."""


class _FolderSink(_Sink):
    def __init__(self, root: Path) -> None:
        self._root = root
        self.archive = open_archive(root)

    def add(self, entry: Entry, objects: _Objects) -> int:
        size = 0
        with make_place(self._root, entry.name) as own:
            made = own.path / "recording"
            for name, data in objects:
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                size += len(data)
            sync_tree(made)
            catalogue.appear(self._root, made, entry.name)
        return size


class _ZipSink(_Sink):
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._lines: list[bytes] = []
        for name, data in root_objects().items():
            file.writestr(name, data)

    def add(self, entry: Entry, objects: _Objects) -> int:
        size = 0
        for _ in objects:
            pass  # what is written into a zip file stays there, so that damage is looked for before
        for name, data in objects:
            self._file.writestr(f"recordings/{entry.name}/{name}", data)
            size += len(data)
        self._lines.append(line(entry))
        return size

    def finish(self) -> None:
        self._file.writestr(catalogue.CATALOGUE, b"".join(self._lines))


class _RemoteSink(_Sink):
    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        try:
            self.archive = open_archive(store)
            self._entries = dict(self.archive.catalogue())
        except NotAnArchiveError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._entries = {}
            for name, data in root_objects().items():
                store.write(name, data)

    def add(self, entry: Entry, objects: _Objects) -> int:
        size, written = 0, list[str]()
        try:
            for name, data in objects:
                self._store.write(f"recordings/{entry.name}/{name}", data)
                written.append(f"recordings/{entry.name}/{name}")
                size += len(data)
        except CorruptArchiveError:
            self._store.delete(written)
            raise
        self._entries[entry.name] = entry
        return size

    def finish(self) -> None:
        lines = (line(entry) for _, entry in sorted(self._entries.items()))
        self._store.write(catalogue.CATALOGUE, b"".join(lines))


@contextlib.contextmanager
def _open_sink(target: Any, options: dict[str, Any]) -> Iterator[_Sink]:
    if isinstance(target, str | os.PathLike) and "://" not in str(target):
        if options:
            raise InvalidArgumentError(f"{sorted(options)} are options for an URL; got {target}")
        path = Path(target)
        if path.suffix.lower() == ".zip":
            with _new_zip(path) as file:
                into = _ZipSink(file)
                yield into
                into.finish()
            return
        root = ensure_archive(path)
        lock = lock_archive(root, lambda names: catalogue.adopt(root, names))
        try:
            yield _FolderSink(root)
        finally:
            unlock(lock)
        return
    store = open_store(target, **options)
    if not isinstance(store, RemoteStore):
        raise InvalidArgumentError(f"{target!r} cannot be written; expected a folder, zip or URL")
    remote = _RemoteSink(store)
    try:
        yield remote
    finally:
        remote.finish()  # what was copied is there, and to be found, whatever came after


@contextlib.contextmanager
def _new_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Write a zip file, which is there when all of it is."""
    if path.exists():
        raise RecordingExistsError(f"{path} is there; a zip file is written once: choose another")
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as raw:
            # Stored: the packets are dense already, and so a range of them can be read.
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as file:
                yield file
            raw.flush()
            os.fsync(raw.fileno())
        Path(made).chmod(0o644)
        Path(made).rename(path)
    finally:
        Path(made).unlink(missing_ok=True)

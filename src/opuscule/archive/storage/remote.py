"""Archives in object stores, and which store it is that somebody names."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opuscule.archive.storage.stores import LocalStore, MemoryStore, Store, ZipStore
from opuscule.errors import InvalidArgumentError, MissingExtraError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["RemoteStore", "open_store"]

_asked_by: set[int] = set()
"""Processes that asked obstore for something: its threads do not come along into a fork."""


class RemoteStore(Store):
    """An object store of obstore: S3, GCS, Azure, HTTP.

    Args:
        store: it, whose root is the archive.
        name: what to call it.
    """

    def __init__(self, store: "ObjectStore", name: str | None = None) -> None:
        self.store = store
        """The store of obstore."""
        self.name = name or repr(store)

    @property
    def _obstore(self) -> Any:
        _asked_by.add(os.getpid())
        if len(_asked_by) > 1:
            raise OSError(
                f"{self.name} cannot be read by a process that was forked after its parent had "
                'used obstore: start workers with the method "spawn"'
            )
        return _import_obstore()

    def read(self, key: str) -> bytes:
        """Get an object."""
        try:
            return bytes(self._obstore.get(self.store, key).bytes())
        except self._obstore.exceptions.BaseError as error:
            raise self._error(key, error) from error

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Get a part of an object."""
        try:
            return bytes(self._obstore.get_range(self.store, key, start=start, end=stop))
        except self._obstore.exceptions.BaseError as error:
            try:
                size = self._obstore.head(self.store, key)["size"]
            except self._obstore.exceptions.BaseError:
                size = stop
            if size <= start:  # a store refuses a range that is wholly outside
                return b""
            raise self._error(key, error) from error

    def write(self, key: str, data: bytes) -> None:
        """Put an object, in place of one that is there.

        Raises:
            OSError: it cannot be written.
        """
        try:
            self._obstore.put(self.store, key, data)
        except self._obstore.exceptions.BaseError as error:
            raise self._error(key, error, "written") from error

    def delete(self, keys: list[str]) -> None:
        """Delete objects.

        Raises:
            OSError: one cannot be deleted.
        """
        try:
            if keys:
                self._obstore.delete(self.store, keys)
        except self._obstore.exceptions.BaseError as error:
            raise self._error(keys[0], error, "deleted") from error

    def names(self, key: str) -> list[str]:
        """List what is below a name."""
        try:
            found = self._obstore.list_with_delimiter(self.store, key or None)
        except self._obstore.exceptions.BaseError as error:
            raise self._error(key, error) from error
        return sorted(prefix.rpartition("/")[2] for prefix in found["common_prefixes"])

    def _error(self, key: str, error: Exception, what: str = "read") -> OSError:
        first = str(error).partition("\n")[0]
        return OSError(f"{self.name}/{key} cannot be {what}: {first}")


def open_store(
    where: "str | os.PathLike[str] | Mapping[str, bytes] | Store | ObjectStore",
    **options: Any,
) -> Store:
    """Find the store of an archive.

    Args:
        where: a folder or zip file; an URL (``s3://``, ``gs://``, ``az://``, ``http://``,
            ``https://``, and whatever else obstore takes); a mapping of names to bytes; a store, of
            ours or of obstore.
        options: for :func:`obstore.store.from_url`, where it is an URL.

    Raises:
        MissingExtraError: it is an URL, and obstore is not installed.
        InvalidArgumentError: the URL or an option is not valid.
        NotAnArchiveError: it is a file and no zip file.
        OSError: it cannot be read.
    """
    if isinstance(where, str) and "://" in where:
        from urllib.parse import urlsplit  # for URLs alone

        url = where if urlsplit(where).scheme else f"file://{where}"
        obstore = _import_obstore()
        if url.startswith("http://"):  # whoever writes so means it
            options = {"client_options": {"allow_http": True}, **options}
        try:
            return RemoteStore(obstore.store.from_url(url, **options), where.rstrip("/"))
        except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
            first = str(error).partition("\n")[0]
            raise InvalidArgumentError(f"{where} cannot be opened: {first}") from error
    if options:
        raise InvalidArgumentError(f"{sorted(options)} are options for an URL; {where!r} is none")
    if isinstance(where, Store):
        return where
    if isinstance(where, Mapping):
        return MemoryStore(where)
    if isinstance(where, str | os.PathLike):
        path = Path(where)
        return ZipStore(path) if path.is_file() else LocalStore(path)
    return RemoteStore(where)


def _import_obstore() -> Any:
    try:
        import obstore
        import obstore.store
    except ImportError as error:
        raise MissingExtraError("reading from an object store", "remote") from error
    return obstore

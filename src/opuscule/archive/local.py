"""Our own reader of Zarr v3 on a local disk: just what our archives are made of.

It needs neither zarr nor NumPy, costs nothing to import, and reads a range of an array with one
``pread`` a chunk. What it does not know — compression, sharding, other types — it refuses by name;
zarr-python reads those.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from opuscule.errors import CorruptArchiveError, NotAnArchiveError

__all__ = ["MAX_METADATA_BYTES", "LocalArray", "member_names", "read_group"]

MAX_METADATA_BYTES = 16 << 20
"""The longest ``zarr.json`` that is read; one with all the tags of a recording is far shorter."""

_ITEM_BYTES = {"uint8": 1, "uint16": 2, "int64": 8}
_ARRAY_KEYS = {
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "storage_transformers",
    "dimension_names",
}


def read_group(path: Path) -> Mapping[str, object]:
    """Read the attributes of a group.

    Raises:
        NotAnArchiveError: there is no Zarr v3 group.
        CorruptArchiveError: its metadata cannot be understood.
    """
    document = _read_metadata(path, "group")
    attributes = document.get("attributes", {})
    if not isinstance(attributes, dict):
        raise CorruptArchiveError(f"{path}: its attributes are no JSON object")
    return attributes


def member_names(path: Path) -> list[str]:
    """List the names of a group's members."""
    try:
        with os.scandir(path) as entries:
            return sorted(e.name for e in entries if e.is_dir())
    except FileNotFoundError:
        return []


def _read_metadata(path: Path, kind: str) -> dict[str, object]:
    try:
        with (path / "zarr.json").open("rb") as file:
            text = file.read(MAX_METADATA_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotAnArchiveError(f"{path} holds no Zarr v3 {kind}: it has no zarr.json") from error
    if len(text) > MAX_METADATA_BYTES:
        raise CorruptArchiveError(f"{path}: zarr.json is over {MAX_METADATA_BYTES} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptArchiveError(f"{path}: zarr.json is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise CorruptArchiveError(f"{path}: zarr.json is no JSON object")
    if document.get("zarr_format") != 3 or document.get("node_type") != kind:
        raise NotAnArchiveError(
            f"{path} is a Zarr {document.get('node_type')} of format "
            f"{document.get('zarr_format')}; expected a {kind} of format 3"
        )
    return document


class LocalArray:
    """An array of one or two dimensions, read by rows.

    Args:
        path: the array's directory.

    Raises:
        NotAnArchiveError: there is no array, or one stored in a way that is not read here.
        CorruptArchiveError: its metadata contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        document = _read_metadata(path, "array")
        self.shape = self._sizes(document.get("shape"), 0)
        data_type = document.get("data_type")
        if not isinstance(data_type, str) or data_type not in _ITEM_BYTES:
            self._refuse("data_type", data_type)
        self.data_type: str = str(data_type)
        grid = document.get("chunk_grid")
        if not isinstance(grid, dict) or grid.get("name") != "regular":
            self._refuse("chunk_grid", grid)
        chunk = self._sizes(_configuration(grid).get("chunk_shape"), 1)
        if len(chunk) != len(self.shape) or chunk[1:] != self.shape[1:]:
            self._refuse("chunk_shape", chunk)
        encoding = document.get("chunk_key_encoding")
        if (
            not isinstance(encoding, dict)
            or encoding.get("name") != "default"
            or _configuration(encoding).get("separator", "/") != "/"
        ):
            self._refuse("chunk_key_encoding", encoding)
        self._check_codecs(document.get("codecs"))
        if document.get("storage_transformers"):
            self._refuse("storage_transformers", document["storage_transformers"])
        for key in document.keys() - _ARRAY_KEYS:
            value = document[key]
            # Zarr v3, "extension points": what need not be understood says so.
            if not isinstance(value, dict) or value.get("must_understand") is not False:
                self._refuse(key, value)
        attributes = document.get("attributes", {})
        self.attributes: Mapping[str, object] = attributes if isinstance(attributes, dict) else {}
        self._chunk_rows = chunk[0]
        self.row_bytes = _ITEM_BYTES[self.data_type] * math.prod(self.shape[1:])

    def _refuse(self, key: str, value: object) -> None:
        raise NotAnArchiveError(
            f"{self.path}: {key} is {str(value)[:200]}, which this release cannot read; a newer "
            "opuscule or zarr-python may"
        )

    def _sizes(self, value: object, least: int) -> tuple[int, ...]:
        if (
            isinstance(value, list)
            and len(value) in (1, 2)
            and all(isinstance(n, int) and not isinstance(n, bool) and n >= least for n in value)
        ):
            return tuple(value)
        raise CorruptArchiveError(f"{self.path}: a shape is {str(value)[:200]}")

    def _check_codecs(self, codecs: object) -> None:
        known = (
            isinstance(codecs, list)
            and len(codecs) == 1
            and isinstance(codecs[0], dict)
            and codecs[0].get("name") == "bytes"
            and _configuration(codecs[0]).get("endian", "little") == "little"
        )
        if not known:
            self._refuse("codecs", codecs)

    @property
    def rows(self) -> int:
        """Length of the first dimension."""
        return self.shape[0]

    def read(self, start: int, stop: int) -> bytes:
        """Read rows ``[start, stop)`` as little-endian bytes.

        Raises:
            CorruptArchiveError: they are outside of the array, or a chunk is missing or cut off. A
                missing chunk means its fill value in Zarr; our archives hold every chunk.
        """
        if not 0 <= start <= stop <= self.rows:
            raise CorruptArchiveError(
                f"{self.path}: rows {start} to {stop} are wanted; it has {self.rows}"
            )
        parts = []
        while start < stop:
            chunk, first = divmod(start, self._chunk_rows)
            count = min(stop - start, self._chunk_rows - first)
            parts.append(self._read_chunk(chunk, first, count))
            start += count
        return b"".join(parts)

    def _read_chunk(self, chunk: int, first: int, count: int) -> bytes:
        key = self.path.joinpath("c", str(chunk), *("0" for _ in self.shape[1:]))
        try:
            handle = os.open(key, os.O_RDONLY)
        except FileNotFoundError as error:
            raise CorruptArchiveError(f"{key}: the chunk is missing") from error
        try:
            size = os.fstat(handle).st_size
            data = os.pread(handle, count * self.row_bytes, first * self.row_bytes)
        finally:
            os.close(handle)
        if size != self._chunk_rows * self.row_bytes or len(data) != count * self.row_bytes:
            raise CorruptArchiveError(
                f"{key}: the chunk has {size} bytes; expected {self._chunk_rows * self.row_bytes}"
            )
        return data


def _configuration(extension: object) -> dict[str, object]:
    value = extension.get("configuration", {}) if isinstance(extension, dict) else {}
    return value if isinstance(value, dict) else {}

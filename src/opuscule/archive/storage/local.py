"""Our own reader of Zarr v3 arrays: just what our archives are made of.

It needs neither zarr nor NumPy, costs nothing to import, and reads a range of an array with one
request a shard: chunks in a shard are equally long and in order, so that it need not read the
shard's index. Each chunk's CRC32C is checked instead. What it does not know (compression, other
types) it refuses by name; zarr-python reads those.
"""

import math
from collections.abc import Iterator, Mapping

from opuscule import _native
from opuscule.archive.storage.documents import to_text
from opuscule.archive.storage.stores import Place
from opuscule.errors import CorruptArchiveError, NotAnArchiveError, RecordingNotFoundError

__all__ = ["StoredArray"]

_CRC_BYTES = 4
_INDEX_ROW_BYTES = 16
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


class StoredArray:
    """An array of bytes with one or two dimensions.

    Args:
        place: where it is.
        document: its metadata.

    Raises:
        NotAnArchiveError: it is stored in a way that is not read here.
        CorruptArchiveError: its metadata contradicts itself.
    """

    def __init__(self, place: Place, document: Mapping[str, object]) -> None:
        self._document = document
        self.place = place
        """Where it is."""
        for key, expected in (("zarr_format", 3), ("node_type", "array"), ("data_type", "uint8")):
            if document.get(key) != expected:
                raise self._unknown(key, document.get(key))
        self.shape = self._sizes(document.get("shape"), 0)
        """Its shape."""
        grid = document.get("chunk_grid")
        if not isinstance(grid, dict) or grid.get("name") != "regular":
            raise self._unknown("chunk_grid", grid)
        outer = self._sizes(_configuration(grid).get("chunk_shape"), 1)
        encoding = document.get("chunk_key_encoding")
        if (
            not isinstance(encoding, dict)
            or encoding.get("name") != "default"
            or _configuration(encoding).get("separator", "/") != "/"
        ):
            raise self._unknown("chunk_key_encoding", encoding)
        sharded = self._inner_chunk(document.get("codecs"))
        inner = sharded or outer
        if (
            not len(outer) == len(inner) == len(self.shape)
            or not inner[1:] == outer[1:] == self.shape[1:]
            or outer[0] % inner[0]
        ):
            raise self._unknown("chunk_shape", (outer, inner))
        if document.get("storage_transformers"):
            raise self._unknown("storage_transformers", document["storage_transformers"])
        for key in document.keys() - _ARRAY_KEYS:
            value = document[key]
            # Zarr v3, "extension points": what need not be understood says so.
            if not isinstance(value, dict) or value.get("must_understand") is not False:
                raise self._unknown(key, value)
        attributes = document.get("attributes")
        own = attributes.get("opuscule") if isinstance(attributes, dict) else None
        self.attributes: Mapping[str, object] = own if isinstance(own, dict) else {}
        """Our attributes of it."""
        self._chunk_bytes = inner[0] * math.prod(self.shape[1:])
        self._shard_chunks, self._is_sharded = outer[0] // inner[0], sharded is not None
        self.size_bytes = math.prod(self.shape)
        """How many bytes it holds."""

    def _unknown(self, key: str, value: object) -> NotAnArchiveError:
        return NotAnArchiveError(
            f"{self.place}: {key} is {str(value)[:200]}, which this release cannot read; a newer "
            "opuscule or zarr-python may"
        )

    def _sizes(self, value: object, least: int) -> tuple[int, ...]:
        if (
            isinstance(value, list)
            and len(value) in (1, 2)
            and all(isinstance(n, int) and not isinstance(n, bool) and n >= least for n in value)
        ):
            return tuple(value)
        raise CorruptArchiveError(f"{self.place}: a shape is {str(value)[:200]}")

    def _inner_chunk(self, codecs: object) -> tuple[int, ...] | None:
        """Check the codecs; return the shape of chunks in a shard if there are shards."""
        if _names(codecs) == ["sharding_indexed"]:
            assert isinstance(codecs, list)  # noqa: S101 - seen by _names
            inside = _configuration(codecs[0])
            if (
                _names(inside.get("codecs")) == _names(inside.get("index_codecs"))
                and _names(inside.get("codecs")) == ["bytes", "crc32c"]
                and _is_little(inside.get("index_codecs"))
                and inside.get("index_location", "end") == "end"
            ):
                return self._sizes(inside.get("chunk_shape"), 1)
        elif _names(codecs) == ["bytes", "crc32c"]:
            return None
        raise self._unknown("codecs", codecs)

    def read(self, start: int, stop: int, damaged: list[tuple[int, int]] | None = None) -> bytes:
        """Read bytes ``[start, stop)`` of the array, its rows end to end.

        Args:
            start: first byte.
            stop: one past the last.
            damaged: takes the ranges of bytes that cannot be trusted, chunk by chunk; what is
                returned for them means nothing. None raises instead.

        Raises:
            CorruptArchiveError: they are outside of the array, or a chunk is missing, cut off, or
                has another checksum. A missing chunk means its fill value in Zarr; our archives
                hold every chunk.
            RecordingNotFoundError: the recording was removed meanwhile.
            OSError: they cannot be read.
        """
        if not 0 <= start <= stop <= self.size_bytes:
            raise CorruptArchiveError(
                f"{self.place}: bytes {start} to {stop} are wanted; it has {self.size_bytes}"
            )
        shard_bytes = self._shard_chunks * self._chunk_bytes
        parts = []
        while start < stop:
            shard, first = divmod(start, shard_bytes)
            count = min(stop - start, shard_bytes - first)
            parts.append(self._read_shard(shard, first, count, damaged))
            start += count
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check_shards(self) -> None:
        """Check what :meth:`read` does not need: each shard's own index.

        Raises:
            CorruptArchiveError: one is not what was written.
            OSError: it cannot be read.
        """
        begin = self._shard_chunks * (self._chunk_bytes + _CRC_BYTES)
        empty = _native.to_shard(b"", self._chunk_bytes, self._shard_chunks)
        for key in self.objects():
            if key.read_range(begin, len(empty) + 1) != empty[begin:]:
                raise CorruptArchiveError(
                    f"{key}: the shard's index is damaged or cut off; opuscule reads without it, "
                    "other Zarr libraries cannot"
                )

    @property
    def stored_bytes(self) -> int:
        """What its objects take, checksums and shard indexes included, and its ``zarr.json``."""
        size = self._shard_chunks * (self._chunk_bytes + _CRC_BYTES)
        if self._is_sharded:
            size += self._shard_chunks * _INDEX_ROW_BYTES + _CRC_BYTES
        return self._shards * size + len(to_text(self._document))

    def checked_object(self, number: int) -> tuple[bytes, str | None]:
        """Read a whole object, the ``number``-th of :meth:`objects`.

        Returns:
            Its bytes, and what is wrong with them; None if they are what was written.

        Raises:
            FileNotFoundError: it is missing.
            OSError: it cannot be read.
        """
        key, size = self._key(number), self._shard_chunks * self._chunk_bytes
        data = key.read()
        begin = size + self._shard_chunks * _CRC_BYTES
        empty = _native.to_shard(b"", self._chunk_bytes, self._shard_chunks)
        if len(data) != (len(empty) if self._is_sharded else begin):
            return data, f"{key} has {len(data)} bytes, which is not what was written"
        _, wrong = _native.from_chunks(data[:begin], self._chunk_bytes, 0, size)
        if wrong:
            low = wrong[0] * (self._chunk_bytes + _CRC_BYTES)
            return data, f"{key} is damaged from byte {low} on: a checksum is wrong"
        if self._is_sharded and data[begin:] != empty[begin:]:
            return data, f"{key}: the shard's index is damaged"
        return data, None

    def objects(self) -> Iterator[Place]:
        """Name the objects that hold it, in order."""
        return (self._key(shard) for shard in range(self._shards))

    @property
    def _shards(self) -> int:
        return -(-self.size_bytes // (self._shard_chunks * self._chunk_bytes))

    def _key(self, shard: int) -> Place:
        return self.place / "/".join(["c", str(shard), *("0" for _ in self.shape[1:])])

    def _read_shard(
        self, shard: int, first: int, count: int, damaged: list[tuple[int, int]] | None
    ) -> bytes:
        key, chunk_bytes = self._key(shard), self._chunk_bytes
        low, high = first // chunk_bytes, -(-(first + count) // chunk_bytes)
        stored = chunk_bytes + _CRC_BYTES
        wanted = (high - low) * stored
        try:
            data = key.read_range(low * stored, high * stored)
        except FileNotFoundError as error:
            self._check_owner()
            if damaged is None:
                raise CorruptArchiveError(f"{key}: the chunk is missing") from error
            data = b""
        if len(data) != wanted:
            if damaged is None:
                raise CorruptArchiveError(
                    f"{key} is cut off: it has {len(data)} of the {wanted} bytes from "
                    f"{low * stored} on"
                )
            data = data.ljust(wanted, b"\0")
        found, wrong = _native.from_chunks(data, chunk_bytes, first - low * chunk_bytes, count)
        for chunk in wrong:
            begin = (shard * self._shard_chunks + low + chunk) * chunk_bytes
            end = min(begin + chunk_bytes, self.size_bytes)
            if damaged is None:
                raise CorruptArchiveError(
                    f"{self.place}: bytes {begin} to {end} are damaged: their checksum is wrong "
                    f"({key}, from byte {(low + chunk) * stored})"
                )
            damaged.append((begin, end))
        return found

    def _check_owner(self) -> None:
        """Tell a recording that was removed from one that lacks something."""
        owner = Place(self.place.store, self.place.key.rpartition("/")[0])
        try:
            (owner / "zarr.json").read()
        except FileNotFoundError as error:
            raise RecordingNotFoundError(f"{owner} was removed after it was opened") from error


def _names(codecs: object) -> list[object]:
    if not isinstance(codecs, list):
        return []
    return [codec.get("name") if isinstance(codec, dict) else None for codec in codecs]


def _is_little(codecs: object) -> bool:
    first = codecs[0] if isinstance(codecs, list) else None
    return _configuration(first).get("endian", "little") == "little"


def _configuration(extension: object) -> dict[str, object]:
    value = extension.get("configuration", {}) if isinstance(extension, dict) else {}
    return value if isinstance(value, dict) else {}

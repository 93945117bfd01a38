"""The ``zarr.json`` of a recording: written whole, with a checksum over what matters, and checked.

A recording's group carries the metadata of its arrays inline (zarr-python's consolidated metadata),
so that one read tells all about it. The checksum covers those and our attributes; not the bytes of
the file, so that a file written anew with the same meaning is still right.
"""

import json
from collections.abc import Mapping

from opuscule import _native
from opuscule.archive.storage.info import is_name
from opuscule.archive.storage.stores import Place
from opuscule.errors import CorruptArchiveError, NotAnArchiveError

__all__ = [
    "MAX_METADATA_BYTES",
    "array_document",
    "checksum",
    "group_document",
    "open_recording_document",
    "read_document",
    "to_text",
]

MAX_METADATA_BYTES = 16 << 20
"""The longest ``zarr.json`` that is read; one with all the tags of a recording is far shorter."""


def read_document(place: Place, kind: str) -> dict[str, object]:
    """Read the ``zarr.json`` at a place.

    Args:
        place: the group or array.
        kind: ``group`` or ``array``.

    Raises:
        NotAnArchiveError: there is none, or one of something else.
        CorruptArchiveError: it cannot be understood.
        OSError: it cannot be read.
    """
    try:
        text = (place / "zarr.json").read()
    except FileNotFoundError as error:
        raise NotAnArchiveError(f"{place} holds no Zarr v3 {kind}: it has no zarr.json") from error
    if len(text) > MAX_METADATA_BYTES:
        raise CorruptArchiveError(f"{place}: zarr.json is over {MAX_METADATA_BYTES} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptArchiveError(f"{place}: zarr.json is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise CorruptArchiveError(f"{place}: zarr.json is no JSON object")
    if document.get("zarr_format") != 3 or document.get("node_type") != kind:
        raise NotAnArchiveError(
            f"{place} is a Zarr {document.get('node_type')} of format "
            f"{document.get('zarr_format')}; expected a {kind} of format 3"
        )
    return document


def open_recording_document(
    place: Place,
) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """Read a recording's attributes and the metadata of its arrays, by name.

    Raises:
        NotAnArchiveError, CorruptArchiveError, OSError: see :func:`read_document`.
        CorruptArchiveError: they are not those that were written.
    """
    document = read_document(place, "group")
    attributes = _child(document, "attributes", place)
    own = attributes.get("opuscule")
    if not isinstance(own, dict) or "checksum" not in own:
        raise NotAnArchiveError(
            f"{place} is no recording, or a damaged one: its Zarr attributes lack opuscule.checksum"
        )
    arrays = _child(_child(document, "consolidated_metadata", place), "metadata", place)
    try:
        found = checksum(own, arrays)
    except ValueError as error:  # what was read as JSON and cannot be written as such
        raise CorruptArchiveError(f"{place}: zarr.json: {error}") from error
    if own["checksum"] != found:
        raise CorruptArchiveError(
            f"{place}: zarr.json is damaged: its checksum is {str(own['checksum'])[:20]}, that of "
            f"its attributes and arrays {found}"
        )
    for name in arrays:
        # A stranger's archive can say anything with a right checksum, and names become paths.
        if not is_name(name):
            raise CorruptArchiveError(f"{place}: zarr.json: {name[:200]!r} is no name of an array")
    return attributes, {name: _child(arrays, name, place) for name in arrays}


def checksum(own: Mapping[str, object], arrays: Mapping[str, object]) -> str:
    """Return the checksum of our attributes and the arrays' metadata: CRC32C, in hexadecimal.

    Raises:
        ValueError: they are no JSON.
    """
    covered = {
        "arrays": arrays,
        "attributes": {key: value for key, value in own.items() if key != "checksum"},
    }
    text = json.dumps(
        covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"{_native.crc32c(text.encode()):08x}"


def group_document(
    own: Mapping[str, object], arrays: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    """Make the ``zarr.json`` of a recording of our attributes and its arrays' metadata."""
    return {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"opuscule": {**own, "checksum": checksum(own, arrays)}},
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": arrays,
        },
    }


_INNER_CODECS = [{"name": "bytes"}, {"name": "crc32c"}]


def array_document(
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    *,
    inner_bytes: int | None = None,
    attributes: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Make the metadata of an array of bytes.

    Args:
        shape: of the array.
        chunk: of its chunks; of the shards, if it has any.
        inner_bytes: length of a chunk in a shard; None for an array without shards.
        attributes: ours.
    """
    codecs: list[object] = list(_INNER_CODECS)
    if inner_bytes is not None:
        index_codecs = [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "crc32c"},
        ]
        configuration = {
            "chunk_shape": [inner_bytes],
            "codecs": _INNER_CODECS,
            "index_codecs": index_codecs,
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {"opuscule": dict(attributes)} if attributes else {},
        "storage_transformers": [],
    }


def to_text(document: Mapping[str, object]) -> bytes:
    """Write a document as the bytes of a file."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _child(parent: Mapping[str, object], name: str, place: Place) -> dict[str, object]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise CorruptArchiveError(f"{place}: zarr.json lacks {name!r}, or it is no JSON object")
    return value

"""What zarr-python does for us: the archive's groups and arrays, written.

No array is compressed: Opus packets are dense already, and the index is small. That keeps our own
reader small, and any byte range of a chunk readable by itself.
"""

import json
import os
import shutil
import threading
from array import array
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from opuscule.archive.incoming import lock_archive, make_place, unlock
from opuscule.archive.info import ARCHIVE_FORMAT, VERSION, RecordingInfo, check_attributes
from opuscule.archive.layout import GAP_CODES, IndexBuilder
from opuscule.archive.local import MAX_METADATA_BYTES, read_group
from opuscule.archive.lossless import LosslessFile
from opuscule.errors import InvalidArgumentError, MissingExtraError, NotAnArchiveError

if TYPE_CHECKING:
    import zarr
    from zarr.core.common import JSON
    from zarr.core.metadata import ArrayV3Metadata

__all__ = [
    "CHUNK_BYTES",
    "add_lossless",
    "check_metadata",
    "ensure_archive",
    "sync",
    "write_points",
    "write_recording",
]

CHUNK_BYTES = 1 << 20
"""The longest chunk of any array."""


def ensure_archive(path: str | os.PathLike[str]) -> Path:
    """Make an archive, or do nothing if there is one.

    Raises:
        NotAnArchiveError: something else is there, or an archive of a later version.
        MissingExtraError: zarr is not installed.
        OSError: it cannot be made there.
    """
    root = Path(path)
    if (root / "zarr.json").exists():
        check_attributes(read_group(root), ARCHIVE_FORMAT, str(root))
        return root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise NotAnArchiveError(f"{root} is there and is no archive; choose another place")
    zarr = _import_zarr()
    attributes = {"opuscule": {"format": ARCHIVE_FORMAT, "version": VERSION}}
    root.parent.mkdir(parents=True, exist_ok=True)
    # Made under another name, so that nobody meets it half made.
    made = root.with_name(f".{root.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        zarr.open_group(made, mode="a", zarr_format=3, attributes=attributes).create_group(
            "recordings"
        )
        _sync_tree(made)
        try:
            made.rename(root)
        except OSError:
            # Another process was first; its archive is as good.
            if not (root / "zarr.json").exists():
                raise
        sync(root.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return root


def check_metadata(info: RecordingInfo) -> None:
    """Make sure that a reader will take the attributes of a recording.

    Raises:
        InvalidArgumentError: they are no JSON, or over half of what a reader takes.
    """
    try:
        size = len(json.dumps(info.to_attributes(), indent=2, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"what is to be kept is no JSON: {error}") from error
    if size > MAX_METADATA_BYTES // 2:
        raise InvalidArgumentError(
            f"what is to be kept about a recording is {size} bytes of JSON; at most "
            f"{MAX_METADATA_BYTES // 2}: leave out long comments"
        )


def write_recording(place: Path, info: RecordingInfo, index: IndexBuilder, payload: Path) -> None:
    """Write the group of a recording and wait until it is on the disk.

    Args:
        place: the directory to make.
        info: the group's attributes.
        index: of the packets.
        payload: the file with the packets, end to end.

    Raises:
        MissingExtraError: zarr is not installed.
        OSError: there is no room.
    """
    group = _import_zarr().open_group(
        place, mode="w-", zarr_format=3, attributes=info.to_attributes()
    )
    _write_payload(group, payload, index.payload_bytes)
    code = "B" if max(index.lengths, default=0) < 256 else "H"
    _write_array(group, "lengths", array(code, index.lengths), 1)
    _write_array(group, "anchors", index.anchors, 2)
    rows = array("q")
    for placed in index.gaps:
        gap = placed.gap
        rows.extend((placed.before, gap.start_samples, gap.duration_samples, GAP_CODES[gap.kind]))
    _write_array(group, "gaps", rows, 4)
    _sync_tree(place)


def add_lossless(place: Path, file: LosslessFile) -> None:
    """Add the arrays of a FLAC file to a recording that nobody sees yet; errors as above."""
    group = _import_zarr().open_group(place, mode="r+", zarr_format=3)
    _write_payload(group, file.path, file.path.stat().st_size, "lossless")
    _write_array(group, "lossless_lengths", file.lengths, 1)
    _sync_tree(place)


def write_points(
    recording: Path, rows: bytes, columns: int, attributes: Mapping[str, object]
) -> None:
    """Add the array of sync points to a recording, in place of one that is there.

    Raises:
        MissingExtraError: zarr is not installed.
        OSError: there is no room, or the archive cannot be written.
    """
    zarr = _import_zarr()
    root = recording.parents[1]
    lock = lock_archive(root)
    place = make_place(root / ".incoming", recording.name)
    try:
        group = zarr.open_group(place / "new", mode="w-", zarr_format=3)
        made = _write_array(group, "points", array("B", rows), columns)
        made.update_attributes({"opuscule": cast("JSON", attributes)})
        _sync_tree(place)
        target = recording / "points"
        if target.exists():
            target.rename(place / "old")
        (place / "new" / "points").rename(target)
        sync(recording)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        unlock(lock)


def _import_zarr() -> ModuleType:
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError("writing an archive", "archive") from error
    return zarr


def _create_array(
    group: "zarr.Group", name: str, data_type: str, rows: int, columns: int
) -> tuple["zarr.Array[ArrayV3Metadata]", int]:
    """Make an array whose chunks are equally long, so that the last one has no padding to speak of.

    Returns:
        The array and the rows of a chunk.
    """
    from zarr.codecs import BytesCodec

    row_bytes = {"uint8": 1, "uint16": 2, "int64": 8}[data_type] * columns
    chunks = max(1, -(-rows * row_bytes // CHUNK_BYTES))
    chunk_rows = max(1, -(-rows // chunks))
    made = group.create_array(
        name,
        shape=(rows,) if columns == 1 else (rows, columns),
        chunks=(chunk_rows,) if columns == 1 else (chunk_rows, columns),
        dtype=data_type,
        compressors=None,
        filters=None,
        serializer=BytesCodec(endian="little"),
        fill_value=0,
        # A chunk of zeros is data here; the reader takes a missing chunk for damage.
        config={"write_empty_chunks": True},
    )
    return made, chunk_rows


def _write_array(
    group: "zarr.Group", name: str, values: "array[int]", columns: int
) -> "zarr.Array[ArrayV3Metadata]":
    import numpy as np

    data_type = {"B": "uint8", "H": "uint16", "q": "int64"}[values.typecode]
    made, _ = _create_array(group, name, data_type, len(values) // columns, columns)
    if values:
        made[...] = np.frombuffer(values, data_type).reshape(made.shape)
    return made


def _write_payload(group: "zarr.Group", path: Path, size: int, name: str = "packets") -> None:
    import numpy as np

    made, chunk_bytes = _create_array(group, name, "uint8", size, 1)
    with path.open("rb") as file:
        for start in range(0, size, chunk_bytes):
            block = np.frombuffer(file.read(chunk_bytes), "uint8")
            made[start : start + len(block)] = block


def sync(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(path: Path) -> None:
    for folder, _, files in os.walk(path):
        for file in files:
            sync(Path(folder, file))
        sync(Path(folder))

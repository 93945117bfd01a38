"""An archive's groups and arrays, written to a local disk.

No array is compressed: Opus packets are dense already, and the index is packed. What a document of
Zarr says is in ``documents``; here are the files, in an order in which a crash at any moment leaves
either nothing to be seen or all of it.
"""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opuscule import _native
from opuscule.archive.layout import IndexBuilder
from opuscule.archive.storage.documents import (
    MAX_METADATA_BYTES,
    array_document,
    group_document,
    open_recording_document,
    read_document,
    to_text,
)
from opuscule.archive.storage.incoming import make_beside
from opuscule.archive.storage.info import ARCHIVE_FORMAT, VERSION, RecordingInfo, check_attributes
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.errors import InvalidArgumentError, NotAnArchiveError

if TYPE_CHECKING:
    from opuscule.archive.storage.lossless import LosslessFile

__all__ = [
    "CHUNK_BYTES",
    "SHARD_BYTES",
    "check_archive",
    "check_metadata",
    "ensure_archive",
    "replace_document",
    "root_objects",
    "sync",
    "sync_tree",
    "write_array",
    "write_recording",
]

CHUNK_BYTES = 16 << 10
"""The longest chunk of the payload: what one wrong bit spoils."""

SHARD_BYTES = 16 << 20
"""The longest shard of the payload, without checksums."""


def check_archive(place: Place) -> None:
    """Make sure that there is an archive that this release can read.

    Raises:
        NotAnArchiveError: there is none, or one of a later version.
        CorruptArchiveError: its metadata cannot be understood.
        OSError: it cannot be read.
    """
    attributes = read_document(place, "group").get("attributes")
    own = attributes if isinstance(attributes, dict) else {}
    check_attributes(own, ARCHIVE_FORMAT, str(place))


def root_objects() -> dict[str, bytes]:
    """Return what an archive without recordings holds, by name, in the order of writing."""
    group = {"zarr_format": 3, "node_type": "group"}
    attributes = {"opuscule": {"format": ARCHIVE_FORMAT, "version": VERSION}}
    return {
        "recordings/zarr.json": to_text({**group, "attributes": {}}),
        "zarr.json": to_text({**group, "attributes": attributes}),
    }


def ensure_archive(path: str | os.PathLike[str]) -> Path:
    """Make an archive, or do nothing if there is one.

    Raises:
        NotAnArchiveError: something else is there, or an archive of a later version.
        OSError: it cannot be made there.
    """
    root = Path(path)
    # Looked at first: an archive that somebody else makes at this moment comes whole, with its
    # zarr.json, which would be missed in the other order.
    taken = root.exists() and (not root.is_dir() or any(root.iterdir()))
    if (root / "zarr.json").exists():
        check_archive(Place(LocalStore(root)))
        return root
    if taken:
        raise NotAnArchiveError(f"{root} is there and is no archive; choose another place")
    root.parent.mkdir(parents=True, exist_ok=True)
    # Made under another name, so that nobody meets it half made.
    with make_beside(root) as own:
        made = own.path / "archive"
        (made / "recordings").mkdir(parents=True)
        for name, data in root_objects().items():
            (made / name).write_bytes(data)
        (made / "catalogue.jsonl").touch()
        sync_tree(made)
        try:
            made.rename(root)
        except OSError:
            # Another process was first; its archive is as good.
            if not (root / "zarr.json").exists():
                raise
        sync(root.parent)
    return root


def check_metadata(info: RecordingInfo) -> None:
    """Make sure that a reader will take the attributes of a recording.

    Raises:
        InvalidArgumentError: they are no JSON, or over half of what a reader takes.
    """
    try:
        size = len(to_text(info.to_attributes()))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"what is to be kept is no JSON: {error}") from error
    if size > MAX_METADATA_BYTES // 2:
        raise InvalidArgumentError(
            f"what is to be kept about a recording is {size} bytes of JSON; at most "
            f"{MAX_METADATA_BYTES // 2}: leave out long comments"
        )


def write_recording(
    place: Path,
    info: RecordingInfo,
    index: IndexBuilder,
    payload: Path,
    lossless: "LosslessFile | None" = None,
) -> None:
    """Write the group of a recording and wait until it is on the disk.

    Args:
        place: the directory to make.
        info: the group's attributes.
        index: of the packets.
        payload: the file with the packets, end to end.
        lossless: the original to keep beside them.

    Raises:
        OSError: there is no room.
    """
    place.mkdir()
    stored, sections = index.stored()
    arrays = {
        "packets": _write_payload(place / "packets", payload, index.payload_bytes),
        "index": write_array(place / "index", stored, 1, sections),
    }
    if lossless is not None:
        size = lossless.path.stat().st_size
        arrays["lossless"] = _write_payload(place / "lossless", lossless.path, size)
        lengths = struct.pack(f"<{len(lossless.lengths)}H", *lossless.lengths)
        arrays["lossless_lengths"] = write_array(place / "lossless_lengths", lengths, 1, {})
    (place / "zarr.json").write_bytes(to_text(group_document(info.to_own(), arrays)))
    sync_tree(place)


def replace_document(
    recording: Path,
    place: Path,
    arrays: Mapping[str, Mapping[str, object] | None],
    own: Mapping[str, object] | None = None,
) -> None:
    """Write the ``zarr.json`` of a recording anew, at once and whole.

    Args:
        recording: its folder.
        place: a folder of one's own in the same file system.
        arrays: metadata of the arrays that change; None takes one out.
        own: attributes that change.

    Raises:
        NotAnArchiveError, CorruptArchiveError: the recording cannot be read.
        OSError: there is no room, or the archive cannot be written.
    """
    found, before = open_recording_document(Place(LocalStore(recording.parent), recording.name))
    known = found["opuscule"]
    attributes = {**(known if isinstance(known, dict) else {}), **(own or {})}
    kept = {name: doc for name, doc in {**before, **arrays}.items() if doc is not None}
    made = place / "zarr.json"
    made.write_bytes(to_text(group_document(attributes, kept)))
    sync(made)
    made.rename(recording / "zarr.json")
    sync(recording)


def write_array(
    path: Path, data: bytes, columns: int, attributes: Mapping[str, object]
) -> dict[str, object]:
    """Write an array of bytes of one chunk; return its metadata."""
    rows = len(data) // columns
    tail = (columns,) if columns > 1 else ()
    document = array_document((rows, *tail), (max(rows, 1), *tail), attributes=attributes)
    folder = path / "c" / "0" if columns > 1 else path / "c"
    folder.mkdir(parents=True)
    if data:
        (folder / "0").write_bytes(data + _native.crc32c(data).to_bytes(4, "little"))
    (path / "zarr.json").write_bytes(to_text(document))
    return document


def _write_payload(path: Path, source: Path, size: int) -> dict[str, object]:
    """Write packets, or another file, in equal shards of equal chunks; return the metadata.

    Equal, so that what pads the last one is shorter than their number: a byte a chunk at most.
    """
    shards = max(1, -(-size // SHARD_BYTES))
    chunks = max(1, -(-size // (CHUNK_BYTES * shards)))  # of a shard
    chunk_bytes = max(1, -(-size // (chunks * shards)))
    shard_bytes = chunks * chunk_bytes
    document = array_document((size,), (shard_bytes,), inner_bytes=chunk_bytes)
    (path / "c").mkdir(parents=True)
    with source.open("rb") as file:
        for shard in range(-(-size // shard_bytes)):
            data = _native.to_shard(file.read(shard_bytes), chunk_bytes, chunks)
            (path / "c" / str(shard)).write_bytes(data)
    (path / "zarr.json").write_bytes(to_text(document))
    return document


def sync(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(path: Path) -> None:
    """Wait until all that is in a directory is on the disk."""
    for folder, _, files in os.walk(path):
        for file in files:
            sync(Path(folder, file))
        sync(Path(folder))

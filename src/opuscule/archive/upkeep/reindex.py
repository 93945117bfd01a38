"""What can be mended in an archive, mended: the catalogue, and what of an index is known otherwise.

Of an index, only the packets' lengths are nowhere else. Where they are still sound (they unpack,
add up to the payload, and every packet is one by its own bytes), what packets decode to is read
from the packets again, and the gaps are kept if they fit. Sync points are dropped when an index
changes, or when they cannot be read: preparing finds them again.
"""

import shutil
from array import array
from dataclasses import dataclass
from pathlib import Path

from opuscule import _native
from opuscule.archive.layout import DURATION_UNIT_SAMPLES, Index, summary
from opuscule.archive.reading.contents import Contents
from opuscule.archive.storage import catalogue
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.incoming import lock_archive, make_place, unlock
from opuscule.archive.storage.info import RecordingInfo
from opuscule.archive.storage.points import COLUMNS, SyncPoints
from opuscule.archive.storage.store import replace_document, root_objects, write_array
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.codec import packet_duration
from opuscule.errors import ArchiveError, CorruptArchiveError, InvalidPacketError
from opuscule.files import atomic_output

__all__ = ["ReindexReport", "reindex"]


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What was done to an archive."""

    recordings: int
    """How many the catalogue lists now."""
    mended: tuple[str, ...]
    """What was wrong and is right again, one a line."""
    lost: tuple[str, ...]
    """What could not be mended, one a line."""


def reindex(path: Path) -> ReindexReport:
    """Check every recording's index and points, mend what can be mended, and renew the catalogue.

    Reads of the packets only those of recordings whose index is damaged.

    Args:
        path: a local archive.

    Raises:
        ArchiveError: it is not in a folder.
        OSError: it cannot be read or written.
    """
    if path.is_file():
        raise ArchiveError(f"{path} is no folder; export it into a local archive first")
    store = LocalStore(path)
    mended, lost = list[str](), list[str]()
    if not (path / "zarr.json").exists() and (path / "recordings" / "zarr.json").is_file():
        with atomic_output(path / "zarr.json") as file:
            file.write(root_objects()["zarr.json"])
        mended.append(f"{path}/zarr.json was missing and is written anew")
    lock = lock_archive(path)
    try:
        for name in store.names("recordings"):
            place = Place(store, f"recordings/{name}")
            try:
                mended += _mend(path, place)
            except ArchiveError as error:
                lost.append(str(error))
        count, _ = catalogue.rebuild(path)
    finally:
        unlock(lock)
    return ReindexReport(count, tuple(mended), tuple(lost))


def _mend(root: Path, place: Place) -> list[str]:
    attributes, arrays = open_recording_document(place)
    info = RecordingInfo.from_attributes(attributes, str(place))
    contents = Contents(place, arrays, info)
    try:
        index = contents.index
    except CorruptArchiveError:
        _mend_index(root, place, contents, info)
        return [f"{place}: its index is rebuilt from its packets"]
    if "points" in arrays:
        stored = contents.array("points", None, COLUMNS)
        interval = stored.attributes.get("interval_samples")
        try:
            rows = stored.read(0, stored.size_bytes)
            SyncPoints(rows, interval if isinstance(interval, int) else 0, index)
            sound = stored.attributes.get("rows_crc32c") == _native.crc32c(rows)
        except CorruptArchiveError:
            sound = False
        if not sound:
            _replace(root, place, None, {})
            return [f"{place}: its sync points were damaged and are dropped: prepare it again"]
    return []


def _mend_index(root: Path, place: Place, contents: Contents, info: RecordingInfo) -> None:
    known, data = contents.index_sections(), contents.raw_index()
    gaps = data[known["lengths_bytes"] + known["durations_bytes"] :]
    alone = {**known, "durations_bytes": 0, "gaps": 0}
    # Of a length that does not matter: it is the lengths that are wanted, and whether they add up.
    left = Index(data[: known["lengths_bytes"]], alone, info.packets, 120, info.payload_bytes)
    lengths = left.lengths(0, info.packets)
    payload_bytes, units = 0, array("H")
    for number, length in enumerate(lengths):
        data = contents.payload(payload_bytes, payload_bytes + length)
        try:
            samples = packet_duration(data)
        except InvalidPacketError as error:
            raise CorruptArchiveError(
                f"{place}: its index is lost: by the lengths that are left, packet {number} is "
                f"none: {error}"
            ) from error
        if info.packet_samples not in (None, samples):
            raise CorruptArchiveError(
                f"{place}: its index is lost: by the lengths that are left, packet {number} "
                f"decodes to {samples} samples; the recording says {info.packet_samples}"
            )
        units.append(samples // DURATION_UNIT_SAMPLES)
        payload_bytes += length
    packed = _native.pack_values(lengths)
    durations = b"" if info.packet_samples is not None else _native.pack_values(units)
    sections = {
        "lengths_bytes": len(packed),
        "durations_bytes": len(durations),
        "gaps": len(gaps) // 32,
    }
    data = packed + durations + gaps
    found = Index(data, sections, info.packets, info.packet_samples, info.payload_bytes)
    if summary(placed.gap for placed in found.gaps) != info.gaps:
        raise CorruptArchiveError(f"{place}: its index is lost: its gaps are not those it had")
    _replace(root, place, data, sections)


def _replace(root: Path, place: Place, index: bytes | None, sections: dict[str, int]) -> None:
    """Put another index in place, or none; sync points go."""
    recording = root / place.key
    with make_place(root, place.name) as own:
        made = own.path
        arrays: dict[str, dict[str, object] | None] = {"points": None}
        if index is not None:
            arrays["index"] = write_array(made / "index", index, 1, sections)
        replace_document(recording, made, arrays)
        if index is not None:
            (recording / "index").rename(made / "old")
            (made / "index").rename(recording / "index")
        shutil.rmtree(recording / "points", ignore_errors=True)
        catalogue.adopt(root, [place.name])

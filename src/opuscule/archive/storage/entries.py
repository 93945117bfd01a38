"""What the catalogue says of a recording: an entry, a line of text with its own checksum.

An entry is made of the recording's ``zarr.json`` alone, so that whoever makes it, when it is put in
its place or years later, makes the same.
"""

from collections.abc import Iterator, Mapping

import msgspec

from opuscule import _native
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.info import RecordingInfo, is_name
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.stores import MemoryStore, Place
from opuscule.errors import CorruptArchiveError, NotAnArchiveError

__all__ = ["Entry", "line", "line_names", "parse", "read_entry"]

_TAGS = frozenset({"TITLE", "ARTIST", "ALBUM", "DATE", "LOCATION", "DESCRIPTION", "GENRE"})
_MAX_TEXT = 200
_MAX_FIELDS = 64
_START = b'{"crc32c":"'
_MIDDLE = b'","recording":'
_BODY = len(_START) + 8 + len(_MIDDLE)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the catalogue says of a recording."""

    name: str
    """Its name."""
    total_samples: int = 0
    """Length of the audio in 48 kHz samples."""
    channels: int = 0
    """1 or 2."""
    complete: bool = True
    """False if it was broken off."""
    start_epoch_ms: int | None = None
    """Wall time of its beginning, in milliseconds since 1970 UTC, where known."""
    added_epoch_ms: int | None = None
    """When it was put into the archive, in milliseconds since 1970 UTC."""
    gaps: int = 0
    """Stretches without packets, of any kind."""
    lost_samples: int = 0
    """Length of those that were sent and did not arrive, in 48 kHz samples."""
    payload_bytes: int = 0
    """Length of its packets."""
    index_bytes: int = 0
    """What the index takes on the disk."""
    points_bytes: int = 0
    """What the sync points take; 0 if it was not prepared."""
    lossless_bytes: int = 0
    """What the original beside takes."""
    other_bytes: int = 0
    """What else its files have: checksums, and what is known of it."""
    kind: str = ""
    """``import`` or ``live``."""
    device: str | None = None
    """What recorded it, where known."""
    path: str | None = None
    """The file that it was imported from: its path below the folder that was imported."""
    sha256: str | None = None
    """SHA-256 of that file."""
    mark: str | None = None
    """By which a second import knows that the file was not touched."""
    container: str | None = None
    """What that file is: ``wav``, ``flac``, ``ogg`` …"""
    picked_channels: tuple[int, ...] = ()
    """Which channels of that file were taken, counted from 1; empty where none were chosen."""
    rate: int = 0
    """Rate of the source in Hz."""
    tags: dict[str, str] = {}
    """A few of the source's tags, cut at 200 characters."""
    metadata: dict[str, str | int | float | bool] = {}
    """What a recorder said, by names such as ``audiomoth.serial``; the first 64, texts cut at 200
    characters."""
    attributes: dict[str, object] = {}
    """The user's own."""

    @property
    def stored_bytes(self) -> int:
        """All that it takes on the disk."""
        parts = self.payload_bytes, self.index_bytes, self.points_bytes, self.lossless_bytes
        return sum(parts) + self.other_bytes

    @property
    def prepared(self) -> bool:
        """Whether it has sync points, by whatever decoder."""
        return self.points_bytes > 0


# Neither can be part of a cycle; without gc=False the collector takes half of the time of reading
# 100,000 of them.
class _Line(msgspec.Struct, gc=False):
    crc32c: str
    recording: Entry


class _Name(msgspec.Struct, gc=False):
    name: str


class _NameLine(msgspec.Struct, gc=False):
    recording: _Name


_lines = msgspec.json.Decoder(_Line)
_name_lines = msgspec.json.Decoder(_NameLine)
_encoder = msgspec.json.Encoder()


def read_entry(place: Place, name: str | None = None) -> Entry | None:
    """Make the entry of a recording of what it says itself; None for what is no recording.

    Args:
        place: where it is.
        name: what it will be called; None for what it is called there.

    Raises:
        NotAnArchiveError, CorruptArchiveError: it cannot be read.
    """
    name = place.name if name is None else name
    if not is_name(name):
        return None
    try:
        text = (place / "zarr.json").read()
    except FileNotFoundError as error:
        raise NotAnArchiveError(f"{place} holds no Zarr v3 group: it has no zarr.json") from error
    # What these bytes say, and not what has become of them by now.
    snapshot = Place(MemoryStore({f"{place.key}/zarr.json": text}, place.store.name), place.key)
    attributes, arrays = open_recording_document(snapshot)
    info = RecordingInfo.from_attributes(attributes, str(place))
    return _make(name, info, _sizes(place, arrays, len(text), info.payload_bytes))


def _sizes(
    place: Place, arrays: Mapping[str, dict[str, object]], text_bytes: int, payload_bytes: int
) -> dict[str, int]:
    """Tell what a recording takes on the disk, by its arrays' metadata."""
    stored: dict[str, int] = {}
    for name, document in arrays.items():
        try:
            stored[name] = StoredArray(place / name, document).stored_bytes
        except (NotAnArchiveError, CorruptArchiveError):
            stored[name] = 0  # who reads it will hear about it
    lossless = stored.pop("lossless", 0) + stored.pop("lossless_lengths", 0)
    parts = {
        "index_bytes": stored.pop("index", 0),
        "points_bytes": stored.pop("points", 0),
        "lossless_bytes": lossless,
    }
    other = sum(stored.values()) - payload_bytes + text_bytes
    return {**parts, "other_bytes": max(0, other)}


def _make(name: str, info: RecordingInfo, sizes: Mapping[str, int]) -> Entry:
    source = info.source

    def text(key: str) -> str | None:
        value = source.get(key)
        return value[:_MAX_TEXT] if isinstance(value, str) else None

    tags = {key.upper(): value[:_MAX_TEXT] for key, value in reversed(info.comments)}
    gaps = {kind: known for kind, known in info.gaps.items() if isinstance(known, dict)}
    rate = source.get("original_rate")
    path = source.get("path", source.get("name"))
    imported = source.get("kind") == "import"
    picked = source.get("picked_channels")
    return Entry(
        name=name,
        total_samples=info.total_samples,
        channels=info.channels,
        complete=info.complete,
        start_epoch_ms=info.start_epoch_ms,
        added_epoch_ms=info.added_epoch_ms,
        gaps=sum(_count(known, "count") for known in gaps.values()),
        lost_samples=_count(gaps.get("lost", {}), "samples"),
        payload_bytes=info.payload_bytes,
        kind=text("kind") or "",
        device=text("device"),
        # Whole, as is the hash: a second import compares them.
        path=path if imported and isinstance(path, str) else None,
        sha256=text("sha256"),
        mark=text("mark"),
        container=text("container"),
        picked_channels=tuple(each for each in picked if isinstance(each, int))
        if isinstance(picked, list)
        else (),
        rate=rate if isinstance(rate, int) else info.input_rate,
        tags={key: value for key, value in tags.items() if key in _TAGS},
        metadata=dict(_fields(source.get("metadata"))),
        attributes=dict(info.attributes),
        **sizes,
    )


def _count(known: Mapping[str, object], key: str) -> int:
    value = known.get(key)
    return value if isinstance(value, int) else 0


def _fields(metadata: object) -> Iterator[tuple[str, str | int | float | bool]]:
    """Take the values that can be searched for, the first of them."""
    left = _MAX_FIELDS
    for kind, known in metadata.items() if isinstance(metadata, dict) else ():
        for field, value in known.items() if isinstance(known, dict) else ():
            if left and value != "" and isinstance(value, str | int | float):
                left -= 1
                yield f"{kind}.{field}", value[:_MAX_TEXT] if isinstance(value, str) else value


def parse(data: bytes, entries: dict[str, Entry]) -> None:
    """Take the lines of a catalogue, or further lines, into ``entries``.

    Raises:
        CorruptArchiveError: one is damaged; the message names the first.
    """
    _check(data)
    try:
        lines = _lines.decode_lines(data)
    except msgspec.DecodeError as error:
        raise CorruptArchiveError(f"a line is no entry: {error}") from error
    for each in lines:
        entries[each.recording.name] = each.recording


def line_names(data: bytes) -> list[str]:
    """Return which recordings the lines of a catalogue are about, in their order.

    Raises:
        CorruptArchiveError: as of :func:`parse`.
    """
    _check(data)
    try:
        return [each.recording.name for each in _name_lines.decode_lines(data)]
    except msgspec.DecodeError as error:
        raise CorruptArchiveError(f"a line is no entry: {error}") from error


def line(entry: Entry) -> bytes:
    """Make the line of an entry."""
    body = _encoder.encode(entry)
    return _START + b"%08x" % _native.crc32c(body) + _MIDDLE + body + b"}\n"


def _check(data: bytes) -> None:
    damaged = _native.damaged_lines(data, digits=len(_START), start=_BODY, behind=1)
    if damaged or (data and not data.endswith(b"\n")):
        raise CorruptArchiveError(f"line {damaged[0] + 1 if damaged else 'at the end'} is damaged")

"""The catalogue: one line for each recording of an archive, so that one read tells what there is.

Theory of operation. ``catalogue.jsonl`` is appended to: a line when a recording has been put in its
place, a line without an entry (a tombstone) when it is taken away. The last line about a name
counts. Each line carries the CRC32C of its own text. The recordings are the truth and the catalogue
is a copy: where it is missing or damaged, the folders are listed instead, and it can be made anew
at any time.

A writer killed between the two steps leaves its folder under ``.incoming``. Readers of a local
archive look there too, and the next writer, which clears that away, adds the line.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from opuscule import _native
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.info import RecordingInfo, is_name
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.errors import ArchiveError, CorruptArchiveError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "CATALOGUE",
    "Entry",
    "adopt",
    "append",
    "enter",
    "line",
    "make_entry",
    "parse",
    "read_entry",
    "rebuild",
    "remove",
]

CATALOGUE = "catalogue.jsonl"
"""Its name in the archive's root."""

_TAGS = frozenset({"TITLE", "ARTIST", "ALBUM", "DATE", "LOCATION", "DESCRIPTION", "GENRE"})
_MAX_TEXT = 200
_START = b'{"crc32c":"'
_MIDDLE = b'","recording":'
_BODY = len(_START) + 8 + len(_MIDDLE)
_FEW_LINES = 100

_log = logging.getLogger(__name__)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the catalogue says of a recording."""

    name: str
    """Its name."""
    total_samples: int = 0
    """Length of the audio in 48 kHz samples."""
    channels: int = 0
    """1 or 2."""
    payload_bytes: int = 0
    """Length of its packets."""
    complete: bool = True
    """False if it was broken off."""
    start_epoch_ms: int | None = None
    """Wall time of its beginning, in milliseconds since 1970 UTC, where known."""
    kind: str = ""
    """``import`` or ``live``."""
    device: str | None = None
    """What recorded it, where known."""
    file: str | None = None
    """Name of the file that it was imported from."""
    sha256: str | None = None
    """SHA-256 of that file."""
    tags: dict[str, str] = {}
    """A few of the source's tags, cut at 200 characters."""
    attributes: dict[str, object] = {}
    """The user's own."""
    removed: bool = False
    """It was taken away; only the name is said."""


# Neither can be part of a cycle; without gc=False the collector takes half of the time of reading
# 100,000 of them.
class _Line(msgspec.Struct, gc=False):
    crc32c: str
    recording: Entry


_lines = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


def make_entry(name: str, info: RecordingInfo) -> Entry:
    """Make the catalogue's entry of a recording."""

    def text(key: str) -> str | None:
        value = info.source.get(key)
        return value[:_MAX_TEXT] if isinstance(value, str) else None

    own = info.source.get("attributes")
    tags = {key.upper(): value[:_MAX_TEXT] for key, value in reversed(info.comments)}
    return Entry(
        name=name,
        total_samples=info.total_samples,
        channels=info.channels,
        payload_bytes=info.payload_bytes,
        complete=info.complete,
        start_epoch_ms=info.start_epoch_ms,
        kind=text("kind") or "",
        device=text("device"),
        file=text("name") if info.source.get("kind") == "import" else None,
        sha256=text("sha256"),
        tags={key: value for key, value in tags.items() if key in _TAGS},
        attributes={**(own if isinstance(own, dict) else {}), **info.attributes},
    )


def parse(data: bytes, entries: dict[str, Entry]) -> None:
    """Take the lines of a catalogue, or further lines, into ``entries``.

    Raises:
        CorruptArchiveError: one is damaged; the message names the first.
    """
    damaged = _native.damaged_lines(data, digits=len(_START), start=_BODY, behind=1)
    if damaged or (data and not data.endswith(b"\n")):
        raise CorruptArchiveError(f"line {damaged[0] + 1 if damaged else 'at the end'} is damaged")
    try:
        lines = _lines.decode_lines(data)
    except msgspec.DecodeError as error:
        raise CorruptArchiveError(f"a line is no entry: {error}") from error
    for each in lines:
        entry = each.recording
        if entry.removed:
            entries.pop(entry.name, None)
        else:
            entries[entry.name] = entry


def append(root: Path, *entries: Entry) -> None:
    """Add lines to an archive's catalogue; made anew of what there is if it was missing.

    Raises:
        OSError: it cannot be written.
    """
    with _alone(root):
        path = root / CATALOGUE
        if not path.exists():
            _rebuild(root)
            return
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            end -= _torn(path, end)
            file.seek(end)
            try:
                file.write(b"".join(line(entry) for entry in entries))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise


def enter(root: Path, entry: Entry) -> None:
    """Add a recording that is in its place already; what fails is logged and not raised."""
    try:
        append(root, entry)
    except OSError as error:
        # The recording is whole. Without its catalogue an archive is read by its folders.
        _log.warning("%s cannot be written, and is removed: %s", root / CATALOGUE, error)
        with contextlib.suppress(OSError):
            (root / CATALOGUE).unlink()


def adopt(root: Path, names: list[str]) -> None:
    """Add those recordings that are there and that the catalogue lacks."""
    store = LocalStore(root)
    entries: dict[str, Entry] = {}
    try:
        parse(store.read(CATALOGUE), entries)
    except (OSError, CorruptArchiveError):
        return  # read without it; reindex makes it anew
    for name in names:
        with contextlib.suppress(ArchiveError, OSError):
            entry = read_entry(Place(store, f"recordings/{name}"))
            if entry is not None and name not in entries:
                enter(root, entry)


def remove(root: Path, name: str) -> None:
    """Say in an archive's catalogue that a recording is gone.

    The catalogue is written anew when more than half of its lines are of no use.

    Raises:
        OSError: it cannot be written.
    """
    append(root, Entry(name=name, removed=True))
    data = (root / CATALOGUE).read_bytes()
    lines = data.count(b"\n")
    entries: dict[str, Entry] = {}
    try:
        parse(data, entries)
    except CorruptArchiveError as error:
        _log.warning("%s: %s: opuscule archive reindex makes it anew", root / CATALOGUE, error)
        return
    if lines > _FEW_LINES and lines > 2 * len(entries):
        rebuild(root)


def rebuild(root: Path) -> tuple[int, tuple[str, ...]]:
    """Make an archive's catalogue anew from its recordings.

    Returns:
        How many it lists, and what was wrong with others.

    Raises:
        OSError: it cannot be written.
    """
    with _alone(root):
        return _rebuild(root)


def _rebuild(root: Path) -> tuple[int, tuple[str, ...]]:
    store = LocalStore(root)
    problems: list[str] = []
    count = 0
    made = root / f".{CATALOGUE}.new"
    try:
        with made.open("wb") as file:
            for name in store.names("recordings"):
                try:
                    entry = read_entry(Place(store, f"recordings/{name}"))
                except ArchiveError as error:
                    problems.append(str(error))
                    continue
                if entry is not None:
                    file.write(line(entry))
                    count += 1
            file.flush()
            os.fsync(file.fileno())
        made.rename(root / CATALOGUE)
    finally:
        made.unlink(missing_ok=True)
    return count, tuple(problems)


def read_entry(place: Place) -> Entry | None:
    """Make the entry of a recording of what it says itself; None for what is no recording.

    Raises:
        NotAnArchiveError, CorruptArchiveError: it cannot be read.
    """
    if not is_name(place.name):
        return None
    attributes, _ = open_recording_document(place)
    return make_entry(place.name, RecordingInfo.from_attributes(attributes, str(place)))


def line(entry: Entry) -> bytes:
    """Make the line of an entry."""
    body = _encoder.encode(entry)
    return _START + b"%08x" % _native.crc32c(body) + _MIDDLE + body + b"}\n"


def _torn(path: Path, size: int) -> int:
    """Count the bytes of a last line that was not written to its end."""
    with path.open("rb") as file:
        back = 4096
        while True:
            file.seek(max(0, size - back))
            tail = file.read(min(back, size))
            if b"\n" in tail or back >= size:
                return len(tail) - (tail.rfind(b"\n") + 1)
            back *= 16


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Be the only one that changes the catalogue."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(root / "recordings", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

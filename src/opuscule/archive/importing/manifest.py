"""What came of many files: an outcome each, sums of them, and how far it is."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from opuscule.archive.importing.ultrasonic import Ultrasonic
from opuscule.codec import EncoderSettings, SettingsOverrides

__all__ = ["BulkProgress", "FileOutcome", "ImportOptions", "Manifest", "Status", "TreeReport"]

Status = Literal["imported", "already", "duplicate", "failed", "passed_over"]
"""What became of a file."""


class ImportOptions(SettingsOverrides, total=False):
    """What :func:`opuscule.archive.import_file` takes that may hold for many files."""

    rate: int | None
    """Rate in Hz to convert to before encoding."""
    frame_ms: float
    """Audio per packet, where it is encoded."""
    preset: str | EncoderSettings
    """How it is encoded."""
    salvage: bool
    """Whether damaged and cut files are taken as far as they go."""
    attributes: Mapping[str, object] | None
    """A user's own, kept with each recording."""
    zone: str | None
    """Where the recorder's clock hung, for files that do not say it."""
    channels: Sequence[int] | None
    """Which channels to take, counted from 1."""
    ultrasonic: Ultrasonic | None
    """What to do with files of more than 48 kHz."""
    time_expansion: int
    """By how much ``expand`` slows down."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file."""

    path: str
    """The file, or a folder that could not be read."""
    status: Status
    """``imported``; ``already``, if it was before; ``duplicate``, if a recording of another file
    has the same content; ``failed``; ``passed_over``, if it is no audio and not called so."""
    name: str | None = None
    """The recording that has its content."""
    size_bytes: int = 0
    """How long the file is."""
    transcoded: bool = False
    """It was imported and encoded on the way; else its packets are those of the file."""
    total_samples: int = 0
    """Audio that was imported, in 48 kHz samples."""
    packets: int = 0
    """How many there are."""
    payload_bytes: int = 0
    """How long they are."""
    sha256: str | None = None
    """Of the file, if it was imported."""
    error: str | None = None
    """Why it failed."""
    kind: str | None = None
    """The name of that error's type."""


@dataclass(slots=True)
class TreeReport:
    """What became of all files."""

    counts: Counter[Status] = field(default_factory=Counter)
    """How many files became what."""
    failures: list[FileOutcome] = field(default_factory=list)
    """Those that failed."""
    size_bytes: int = 0
    """How long the imported files are."""
    total_samples: int = 0
    """Imported audio, in 48 kHz samples."""
    payload_bytes: int = 0
    """How long its packets are."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def count(self, outcome: FileOutcome) -> None:
        """Add an outcome."""
        self.counts[outcome.status] += 1
        if outcome.status == "failed":
            self.failures.append(outcome)
        elif outcome.status == "imported":
            self.size_bytes += outcome.size_bytes
            self.total_samples += outcome.total_samples
            self.payload_bytes += outcome.payload_bytes


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far an import of many files is."""

    files: int
    """Done, in whatever way."""
    total_files: int
    """All there are."""
    failed: int
    """Of those done."""
    done_bytes: int
    """Of the files, those under way as far as they are."""
    skipped_bytes: int
    """Of these, what was not imported, which took next to no time."""
    total_bytes: int
    """Of all files."""
    audio_samples: int
    """Imported so far, in 48 kHz samples."""
    elapsed_s: float
    """Since the beginning, in seconds."""

    @property
    def times_real_time(self) -> float:
        """Audio by time."""
        return self.audio_samples / 48_000 / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Imported bytes of files by time."""
        worked = self.done_bytes - self.skipped_bytes
        return worked / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def left_s(self) -> float | None:
        """How long the rest will take at this rate, in seconds; None as long as there is none."""
        rate = self.bytes_per_s
        return (self.total_bytes - self.done_bytes) / rate if rate else None


class Manifest:
    """A file with a line of JSON for each outcome, there as soon as it is known.

    Args:
        path: the file, written anew; None for none.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        # Unbuffered: what is killed has said what it did. Closed by leaving the block.
        self._file = None if path is None else Path(path).open("wb", buffering=0)  # noqa: SIM115

    def write(self, outcome: FileOutcome) -> None:
        """Add a line."""
        if self._file:
            self._file.write(msgspec.json.encode(outcome) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()

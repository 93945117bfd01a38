"""The files below folders that may be audio."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from opuscule.archive.importing.manifest import FileOutcome, Status
from opuscule.archive.storage.info import RecordingInfo
from opuscule.containers.detect import FileFormat, detect_file
from opuscule.errors import OpusculeError
from opuscule.files import check_input, why

__all__ = ["FoundFile", "find_files", "is_passed_over"]

_ENDINGS = re.compile(
    r"\.(3gp|aac|ac3|aif|aifc|aiff|amr|ape|au|caf|flac|m4[ab]|mka|mkv|mov|mp[234]|og[ag]|opus|ra|rf64"
    r"|snd|spx|tta|voc|w64|wave?|webm|wma|wv)",
    re.IGNORECASE,
)
"""Whoever calls a file so means audio: that it is none is a failure, and not passed over."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to import."""

    path: Path
    """Where it is."""
    shown: str
    """Its path below the folder that was named, with ``/``; its name if it was named itself."""
    named: bool
    """It was named itself, and is not one of a folder's."""
    size_bytes: int
    """When it was found."""

    def outcome(
        self,
        status: Status,
        *,
        name: str | None = None,
        info: RecordingInfo | None = None,
        transcoded: bool = False,
        sha256: str | None = None,
        error: str | None = None,
        kind: str | None = None,
    ) -> FileOutcome:
        """Return what came of it."""
        return FileOutcome(
            str(self.path),
            status,
            name,
            self.size_bytes,
            transcoded=transcoded,
            total_samples=info.total_samples if info else 0,
            packets=info.packets if info else 0,
            payload_bytes=info.payload_bytes if info else 0,
            sha256=sha256,
            error=error,
            kind=kind,
        )

    def failed(self, error: Exception) -> FileOutcome:
        """Return why nothing came of it."""
        kind = type(error).__name__
        said = str(error)
        if not isinstance(error, OpusculeError):
            said = f"{kind}: {error}"
            if isinstance(error, OSError):
                said = f"{error.filename}: {why(error)}" if error.strerror else str(error)
        return self.outcome("failed", error=said, kind=kind)


def find_files(
    sources: Iterable[str | os.PathLike[str]],
) -> tuple[list[FoundFile], list[FileOutcome]]:
    """List files and what is in folders, each file once, in the order of their paths.

    Returns:
        The files, and what became of those, and of folders, that cannot be read.
    """
    found: dict[str, FoundFile] = {}
    failed: list[FileOutcome] = []

    def unreadable(error: OSError) -> None:
        failed.append(FoundFile(Path(error.filename), "", False, 0).failed(error))

    for source in map(Path, sources):
        if not source.is_dir():
            try:
                one = FoundFile(check_input(source), source.name, True, source.stat().st_size)
            except (OpusculeError, OSError) as error:
                failed.append(FoundFile(source, source.name, True, 0).failed(error))
            else:
                found.setdefault(os.path.realpath(source), one)
            continue
        for place, folders, names in os.walk(source, onerror=unreadable):
            folder = Path(place)
            if "zarr.json" in names:
                folders.clear()  # an archive, or other arrays
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = folder / name
                shown = path.relative_to(source).as_posix()
                try:
                    if name.startswith(".") or not path.is_file():
                        continue
                    one = FoundFile(path, shown, False, path.stat().st_size)
                except FileNotFoundError:  # it has gone meanwhile
                    continue
                except OSError as error:
                    failed.append(FoundFile(path, shown, False, 0).failed(error))
                    continue
                found.setdefault(os.path.realpath(path), one)
    return list(found.values()), failed


def is_passed_over(file: FoundFile) -> bool:
    """Whether a file in a folder neither looks like audio nor is called so.

    Raises:
        OSError: it cannot be read.
    """
    if file.named or _ENDINGS.fullmatch(file.path.suffix):
        return False
    return detect_file(file.path) is FileFormat.OTHER

"""An archive opened for reading."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from opuscule.archive.info import ARCHIVE_FORMAT, check_attributes, is_name
from opuscule.archive.local import member_names, read_group
from opuscule.archive.recording import Recording
from opuscule.errors import NotAnArchiveError, RecordingNotFoundError

__all__ = ["Archive", "open_archive"]

_SHOWN_NAMES = 5


def open_archive(path: str | os.PathLike[str]) -> "Archive":
    """Open an archive on a local disk for reading.

    Raises:
        NotAnArchiveError: there is none, or one of a version that this release cannot read.
        CorruptArchiveError: its metadata cannot be understood.
    """
    root = Path(path)
    if not root.exists():
        raise NotAnArchiveError(
            f"{root}: there is no such archive: it has no zarr.json; check the name"
        )
    check_attributes(read_group(root), ARCHIVE_FORMAT, str(root))
    return Archive(root)


class Archive(Collection[str]):
    """The names of an archive's recordings, and ``archive[name]`` the recording.

    Each look at it sees what is there at that moment.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        """Its folder."""
        self._recordings = path / "recordings"

    def __getitem__(self, name: str) -> Recording:
        """Open a recording.

        Raises:
            RecordingNotFoundError: there is none of that name.
            NotAnArchiveError, CorruptArchiveError: it cannot be read.
        """
        if name not in self:
            raise RecordingNotFoundError(
                f"{self.path} has no recording {name!r}; it has {_some(list(self))}"
            )
        return Recording(self._recordings / name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in member_names(self._recordings) if is_name(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return (
            isinstance(name, str)
            and is_name(name)
            and (self._recordings / name / "zarr.json").is_file()
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES]) or "none"
    return shown + (f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else "")

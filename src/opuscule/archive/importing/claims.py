"""Which file of many becomes which recording, so that no content and no name is taken twice."""

import os
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from opuscule.archive.importing.manifest import FileOutcome
from opuscule.archive.importing.sources import KnownSources, SourceFile
from opuscule.archive.importing.walk import FoundFile
from opuscule.archive.storage.info import suggest_name
from opuscule.errors import RecordingExistsError

__all__ = ["Claims"]

_Job = tuple[FoundFile, SourceFile]


class Claims:
    """What is in an archive, and what is being imported by several threads.

    Of files with the same content, one is imported; those that meet it on the way wait, without a
    thread, for what becomes of it.

    Args:
        archive: the archive, which need not be there.
        files: all that are to be imported, for their names.
        keep: whether content that a recording made of another file has is imported again.
        name: what to call the one file.
        channels: which are to be imported, counted from 1; None where none were chosen.

    Raises:
        NotAnArchiveError: something else is there.
    """

    def __init__(
        self,
        archive: str | os.PathLike[str],
        files: list[FoundFile],
        keep: bool,
        name: str | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        self._place = os.fspath(archive)
        self._channels = tuple(channels or ())
        self._known = KnownSources(archive, self._channels)
        self._own_name = name
        self._names = dict.fromkeys(files, name) if name else _names(files)
        self._keep = keep
        self._waiting: dict[str, list[_Job]] = {}
        self._lock = threading.Lock()

    def untouched(self, mark: str | None) -> str | None:
        """Tell which recording was made of the file with this mark, if that is all that is wanted.

        Where it is to be there under another name, too, its content decides.
        """
        with self._lock:
            names = self._known.untouched(mark)
            if self._own_name in names:
                return self._own_name
            return names[0] if names and not (self._keep and self._own_name) else None

    def take(self, file: FoundFile, seen: SourceFile) -> tuple[list[FileOutcome], _Job | None]:
        """Tell what is clear about a file already, and whether it is to be imported now."""
        with self._lock:
            if outcome := self._present(file, seen):
                return [outcome], None
            if seen.sha256 in self._waiting:
                self._waiting[seen.sha256].append((file, seen))
                return [], None
            self._waiting[seen.sha256] = []
            return [], (file, seen)

    def release(self, seen: SourceFile, made: bool) -> tuple[list[FileOutcome], _Job | None]:
        """Tell what is clear about those that waited for a file, and which is to be imported now.

        Where the file failed, the next one is tried: its name may make the difference.
        """
        with self._lock:
            waiting = self._waiting[seen.sha256]
            outcomes: list[FileOutcome] = []
            while waiting:
                job = waiting.pop(0)
                outcome = self._present(*job) if made else None
                if outcome is None:
                    return outcomes, job
                outcomes.append(outcome)
            del self._waiting[seen.sha256]
            return outcomes, None

    def name(self, file: FoundFile, seen: SourceFile) -> str:
        """Choose a name that nobody has.

        Raises:
            RecordingExistsError: a file that was named itself is called like a recording.
        """
        with self._lock:
            name, taken = self._names[file], self._known.names
            if name in taken and file.named:
                raise RecordingExistsError(
                    f"{file.path}: {self._place} has a recording {name!r} already; give this one "
                    "another name (--name), or import its folder, where one is found for it"
                )
            if name in taken:
                sign = seen.sha256[:8]
                if self._channels and seen.sha256 in self._known.hashes:
                    sign = "ch" + "-".join(map(str, self._channels))
                own = f"{name[:112]}-{sign}"
                tries = (own, *(f"{own}.{number}" for number in range(2, len(taken) + 3)))
                name = next(one for one in tries if one not in taken)
            taken.add(name)
            return name

    def there_now(self, file: FoundFile, seen: SourceFile) -> FileOutcome | None:
        """Tell whether another process has brought in the same file meanwhile."""
        with self._lock:
            known = KnownSources(self._place, self._channels)
            known.names |= self._known.names  # of files that are on their way, too
            self._known = known
            return self._present(file, seen)

    def made(self, name: str, seen: SourceFile) -> None:
        """Take note of a new recording and of the file that it was made of."""
        with self._lock:
            self._known.add(name, seen)

    def _present(self, file: FoundFile, seen: SourceFile) -> FileOutcome | None:
        found = self._known.same_content(seen, self._own_name)
        if found is None:
            return None
        name, same_path = found
        if self._keep and not (same_path and self._own_name in (None, name)):
            return None
        return file.outcome("already" if same_path else "duplicate", name=name)


def _names(files: list[FoundFile]) -> dict[FoundFile, str]:
    """Choose names: with the ending where files are called the same but for that.

    Where they are called the same wholly, as on two cards, it is the name of the folder before it.
    """
    plain = {file: _plain(Path(file.shown).with_suffix("")) for file in files}
    uses, shown = Counter(plain.values()), Counter(file.shown for file in files)

    def name(file: FoundFile) -> str:
        if uses[plain[file]] == 1:
            return plain[file]
        if shown[file.shown] == 1:
            return _plain(Path(file.shown))
        return _plain(Path(file.path.absolute().parent.name, file.shown).with_suffix(""))

    return {file: name(file) for file in files}


def _plain(shown: Path) -> str:
    return suggest_name("-".join(shown.parts))

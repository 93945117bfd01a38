"""Whole folders made recordings: side by side on all cores, and continued where it was stopped.

Each file has one outcome. A file that fails does not stop the others; only what would fail for all
of them does, such as a full disk.
"""

import contextlib
import errno
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, Unpack

from opuscule.archive.importing.claims import Claims
from opuscule.archive.importing.importer import import_file
from opuscule.archive.importing.manifest import (
    BulkProgress,
    FileOutcome,
    ImportOptions,
    Manifest,
    TreeReport,
)
from opuscule.archive.importing.parallel import usable_cores
from opuscule.archive.importing.sources import SourceFile, file_mark, look_at
from opuscule.archive.importing.walk import FoundFile, find_files, is_passed_over
from opuscule.archive.storage.info import check_name
from opuscule.errors import (
    InvalidArgumentError,
    NotAnArchiveError,
    OpusculeError,
    RecordingExistsError,
)
from opuscule.files import check_input

__all__ = ["import_tree"]

_POLL_S = 0.25
_BIG_BYTES = 32 << 20
_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class _StoppedError(Exception):
    """Ends the import of a file from inside."""


def import_tree(
    archive: str | os.PathLike[str],
    sources: Iterable[str | os.PathLike[str]],
    *,
    name: str | None = None,
    threads: int | None = None,
    duplicates: Literal["skip", "keep"] = "skip",
    manifest: str | os.PathLike[str] | None = None,
    on_outcome: Callable[[FileOutcome], None] | None = None,
    progress: Callable[[BulkProgress], None] | None = None,
    **options: Unpack[ImportOptions],
) -> TreeReport:
    """Import files, and all audio files in folders and the folders in them, on all cores.

    A recording is named for its path below the folder, ``/`` made ``-`` and the ending left out
    where that is enough. Where another recording has the name, a piece of the content's hash is
    added; a file that was named itself fails instead.

    What is in the archive already is not imported again, so the same call continues what was
    stopped: at any moment, by anything, what was finished stays and nothing else shows.

    Args:
        archive: the archive; made when it is not there.
        sources: files and folders. In folders, what is neither called nor looks like audio is
            passed over, and hidden files, links to folders and Zarr groups are left out.
        name: of the recording, if there is one file.
        threads: how many encode; None for one a core.
        duplicates: what becomes of content that a recording made of another file has:
            ``skip`` it, or ``keep`` it a second time.
        manifest: a file to write: a line of JSON for each file, as soon as it is done.
        on_outcome: is called for each file as it is done, in this thread.
        progress: is called a few times a second, in this thread.
        options: as for :func:`import_file`.

    Raises:
        NotAnArchiveError: something else is where the archive should be.
        InvalidArgumentError: an argument is not one of those above.
        OSError: the manifest cannot be written, or the disk is full; the rest was not tried.
    """
    if duplicates not in ("skip", "keep"):
        raise InvalidArgumentError(f"duplicates is {duplicates!r}; expected 'skip' or 'keep'")
    if threads is not None and threads < 1:
        raise InvalidArgumentError(f"threads is {threads}; expected 1 or more")
    if name is not None:
        check_name(name)
    files, failed = find_files(sources)
    if name is not None and len(files) + len(failed) > 1:
        raise InvalidArgumentError(f"name is {name!r} for {len(files)} files; expected one file")
    claims = Claims(archive, files, duplicates == "keep", name, options.get("channels"))
    run = _Run(archive, claims, options, files)
    with Manifest(manifest) as written:

        def settle(outcome: FileOutcome) -> None:
            run.settle(outcome)
            written.write(outcome)
            if on_outcome:
                on_outcome(outcome)

        for outcome in failed:
            settle(outcome)
        _run(run, settle, progress, usable_cores() if threads is None else threads)
    return run.report


def _run(
    run: "_Run",
    settle: Callable[[FileOutcome], None],
    progress: Callable[[BulkProgress], None] | None,
    threads: int,
) -> None:
    # A file that is more than its share would keep one core busy when the others are done.
    share = max(_BIG_BYTES, run.total_bytes // threads)
    files = sorted(run.files, key=lambda file: -file.size_bytes)
    big = deque(file for file in files if threads > 1 and file.size_bytes > share)
    rest = deque(file for file in files if threads == 1 or file.size_bytes <= share)
    for jobs, workers in ((big, min(1, len(big))), (rest, min(threads, len(rest)))):
        run.work(jobs, workers, threads // max(1, workers), settle, progress)


class _Run:
    """One import of many files: what is known, what is under way, what came of it."""

    def __init__(
        self,
        archive: str | os.PathLike[str],
        claims: Claims,
        options: ImportOptions,
        files: list[FoundFile],
    ) -> None:
        self.files = files
        self.total_bytes = sum(file.size_bytes for file in files)
        self.report = TreeReport()
        self._archive, self._options = archive, options
        self._claims = claims
        self._stop = threading.Event()
        self._problem: BaseException | None = None
        self._done: queue.SimpleQueue[FileOutcome | BaseException | None] = queue.SimpleQueue()
        self._under_way: dict[FoundFile, tuple[float, int]] = {}
        self._done_bytes = self._skipped_bytes = self._done_samples = 0
        self._began = time.monotonic()

    def work(
        self,
        jobs: deque[FoundFile],
        workers: int,
        threads: int,
        settle: Callable[[FileOutcome], None],
        progress: Callable[[BulkProgress], None] | None,
    ) -> None:
        """Do jobs in so many threads, each with so many of its own; settle them in this one."""
        pool = [
            threading.Thread(target=self._work, args=(jobs, threads), name="opuscule-import")
            for _ in range(workers)
        ]
        try:
            for worker in pool:
                worker.start()
            busy = workers
            while busy:
                with contextlib.suppress(queue.Empty):
                    done = self._done.get(timeout=_POLL_S)
                    busy -= done is None
                    self._settle(done, settle)
                if progress:
                    progress(self._progress())
        except BaseException:  # Ctrl-C, too
            self._stop.set()
            raise
        finally:
            for worker in pool:
                if worker.ident:
                    worker.join()
            while not self._done.empty():
                self._settle(self._done.get(), settle)
        if self._problem:
            raise self._problem

    def _settle(
        self,
        done: FileOutcome | BaseException | None,
        settle: Callable[[FileOutcome], None],
    ) -> None:
        if isinstance(done, FileOutcome):
            settle(done)
        elif done:
            self._stop.set()
            self._problem = self._problem or done

    def settle(self, outcome: FileOutcome) -> None:
        """Count an outcome."""
        self.report.count(outcome)
        self._done_bytes += outcome.size_bytes
        self._done_samples += outcome.total_samples
        if outcome.status != "imported":
            self._skipped_bytes += outcome.size_bytes

    def _progress(self) -> BulkProgress:
        under_way = list(self._under_way.items())
        part = sum(round(share * file.size_bytes) for file, (share, _) in under_way)
        return BulkProgress(
            files=sum(self.report.counts.values()),
            total_files=len(self.files),
            failed=self.report.counts["failed"],
            done_bytes=self._done_bytes + part,
            skipped_bytes=self._skipped_bytes,
            total_bytes=self.total_bytes,
            audio_samples=self._done_samples + sum(samples for _, (_, samples) in under_way),
            elapsed_s=time.monotonic() - self._began,
        )

    def _work(self, jobs: deque[FoundFile], threads: int) -> None:
        """Do jobs until there are none, in a thread."""
        try:
            while not self._stop.is_set():
                try:
                    file = jobs.popleft()
                except IndexError:
                    break
                self._import(file, threads)
        except _StoppedError:
            pass
        except BaseException as error:  # handed on to the thread that waits
            self._done.put(error)
        finally:
            self._done.put(None)

    def _import(self, file: FoundFile, threads: int) -> None:
        try:
            check_input(file.path)
            if is_passed_over(file):
                self._done.put(file.outcome("passed_over"))
                return
            name = self._claims.untouched(file_mark(file.path, file.path.stat(), time.time_ns()))
            if name:
                self._done.put(file.outcome("already", name=name))
                return
            seen = look_at(file.path, now_ns=time.time_ns(), shown=file.shown, on_read=self._go_on)
        except (OpusculeError, OSError) as error:
            self._done.put(file.failed(error))
            return
        outcomes, to_do = self._claims.take(file, seen)
        while True:
            for outcome in outcomes:
                self._done.put(outcome)
            if not to_do:
                return
            made = self._encode(*to_do, threads)
            outcomes, to_do = self._claims.release(to_do[1], made)

    def _encode(self, file: FoundFile, seen: SourceFile, threads: int) -> bool:
        def tell(done: int, total: int | None) -> None:
            self._go_on()
            self._under_way[file] = (done / total if total else 0.0, done)

        try:
            name = self._claims.name(file, seen)
            result = import_file(
                self._archive,
                file.path,
                name=name,
                seen=seen,
                threads=threads,
                progress=tell,
                **self._options,
            )
        except _StoppedError:
            raise
        except Exception as error:  # whatever one file meets stops no other
            if isinstance(error, NotAnArchiveError) or _errno(error) in _FOR_ALL:
                raise
            there = isinstance(error, RecordingExistsError) and self._claims.there_now(file, seen)
            self._done.put(there or file.failed(error))
            return False
        finally:
            self._under_way.pop(file, None)
        self._claims.made(name, seen)
        info, transcoded = result.info, result.transcoded
        self._done.put(
            file.outcome(
                "imported", name=name, info=info, transcoded=transcoded, sha256=seen.sha256
            )
        )
        return True

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise _StoppedError


def _errno(error: Exception) -> int | None:
    return error.errno if isinstance(error, OSError) else None

"""Where what arrives is kept: the journal first, the archive once a recording is over.

Packets are durable when the journal has flushed them, and only then is the sender told so. One loop
flushes for all streams, in a thread, at most every 200 ms and at once when a stream ends. What is
over, or was cut off, is sealed into the archive; what a kill left behind is sealed when the server
comes back.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

from opuscule.archive.importing.seal import seal
from opuscule.archive.storage.store import ensure_archive
from opuscule.errors import ArchiveError, InvalidArgumentError, JournalError
from opuscule.files import why
from opuscule.journal import Durable, Journal
from opuscule.packets import Packet, StreamFormat

__all__ = ["ARCHIVE_NAME", "FLUSH_INTERVAL_S", "Keeper", "recording_name"]

ARCHIVE_NAME = "archive.zarr"
"""The archive's folder in the one that a server keeps things in."""

FLUSH_INTERVAL_S = 0.2
"""How long a packet waits at most for its flush to begin, in seconds."""

_LAST_EPOCH_S = 253_402_300_799  # 9999-12-31T23:59:59Z

_log = logging.getLogger(__name__)


def recording_name(device: str, epoch_ms: int, taken: Callable[[str], bool]) -> str:
    """Make a name that an archive allows and ``taken`` does not know."""
    device = re.sub(r"[^A-Za-z0-9._-]+", "-", device).strip("-.")[:64] or "device"
    # A clock that is wrong beyond what a calendar has is no reason to lose what is said.
    epoch_s = min(max(0, epoch_ms // 1000), _LAST_EPOCH_S)
    base = f"{device}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(epoch_s))}"
    name, n = base, 1
    while taken(name):
        n += 1
        name = f"{base}-{n}"
    return name


class Keeper:
    """A folder with a journal and an archive.

    Args:
        directory: the folder; made when it is not there.
        on_stored: is told, in the loop's thread, what of a recording has become durable.

    Raises:
        JournalError: the folder cannot be used, or another server uses it.
    """

    def __init__(self, directory: Path, on_stored: Callable[[str, Durable], None]) -> None:
        self.archive = directory / ARCHIVE_NAME
        """The archive's folder."""
        ensure_archive(self.archive)
        self._journal = Journal(directory / "journal")
        for damage in self._journal.damage:
            _log.warning("journal: %s", damage)
        self._on_stored = on_stored
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._sealing: dict[str, asyncio.Task[None]] = {}
        # One at a time: flushes share the threads, and whoever speaks now waits for a flush.
        self._turnstile = asyncio.Semaphore(1)
        self._unsealable: dict[str, str] = {}
        self._failing = False
        self._loop_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to flush, and seal what an earlier server left behind."""
        for name in self._journal.unsealed():
            _log.info("sealing %s, which an earlier server left in the journal", name)
            self._seal_later(name)
        self._loop_task = asyncio.create_task(self._flush_forever())

    def is_taken(self, name: str) -> bool:
        """Whether a recording of this name is in the archive or on its way."""
        return name in self._journal.unsealed() or (self.archive / "recordings" / name).exists()

    def begin(self, name: str, stream: StreamFormat, metadata: dict[str, object]) -> None:
        """Begin a recording."""
        self._journal.begin(name, stream, metadata)
        self._dirty.set()

    def append(
        self, name: str, packet: Packet, arrived: float, *, backfill: bool, discontinuity: bool
    ) -> None:
        """Take a packet.

        Raises:
            JournalError: the disk does not keep up; nothing was taken.
        """
        self._journal.append(
            name,
            packet,
            arrived_us=round(arrived * 1e6),
            backfill=backfill,
            discontinuity=discontinuity,
        )
        self._dirty.set()

    def end(self, name: str, end_samples: int) -> None:
        """Note the end of a recording; it is sealed once it is durable."""
        self._journal.end(name, end_samples)
        self._dirty.set()
        self._urgent.set()

    def interrupt(self, name: str) -> None:
        """Seal a recording whose end did not come; it is marked as not complete."""
        self._seal_later(name)

    async def sealed(self, name: str) -> None:
        """Wait until a recording that has ended is in the archive.

        Raises:
            ArchiveError: it could not be sealed; it is safe in the journal.
        """
        while name in self._journal.unsealed():
            if name in self._unsealable:
                raise ArchiveError(f"{name} could not be sealed: {self._unsealable[name]}")
            task = self._sealing.get(name)
            await (asyncio.shield(task) if task else asyncio.sleep(FLUSH_INTERVAL_S / 4))

    async def close(self) -> None:
        """Flush, seal what has ended, and let the folder go."""
        if self._loop_task:
            self._loop_task.cancel()
            await asyncio.wait([self._loop_task])
        await self._flush()
        for name in self._journal.unsealed():
            self._seal_later(name)
        while self._sealing:  # one that finds the disk with room again has others tried again
            await asyncio.gather(*self._sealing.values(), return_exceptions=True)
        await asyncio.to_thread(self._journal.close)

    async def _flush_forever(self) -> None:
        while True:
            await self._dirty.wait()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it can swallow a cancellation.
                async with asyncio.timeout(FLUSH_INTERVAL_S):
                    await self._urgent.wait()
            await self._flush()

    async def _flush(self) -> None:
        self._dirty.clear()
        self._urgent.clear()
        try:
            await self._write()
        except JournalError:
            # What is not durable stays in the journal's memory, and the next flush tries again.
            await asyncio.sleep(FLUSH_INTERVAL_S)
            self._dirty.set()

    async def _write(self) -> None:
        """Flush the journal and tell of all that has become durable, whoever wanted it flushed."""
        try:
            durable = await asyncio.to_thread(self._journal.flush)
        except JournalError as error:
            # Said once: a log on a disk that is full needs no line for each attempt.
            if not self._failing:
                _log.error("%s", error)
            self._failing = True
            raise
        if self._failing:
            self._failing = False
            _log.warning("the journal is written again")
            again, self._unsealable = self._unsealable, {}
            for name in again:
                self._seal_later(name)
        for name, what in durable.items():
            self._on_stored(name, what)
            if what.ended:
                self._seal_later(name)

    def _seal_later(self, name: str) -> None:
        if name not in self._sealing and name not in self._unsealable:
            self._sealing[name] = asyncio.create_task(self._seal(name))

    async def _seal(self, name: str) -> None:
        try:
            async with self._turnstile:
                await self._write()
                await asyncio.to_thread(self._seal_now, name)
            self._journal.mark_sealed(name)
            self._dirty.set()
        except (ArchiveError, InvalidArgumentError, OSError) as error:
            # Not the error itself: it holds all that was called.
            self._unsealable[name] = why(error) if isinstance(error, OSError) else str(error)
            _log.error(
                "%s stays in the journal and is tried again later: %s", name, self._unsealable[name]
            )
        finally:
            del self._sealing[name]

    def _seal_now(self, name: str) -> None:
        known = self._journal.recording(name)
        seal(
            self.archive,
            name,
            known.format,
            self._journal.read(name),
            end_samples=known.end_samples,
            metadata=known.metadata,
        )

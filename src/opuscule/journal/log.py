"""The journal: what has been appended, what is on disk, and which segments may go.

Theory of operation. ``begin``, ``append``, ``end`` and ``mark_sealed`` only encode a record into a
batch in memory. ``flush`` takes the batch, writes it with one write, waits for the disk with one
fsync, and only then says what has become durable. It may run in a thread of its own: a lock guards
the batch, which is swapped out; another keeps flushes apart.

What was handed out by ``flush`` stays readable until the recording is marked as sealed and that
mark is durable itself.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from opuscule.errors import InvalidArgumentError, JournalError
from opuscule.files import why
from opuscule.journal.records import (
    Begin,
    End,
    JournalPacket,
    Sealed,
    decode,
    encode_begin,
    encode_end,
    encode_packet,
    encode_sealed,
)
from opuscule.journal.segments import Damage, DirectoryLock, SegmentReader, Segments
from opuscule.journal.state import Batch, Durable, JournalRecording, State
from opuscule.packets import Packet, StreamFormat

__all__ = ["Journal"]


class Journal:
    """A packet log in a directory of its own.

    Opening an existing directory recovers what is in it; ``damage`` then tells what could not be
    read. Use it as a context manager, or call :meth:`close`.

    Args:
        directory: where the segments are; made when it is not there.
        segment_bytes: a segment that has grown to this size is followed by a new one.
        pending_bytes: how much may wait to be flushed.

    Raises:
        JournalError: the directory cannot be used, or another process uses it.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        segment_bytes: int = 64 << 20,
        pending_bytes: int = 16 << 20,
    ) -> None:
        self._directory = Path(directory)
        self._limit_bytes = pending_bytes
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._batch = Batch()
        self._in_flight_bytes = 0
        self._by_id: dict[int, State] = {}
        self._by_key: dict[str, State] = {}
        # Sealed before this was opened, with nothing left of them but the mark.
        self._long_sealed: set[int] = set()
        self._next_id = 1
        self._directory_lock = DirectoryLock(self._directory)
        try:
            self._segments = Segments(self._directory, segment_bytes)
            self.damage: tuple[Damage, ...] = self._recover()
            self._forget_sealed()
        except OSError as error:
            self._directory_lock.release()
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"{self._directory}: cannot be read: {why(error)}") from error

    @property
    def pending_bytes(self) -> int:
        """How much has been appended and is not durable yet."""
        return self._in_flight_bytes + len(self._batch.data)

    def begin(
        self, recording: str, form: StreamFormat, metadata: Mapping[str, object] | None = None
    ) -> None:
        """Begin a recording.

        Args:
            recording: its key, 1 to 256 bytes, not in use by another that is not sealed.
            form: what a decoder has to know.
            metadata: whatever is to be known when it is sealed, as JSON.

        Raises:
            InvalidArgumentError: the key is in use, or the metadata is no JSON or too long.
            JournalError: too much waits to be flushed already.
        """
        known = dict(metadata or {})
        with self._lock:
            old = self._by_key.get(recording)
            if old is not None and not old.sealed:
                raise InvalidArgumentError(f"recording {recording!r} has begun already")
            number = self._next_id
            frame = encode_begin(number, Begin(recording, form, known))
            state = State(number, recording, form, known, frame)
            self._add(state, frame)
            self._next_id += 1
            self._by_id[number] = self._by_key[recording] = state

    def append(
        self,
        recording: str,
        packet: Packet,
        *,
        arrived_us: int,
        backfill: bool = False,
        discontinuity: bool = False,
    ) -> None:
        """Append a packet, in any order and more than once if it came so.

        Raises:
            InvalidArgumentError: no such recording is open, or the packet is out of range.
            JournalError: too much waits to be flushed; nothing was appended.
        """
        arrived = JournalPacket(packet, arrived_us, backfill, discontinuity)
        with self._lock:
            state = self._open_state(recording)
            self._add(state, encode_packet(state.id, arrived))
            ranges = self._batch.ranges.setdefault(recording, [])
            if ranges and ranges[-1][1] == packet.sequence:
                ranges[-1] = (ranges[-1][0], packet.sequence + 1)
            else:
                ranges.append((packet.sequence, packet.sequence + 1))

    def end(self, recording: str, end_samples: int) -> None:
        """Note where a recording ends, in media samples. Backfill may still follow.

        Raises:
            InvalidArgumentError: no such recording is open, or the number is out of range.
            JournalError: too much waits to be flushed.
        """
        with self._lock:
            state = self._open_state(recording)
            self._add(state, encode_end(state.id, end_samples))
            state.end_samples = end_samples
            self._batch.ended.add(recording)

    def mark_sealed(self, recording: str) -> None:
        """Note that a recording is durable in the archive: its segments may go after a flush.

        Raises:
            InvalidArgumentError: no such recording is open.
            JournalError: too much waits to be flushed.
        """
        with self._lock:
            state = self._open_state(recording)
            self._add(state, encode_sealed(state.id))
            state.sealed = True
            self._batch.sealed.add(state.id)

    def flush(self) -> dict[str, Durable]:
        """Write all that was appended before the call and wait until the disk has it.

        May be called from another thread than the other methods.

        Returns:
            What became durable, by the recording's key.

        Raises:
            JournalError: the disk is full or failing. Nothing of it counts as durable; it is kept,
                and the next flush tries again.
        """
        with self._flush_lock:
            with self._lock:
                batch, self._batch = self._batch, Batch()
                self._in_flight_bytes = len(batch.data)
                live = {s.id: s.begin_frame for s in self._by_id.values() if not s.sealed}
            if not batch.data:
                return {}
            try:
                self._segments.write(batch.data, batch.ids, live)
            except OSError as error:
                with self._lock:
                    self._batch = batch.then(self._batch)
                    self._in_flight_bytes = 0
                raise JournalError(
                    f"{self._directory}: {why(error)}; {len(batch.data)} bytes are not durable and "
                    "are kept: make room and flush again"
                ) from error
            with self._lock:
                self._in_flight_bytes = 0
            if batch.sealed:
                # What cannot be deleted now is deleted with the next, or on opening.
                with contextlib.suppress(OSError):
                    self._forget_sealed()
            keys = batch.ranges.keys() | batch.ended
            return {
                key: Durable(tuple(batch.ranges.get(key, ())), key in batch.ended) for key in keys
            }

    def unsealed(self) -> list[str]:
        """Return the keys of the recordings that are not in the archive yet, oldest first."""
        with self._lock:
            return [state.key for state in self._by_id.values() if not state.sealed]

    def recording(self, recording: str) -> JournalRecording:
        """Return what is known of a recording that is not sealed, besides its packets.

        Raises:
            InvalidArgumentError: no such recording is open.
        """
        with self._lock:
            state = self._open_state(recording)
            return JournalRecording(state.key, state.format, state.metadata, state.end_samples)

    def read(self, recording: str) -> Iterator[JournalPacket]:
        """Read the durable packets of a recording that is not sealed, in order of arrival.

        A packet can be there twice: as it came, or after a flush that failed half-way.

        Raises:
            InvalidArgumentError: no such recording is open.
            JournalError: a segment cannot be read any more.
        """
        with self._lock:
            number = self._open_state(recording).id
            parts = self._segments.mentioning(number)
        return self._read(number, parts)

    @staticmethod
    def _read(number: int, parts: list[tuple[Path, tuple[int, int]]]) -> Iterator[JournalPacket]:
        for path, span in parts:
            reader = SegmentReader(path, span)
            try:
                for owner, body in reader:
                    if owner == number:
                        record = decode(body)
                        if isinstance(record, JournalPacket):
                            yield record
            except OSError as error:
                raise JournalError(f"{path}: {why(error)}") from error
            if reader.damage is not None or reader.good_bytes < span[1]:
                reason = reader.damage.reason if reader.damage else "it has become shorter"
                raise JournalError(
                    f"{path}: {reason} at byte {reader.good_bytes}; it was sound when opened: open "
                    "the journal again to use what can be read"
                )

    def close(self) -> None:
        """Flush, and let others use the directory.

        Raises:
            JournalError: the last flush failed; the directory is let go all the same.
        """
        try:
            self.flush()
        finally:
            with self._flush_lock:
                self._segments.close()
                self._directory_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_state(self, recording: str) -> State:
        state = self._by_key.get(recording)
        if state is None or state.sealed:
            known = "is sealed" if state is not None else "has not begun"
            raise InvalidArgumentError(f"recording {recording!r} {known}")
        return state

    def _add(self, state: State, frame: bytes) -> None:
        if self.pending_bytes + len(frame) > self._limit_bytes:
            raise JournalError(
                f"{self._directory}: {self.pending_bytes} bytes wait to be flushed, at most "
                f"{self._limit_bytes} may: flush, or slow the senders down"
            )
        self._batch.data += frame
        self._batch.ids.add(state.id)

    def _recover(self) -> tuple[Damage, ...]:
        damage = []
        for reader in self._segments.readers():
            for number, body in reader:
                self._next_id = max(self._next_id, number + 1)
                match decode(body):
                    case Begin(key, form, metadata) if number not in self._by_id:
                        frame = encode_begin(number, Begin(key, form, metadata))
                        state = State(number, key, form, metadata, frame)
                        self._by_id[number] = self._by_key[key] = state
                    case End(end_samples) if number in self._by_id:
                        self._by_id[number].end_samples = end_samples
                    case Sealed() if number in self._by_id:
                        self._by_id[number].sealed = True
                    case Sealed():
                        self._long_sealed.add(number)
            if reader.damage is not None:
                damage.append(reader.damage)
        return tuple(damage)

    def _forget_sealed(self) -> None:
        """Delete what only recordings need whose mark of being sealed is durable."""
        with self._lock:
            sealed = {s.id for s in self._by_id.values() if s.sealed} - self._batch.ids
        mentioned = self._segments.delete(sealed | self._long_sealed)
        self._long_sealed &= mentioned
        with self._lock:
            for number in sealed - mentioned:
                state = self._by_id.pop(number)
                if self._by_key[state.key] is state:
                    del self._by_key[state.key]

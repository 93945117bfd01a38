"""A recording being written: gathered out of sight, and shown at once and whole.

Theory of operation. A recording is gathered in a directory under ``.incoming`` inside the archive:
its packets in a plain file, its index in memory. When it ends, its Zarr group is written beside
them, with chunks that fit what there is, waited for until it is on the disk, and renamed to its
place. The rename is the moment at which it exists; before it nothing shows, after it all is there.
Then the catalogue gets its line.

A writer that was killed leaves its directory under ``.incoming``. Each holds a lock on its own; the
next one removes those that nobody holds.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from opuscule.archive.layout import IndexBuilder, summary
from opuscule.archive.storage.catalogue import adopt, appear
from opuscule.archive.storage.incoming import (
    OwnPlace,
    lock_archive,
    make_beside,
    make_place,
    unlock,
)
from opuscule.archive.storage.info import RecordingInfo, check_name
from opuscule.archive.storage.lossless import LosslessFile
from opuscule.archive.storage.store import check_metadata, ensure_archive, write_recording
from opuscule.errors import (
    InvalidArgumentError,
    RecordingExistsError,
    UnsupportedFormatError,
)
from opuscule.packets import Gap, Packet, StreamFormat

if sys.platform != "win32":
    import fcntl

__all__ = ["RecordingWriter"]


class RecordingWriter:
    """Writes one recording; a context manager that leaves nothing behind unless it was finished.

    Memory: four bytes a packet and some for each gap, whatever the packets weigh. Disk: while it is
    finished the packets are there twice.

    Args:
        archive: the archive's directory; made when it is not there.
        name: of the recording.
        form: what a decoder has to know.

    Raises:
        InvalidArgumentError: the name is not valid.
        RecordingExistsError: there is one of that name.
        UnsupportedFormatError: its packets hold several Opus streams.
        NotAnArchiveError, OSError: see :func:`ensure_archive`.
    """

    def __init__(self, archive: str | os.PathLike[str], name: str, form: StreamFormat) -> None:
        check_name(name)
        if not form.is_single:
            raise UnsupportedFormatError(
                f"the stream has {form.channels} channels in {form.streams} Opus streams (mapping"
                f" family {form.mapping_family}); archives hold mono and stereo"
            )
        self._made_archive = not Path(archive, "zarr.json").exists()
        self._root = ensure_archive(archive)
        self.name = name
        self._format = form
        self._target = self._root / "recordings" / name
        if self._target.exists():
            raise self._exists()
        self._index = IndexBuilder()
        self._lossless: LosslessFile | None = None
        self._hash = hashlib.sha256()
        self._lock = lock_archive(self._root, lambda names: adopt(self._root, names))
        self._own: OwnPlace | None = None
        try:
            self._own = make_place(self._root, name)
            self._place = self._own.path
            self._payload = (self._place / "payload").open("w+b")
        except BaseException:  # Ctrl-C, too
            self._remove()
            raise

    @property
    def time_samples(self) -> int:
        """Media time just after what was added last: where the next item has to begin."""
        return self._index.time_samples

    def add(self, item: Packet | Gap) -> None:
        """Add the next packet or gap in media time.

        Raises:
            InvalidArgumentError: it does not begin at :attr:`time_samples`, or is not valid.
            OSError: there is no room.
        """
        self._index.add(item)
        if isinstance(item, Packet):
            self._hash.update(item.data)
            self._payload.write(item.data)

    def add_packets(
        self,
        payload: bytes,
        lengths: Sequence[int],
        durations_samples: Sequence[int],
        start_samples: int,
    ) -> None:
        """Add packets that follow on one another without a gap, many at once.

        Args:
            payload: the packets, end to end.
            lengths: bytes of each.
            durations_samples: what each decodes to, in 48 kHz samples.
            start_samples: media time at which the first begins.

        Raises:
            InvalidArgumentError: as for :meth:`add`, or the lengths are not those of the payload.
            OSError: there is no room.
        """
        if len(lengths) != len(durations_samples) or sum(lengths) != len(payload):
            raise InvalidArgumentError(
                f"{len(lengths)} lengths of {sum(lengths)} bytes and {len(durations_samples)} "
                f"durations for {len(payload)} bytes; expected one of each for every packet"
            )
        self._index.add_packets(lengths, durations_samples, start_samples)
        self._hash.update(payload)
        self._payload.write(payload)

    @property
    def scratch(self) -> Path:
        """A directory of the writer's own, in which files may be made; gone when it is."""
        return self._place

    def keep_lossless(self, file: LosslessFile) -> None:
        """Put the source's own samples beside its packets, when it is finished."""
        self._lossless = file

    def finish(
        self,
        end_samples: int,
        *,
        complete: bool = True,
        start_epoch_ms: int | None = None,
        added_epoch_ms: int | None = None,
        source: Mapping[str, object] | None = None,
        encoder: Mapping[str, object] | None = None,
        comments: Sequence[tuple[str, str]] = (),
        attributes: Mapping[str, object] | None = None,
    ) -> RecordingInfo:
        """Make the recording appear, whole and durable.

        Args:
            end_samples: media time at which the audio ends, at most :attr:`time_samples`.
            complete: whether that is the end that its sender gave it.
            start_epoch_ms: wall time of its beginning.
            added_epoch_ms: wall time at which it comes into the archive; None for now.
            source: where it comes from, as JSON.
            encoder: what encoded it, as JSON.
            comments: the source's tags.
            attributes: the user's own, as JSON.

        Raises:
            InvalidArgumentError: ``end_samples`` is out of range, or what is to be kept about it is
                no JSON or too long.
            RecordingExistsError: another one took the name meanwhile.
            OSError: there is no room.
        """
        if not 0 <= end_samples <= self.time_samples:
            raise InvalidArgumentError(
                f"end_samples is {end_samples}; packets and gaps reach from 0 to "
                f"{self.time_samples}"
            )
        form, index = self._format, self._index
        if added_epoch_ms is None:
            added_epoch_ms = time.time_ns() // 1_000_000
        info = RecordingInfo(
            channels=form.channels,
            pre_skip_samples=form.pre_skip_samples,
            input_rate=form.input_rate,
            gain_q8=form.gain_q8,
            packets=len(index.lengths),
            payload_bytes=index.payload_bytes,
            payload_sha256=self._hash.hexdigest(),
            packet_samples=index.packet_samples,
            end_samples=end_samples,
            total_samples=max(0, end_samples - form.pre_skip_samples),
            complete=complete,
            start_epoch_ms=start_epoch_ms,
            added_epoch_ms=added_epoch_ms,
            gaps=summary(placed.gap for placed in index.gaps),
            source=dict(source or {}),
            encoder=dict(encoder or {}),
            comments=tuple(comments),
            attributes=dict(attributes or {}),
        )
        check_metadata(info)
        self._payload.flush()
        payload = self._place / "payload"
        write_recording(self._place / "recording", info, index, payload, self._lossless)
        try:
            appear(self._root, self._place / "recording", self.name)
        except OSError as error:
            if self._target.exists() and (self._place / "recording").exists():
                raise self._exists() from error
            raise
        self._made_archive = False
        self._clean_up()
        return info

    def abort(self) -> None:
        """Throw away what was gathered; after :meth:`finish` there is nothing to throw away."""
        self._clean_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def _exists(self) -> RecordingExistsError:
        return RecordingExistsError(
            f"{self._root} has a recording {self.name!r} already; give this one another name"
        )

    def _clean_up(self) -> None:
        self._payload.close()
        self._remove()

    def _remove(self) -> None:
        if self._own is not None:
            self._own.close()
        if self._made_archive:
            _take_back(self._root, self._lock)
            self._made_archive = False
        unlock(self._lock)
        self._lock = None


def _take_back(root: Path, lock: int | None) -> None:
    """Remove an archive that was made for a recording that did not come to be.

    Not if anything else is in it, or others are writing.
    """
    with contextlib.suppress(OSError):
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if {p.name for p in root.rglob("*")} == {"catalogue.jsonl", "recordings", "zarr.json"}:
            # Out of sight first, so that nobody meets half of it.
            with make_beside(root) as own:
                root.rename(own.path / "archive")

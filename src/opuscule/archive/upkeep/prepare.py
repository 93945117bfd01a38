"""A recording prepared: its sync points found, once, so that any part of it is exact and near."""

from collections.abc import Callable
from dataclasses import dataclass

from opuscule import _native
from opuscule.archive.layout import REDUNDANCY_SAMPLES
from opuscule.archive.reading.recording import MAX_COMPLEXITY, Recording
from opuscule.archive.storage.changes import write_points
from opuscule.archive.storage.points import COLUMNS, SyncPoints, decoder_identity
from opuscule.errors import CorruptArchiveError, InvalidArgumentError, InvalidPacketError

__all__ = ["PrepareReport", "prepare"]

INTERVAL_SAMPLES = 24_000
"""A point every half second: closer costs more to find, wider costs more on each reading."""

_BLOCK_SAMPLES = 300 * 48_000


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What preparing a recording found."""

    recording: str
    """Its name."""
    points: int
    """How many there are."""
    useless_points: int
    """How many of them decoders never became exact from, as in steady tones, or were not tried."""
    median_depth_ms: float
    """How much has to be decoded and thrown away behind half of the others, at most."""
    done_before: bool
    """It was prepared by this very decoder already; nothing was done."""


def prepare(
    recording: Recording,
    *,
    force: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> PrepareReport:
    """Find and store a recording's sync points. Nothing else of it changes.

    Interrupted, it leaves the recording as it was. Costs three to five times the decoding of it
    all.

    Args:
        recording: which.
        force: also if it was done by this decoder before.
        progress: is told how far it is, in 48 kHz samples, and of how many.

    Raises:
        CorruptArchiveError: the recording contradicts itself, or a packet is not valid.
        RecordingNotFoundError: it was removed meanwhile.
        OSError: the archive cannot be written.
    """
    done = None if force else recording.points
    if done is not None:
        return PrepareReport(recording.name, len(done), done.never, done.median_depth_ms, True)
    rows = _find(recording, progress)
    # Not read back: another process may prepare the same recording at this moment.
    found = SyncPoints(rows, INTERVAL_SAMPLES, recording.index)
    attributes: dict[str, object] = {
        "interval_samples": INTERVAL_SAMPLES,
        "complexity": MAX_COMPLEXITY,
        "decoder": decoder_identity(),
    }
    write_points(recording.path, recording.info, rows, COLUMNS, attributes)
    recording.forget_points()
    return PrepareReport(recording.name, len(found), found.never, found.median_depth_ms, False)


def _find(recording: Recording, progress: Callable[[int, int | None], None] | None) -> bytes:
    info, index = recording.info, recording.index
    converger = _native.Converger(
        INTERVAL_SAMPLES,
        channels=info.channels,
        complexity=MAX_COMPLEXITY,
        gain_q8=info.gain_q8,
    )
    first = 0
    while first < len(index):
        time = index.start(first)
        stop = index.locate(time + _BLOCK_SAMPLES)[0] + 1
        # What is missing is rebuilt from packets behind it.
        ahead = index.locate(index.start(stop) + REDUNDANCY_SAMPLES)[0] + 1 if index.gaps else stop
        run = index.packets_run(first, ahead)
        try:
            converger.feed(
                recording.payload(run.start_byte, run.stop_byte),
                run.lengths,
                run.gaps,
                stop - first,
            )
        except (InvalidPacketError, InvalidArgumentError) as error:
            raise CorruptArchiveError(f"{recording.path}: from packet {first}: {error}") from error
        first = stop
        if progress:
            progress(index.start(first), info.end_samples)
    points: bytes = converger.finish()
    return points

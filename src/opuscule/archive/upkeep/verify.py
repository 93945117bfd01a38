"""A recording checked against its own description, and extraction against the yardstick."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from opuscule.archive.reading.recording import Recording
from opuscule.errors import ArchiveError, InvalidArgumentError

__all__ = ["VerifyReport", "verify"]

_BLOCK_BYTES = 1 << 20
_MAX_RANGE_SAMPLES = 48_000


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What checking a recording found."""

    recording: str
    """Its name."""
    problems: tuple[str, ...]
    """What is wrong, one a line; empty if all is well."""
    ranges: int
    """How many stretches were extracted and compared."""
    compared_samples: int
    """How many samples a channel they had together."""
    lossless_bytes: int = 0
    """How many bytes of a lossless original were compared with its SHA-256; 0 without one."""

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def verify(
    recording: Recording,
    *,
    ranges: int = 20,
    seed: int = 0,
    pre_roll_ms: float | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> VerifyReport:
    """Check a recording: index, hash, every packet, and stretches against a sequential decode.

    Of a lossless original the hash and the list of its frames are checked.

    Args:
        recording: what to check.
        ranges: how many stretches of up to a second to extract, drawn at random; the first and the
            last samples are always among them. 0 decodes nothing.
        seed: of the draw.
        pre_roll_ms: as for :meth:`Recording.extract`; with a number, what differs tells how often
            that is not exact.
        progress: is told how much is decoded, in 48 kHz samples, and of how many.

    Raises:
        InvalidArgumentError: ``ranges`` is negative.
    """
    if ranges < 0:
        raise InvalidArgumentError(f"ranges is {ranges}; expected 0 or more")
    lossless_bytes, problems = _original(recording)
    problems += _structure(recording)
    total = recording.info.total_samples
    if problems or not ranges or not total:
        return VerifyReport(recording.name, tuple(problems), 0, 0, lossless_bytes)
    wanted = _draw(total, ranges, seed)
    try:
        problems = _compare(recording, wanted, pre_roll_ms, progress)
    except ArchiveError as error:
        problems = [str(error)]
    compared = sum(stop - start for start, stop in wanted)
    return VerifyReport(recording.name, tuple(problems), len(wanted), compared, lossless_bytes)


def _original(recording: Recording) -> tuple[int, list[str]]:
    """Check what is kept lossless beside the packets; tell how many bytes there are of it."""
    try:
        original = recording.lossless
        if original is None:
            return 0, []
        digest, size = hashlib.sha256(), original.flac_bytes
        for start in range(0, size, _BLOCK_BYTES):
            digest.update(original.flac(start, min(start + _BLOCK_BYTES, size)))
        original.check()
        problems = []
        if digest.hexdigest() != original.known.sha256:
            problems.append(
                f"the lossless original's SHA-256 is {digest.hexdigest()}; the recording says "
                f"{original.known.sha256}"
            )
    except ArchiveError as error:
        return 0, [f"the lossless original: {error}"]
    return size, problems


def _structure(recording: Recording) -> list[str]:
    info = recording.info
    problems = []
    try:
        digest = hashlib.sha256()
        for start in range(0, info.payload_bytes, _BLOCK_BYTES):
            digest.update(recording.payload(start, min(start + _BLOCK_BYTES, info.payload_bytes)))
        if digest.hexdigest() != info.payload_sha256:
            problems.append(
                f"the packets' SHA-256 is {digest.hexdigest()}; the recording says "
                f"{info.payload_sha256}"
            )
        recording.check_shards()
        end = recording.index.end_samples
        if info.end_samples > end:
            problems.append(
                f"the audio ends at media sample {info.end_samples}, but packets and gaps at {end}"
            )
        for _ in recording.packets():  # each is checked on the way
            pass
    except ArchiveError as error:
        problems.append(str(error))
    return problems


def _draw(total: int, ranges: int, seed: int) -> list[tuple[int, int]]:
    # Reproducible on purpose; nothing is kept secret by it.
    draw = random.Random(seed)  # noqa: S311
    longest = min(total, _MAX_RANGE_SAMPLES)
    wanted = [(0, longest), (total - longest, total)][:ranges]
    while len(wanted) < ranges:
        length = draw.randint(1, longest)
        start = draw.randint(0, total - length)
        wanted.append((start, start + length))
    return sorted(wanted)


def _compare(
    recording: Recording,
    wanted: list[tuple[int, int]],
    pre_roll_ms: float | None,
    progress: Callable[[int, int | None], None] | None,
) -> list[str]:
    """Compare while decoding once from the beginning, keeping only what is being compared."""
    problems: list[str] = []
    size = 2 * recording.info.channels
    kept, kept_from, reached = bytearray(), 0, 0
    blocks = recording.sequential()
    for start, stop in wanted:
        while reached < stop:
            block = next(blocks, None)
            if block is None:
                return [*problems, f"decoding ends after {reached} of {stop} samples"]
            kept += bytes(block)
            reached += len(block)
            if progress:
                progress(reached, recording.info.total_samples)
            surplus = min(start, reached) - kept_from
            if surplus > 0:
                del kept[: surplus * size]
                kept_from += surplus
        offset = (start - kept_from) * size
        expected = bytes(kept[offset : offset + (stop - start) * size])
        found = bytes(recording.extract(start, stop, pre_roll_ms=pre_roll_ms))
        if found != expected:
            different = [
                at // size
                for at in range(0, len(expected), size)
                if found[at : at + size] != expected[at : at + size]
            ]
            problems.append(
                f"samples {start} to {stop}: {len(different)} differ from the sequential decode, "
                f"the first at {start + different[0]}"
            )
    return problems

"""A range cut out of a recording without decoding it: its packets in an Ogg Opus file.

Theory of operation. The file begins with packets from before the range, for a decoder needs a while
until it gives the right samples; the pre-skip hides them, and the end's granule position hides what
the last packet has too much (RFC 7845 §4.2, §4.4). So the position is right to the sample always.
The values are those of the sequential decode if the packets before the range are known to suffice,
by the recording's sync points or because they are all that there are.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opuscule.archive.reading.streaming import PRE_ROLL_SAMPLES, Readable
from opuscule.containers.ogg import OggWriter
from opuscule.errors import InvalidArgumentError
from opuscule.files import atomic_output
from opuscule.units import MEDIA_RATE

__all__ = ["CutReport", "cut"]

_MAX_PRE_SKIP_SAMPLES = 65_535
"""All that OpusHead has room for (RFC 7845 §5.1)."""

_FILL_SAMPLES = 120
"""The steps in which a gap is filled in an Ogg file."""


@dataclass(frozen=True, slots=True)
class CutReport:
    """What was cut."""

    recording: str
    """Name of the recording."""
    start_sample: int
    """First sample, at 48 kHz."""
    stop_sample: int
    """One past the last."""
    pre_skip_samples: int
    """How much is in the file before the range, in 48 kHz samples."""
    packets: int
    """How many packets were copied."""
    exact_values: bool
    """Whether a decoder of complexity 5 or below gives the samples of the sequential decode. False
    where that is not known: a recording that is not prepared, a gap on the way, or a signal that
    needs more than 1.37 s before it. It then sounds the same, and its position is right anyhow."""


def cut(
    recording: Readable, start_sample: int, stop_sample: int, path: str | os.PathLike[str]
) -> CutReport:
    """Write a range as an Ogg Opus file without encoding it again.

    Decoded, it has exactly ``stop_sample - start_sample`` samples, in any player that obeys
    RFC 7845. What is missing in it is filled with packets that ask for concealment; behind a gap
    within the range that is no multiple of 2.5 ms, audio lies up to 119 samples early. Tags say
    what it was cut from, beside the recording's own.

    Args:
        recording: what to cut from.
        start_sample: first sample, at 48 kHz.
        stop_sample: one past the last.
        path: the file to write; it appears when it is whole.

    Raises:
        InvalidArgumentError: the range is empty or not within the audio.
        CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        OSError: the file cannot be written.
    """
    info = recording.info
    if not 0 <= start_sample < stop_sample <= info.total_samples:
        raise InvalidArgumentError(
            f"samples {start_sample} to {stop_sample} of recording {recording.name!r} are wanted; "
            f"give a range that is not empty within 0 to {info.total_samples} (48 kHz)"
        )
    start, stop = start_sample + info.pre_skip_samples, stop_sample + info.pre_skip_samples
    begin, exact = _begin(recording, start, stop)
    first, begin = _first_packet(recording, begin, start)
    early = _early_samples(recording, begin, start)
    pre_skip = start - begin - early
    form = replace(info.format, pre_skip_samples=pre_skip)
    count = missing = end = 0
    with atomic_output(path) as file:
        writer = OggWriter(file, form, comments=_comments(recording, start_sample, stop_sample))
        for packet in recording.packets(first):
            if packet.time_samples >= stop:
                break
            moved = replace(packet, time_samples=packet.time_samples - begin)
            writer.write(moved)
            missing += moved.time_samples - end
            end = moved.end_samples
            count += 1
        # The writer takes off what it owes of gaps; the file is to be as long as the range anyhow.
        writer.close(pre_skip + stop - start + missing % _FILL_SAMPLES)
    return CutReport(recording.name, start_sample, stop_sample, pre_skip, count, exact)


def _begin(recording: Readable, start: int, stop: int) -> tuple[int, bool]:
    """Choose where the file is to begin, in media time, and tell whether that is exact."""
    gaps = [placed.gap for placed in recording.index.gaps]

    def whole(begin: int) -> bool:
        return not any(gap.start_samples < stop and gap.end_samples > begin for gap in gaps)

    if start <= _MAX_PRE_SKIP_SAMPLES:
        return 0, whole(0)
    points = recording.points
    if points is not None:
        # From a little before the range, so that a player that knows nothing of this has its 80 ms.
        wanted = start - PRE_ROLL_SAMPLES
        first = next(points.parts(wanted, stop, float_output=True))
        begin = first.begin_samples
        if first.stop_samples == stop and start - begin <= _MAX_PRE_SKIP_SAMPLES and whole(begin):
            return begin, True
    return start - _MAX_PRE_SKIP_SAMPLES, False


def _first_packet(recording: Readable, begin: int, start: int) -> tuple[int, int]:
    """Find the first packet from ``begin`` on, and the media time at which the file begins."""
    index = recording.index
    if begin == 0 or not len(index):
        return 0, 0
    packet, time = index.locate(begin)
    if time < begin and packet + 1 < len(index):
        packet, time = packet + 1, index.packet_start(packet + 1)
    # Where nothing is for longer than a pre-skip can be, the file begins with the range.
    return (packet, time) if begin <= time <= start else (packet, start)


def _early_samples(recording: Readable, begin: int, start: int) -> int:
    """Tell how much too early what follows the gaps before the range lies in an Ogg file.

    They are filled in steps of 2.5 ms there, and what is left of one is carried to the next.
    """
    missing = sum(
        placed.gap.duration_samples
        for placed in recording.index.gaps
        if placed.gap.start_samples >= begin and placed.gap.end_samples <= start
    )
    return missing % _FILL_SAMPLES


def _comments(recording: Readable, start: int, stop: int) -> Iterator[tuple[str, str]]:
    info = recording.info
    yield from info.comments
    yield "CUT_FROM", recording.name
    yield "CUT_PAYLOAD_SHA256", info.payload_sha256
    yield "CUT_SAMPLES", f"{start}-{stop}"
    if info.start_epoch_ms is not None:
        began = datetime.fromtimestamp(0, UTC) + timedelta(
            milliseconds=info.start_epoch_ms, microseconds=start * 1_000_000 // MEDIA_RATE
        )
        yield "CUT_STARTED", began.isoformat()

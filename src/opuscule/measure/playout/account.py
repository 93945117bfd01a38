"""What a playout log says: from what, how late, what of the speech was heard.

Times are milliseconds from the sending of the first packet. "Data" is what came or was rebuilt from
what came (FEC, DRED); all else is made up, but for pauses that were not sent. "Delay" is played
minus sent, for each sample that was played from data.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from opuscule.levels import window_rms
from opuscule.measure.playout.calls import Sent
from opuscule.measure.playout.simulation import FIRST_PULL_MS
from opuscule.playout import PlayedSpan

__all__ = [
    "BLOCK_MS",
    "DATA",
    "INTERRUPTION_MS",
    "Delays",
    "MadeUp",
    "SpeechGap",
    "SpeechHeard",
    "delays_of",
    "made_up",
    "media_samples",
    "name_of",
    "of_the_stream",
    "shares_of",
    "speech_blocks",
    "speech_heard",
    "timed",
    "track_of",
]

DATA = ("received", "fec", "dred")
INTERRUPTION_MS = 150
"""From here on what is made up is an interruption, as WebRTC counts them."""
BLOCK_MS = 10
_BLOCK_SAMPLES = BLOCK_MS * 48
_QUIET = 0.1
"""Speech is what is above a tenth of the RMS of all: 20 dB below it."""
_BRIDGE_BLOCKS = 2
"""Gaps so near to each other are one to the ear."""


def media_samples(span: PlayedSpan) -> int:
    """How much of the stream a span stands for: more than it lasts where it is played faster."""
    return span.samples if span.media_samples is None else span.media_samples


def timed(spans: Sequence[PlayedSpan]) -> Iterator[tuple[int, PlayedSpan]]:
    """Each span with when it began to be played, in 48 kHz samples."""
    at = FIRST_PULL_MS * 48
    for span in spans:
        yield at, span
        at += span.samples


def name_of(span: PlayedSpan) -> str:
    """What a span is counted as: its origin, or ``stretched``."""
    return "stretched" if span.media_samples is not None else span.origin


def of_the_stream(spans: Sequence[PlayedSpan]) -> tuple[int, int]:
    """The range of the spans from the first of data to the last; empty if there is none."""
    of_data = [k for k, span in enumerate(spans) if span.origin in DATA]
    return (of_data[0], of_data[-1] + 1) if of_data else (0, 0)


def shares_of(spans: Sequence[PlayedSpan]) -> dict[str, float]:
    """How much of what was played, from the first span of data to the last, was made from what."""
    first, stop = of_the_stream(spans)
    samples: dict[str, int] = {}
    for span in spans[first:stop]:
        samples[name_of(span)] = samples.get(name_of(span), 0) + span.samples
    return {name: count / sum(samples.values()) for name, count in samples.items()}


def track_of(spans: Sequence[PlayedSpan]) -> list[tuple[float, float, int]]:
    """When each span of data was played, its delay, both in ms, and how many samples it has."""
    return [
        (at / 48, (at - span.time_samples) / 48, span.samples)
        for at, span in timed(spans)
        if span.time_samples is not None and span.origin in DATA
    ]


@dataclass(frozen=True, slots=True)
class Delays:
    """Played minus sent, in ms, over all samples from data."""

    mean_ms: float
    """The mean."""
    median_ms: float
    """What half of it stayed at or below."""
    p95_ms: float
    """What 95 % stayed at or below."""
    greatest_ms: float
    """The greatest."""


def delays_of(spans: Sequence[PlayedSpan]) -> Delays | None:
    """The delays of a log; None if nothing in it is from data."""
    track = sorted((delay_ms, samples) for _, delay_ms, samples in track_of(spans))
    total = sum(samples for _, samples in track)
    if not total:
        return None

    def quantile(share: float) -> float:
        passed = 0
        for delay_ms, samples in track:
            passed += samples
            if passed >= share * total:
                return delay_ms
        return track[-1][0]

    mean = sum(delay_ms * samples for delay_ms, samples in track) / total
    return Delays(mean, quantile(0.5), quantile(0.95), track[-1][0])


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A stretch of sound that is from no data."""

    at_ms: float
    """When it was played."""
    duration_ms: float
    """How long."""
    skipped_ms: float
    """How much of the stream it stands for: nothing where the stream waited and went on."""
    origins: tuple[str, ...]
    """From what it was made, in order."""

    @property
    def is_wait(self) -> bool:
        """Whether most of it is time in which the stream stood still."""
        return self.skipped_ms < self.duration_ms / 2


def made_up(spans: Sequence[PlayedSpan]) -> list[MadeUp]:
    """Every stretch within the stream that is from no data, pauses that were not sent left out."""
    first, stop = of_the_stream(spans)
    found: list[MadeUp] = []
    begun, samples, origins, reached = 0, 0, list[str](), 0
    for at, span in list(timed(spans))[first:stop]:
        if span.origin in DATA or span.missing == "unsent":
            begins = reached if span.time_samples is None else span.time_samples
            if samples:
                skipped_ms = max(0, begins - reached) / 48
                names = tuple(dict.fromkeys(origins))
                found.append(MadeUp(begun / 48, samples / 48, skipped_ms, names))
            samples, origins, reached = 0, [], begins + media_samples(span)
        else:
            begun = begun if samples else at
            samples += span.samples
            origins.append(span.origin)
    return found


# What of the speech was heard


def speech_blocks(pcm: bytes, channels: int) -> list[bool]:
    """Which blocks of 10 ms of int16 at 48 kHz are speech, or whatever is as loud."""
    levels = window_rms(pcm, channels, _BLOCK_SAMPLES)
    mean_square = sum(level * level for level in levels) / max(1, len(levels))
    return [level > _QUIET * mean_square**0.5 > 0 for level in levels]


@dataclass(frozen=True, slots=True)
class SpeechGap:
    """Speech that was not heard."""

    time_ms: float
    """Where it is in what was said."""
    speech_ms: float
    """How much is missing."""
    lost_ms: float
    """Of that, how much was lost by the network; the rest came, and was too late."""


@dataclass(frozen=True, slots=True)
class SpeechHeard:
    """How much of the speech was played from data."""

    speech_ms: float
    """All that was said."""
    lost_ms: float
    """Not heard, for its packets were lost."""
    late_ms: float
    """Not heard, though its packets came."""
    gaps: tuple[SpeechGap, ...]
    """Where, in order."""

    @property
    def unheard_share(self) -> float:
        """Of all speech, 0 to 1."""
        return (self.lost_ms + self.late_ms) / self.speech_ms if self.speech_ms else 0.0


def speech_heard(
    spans: Sequence[PlayedSpan], sent: Sequence[Sent], speech: Sequence[bool]
) -> SpeechHeard:
    """Say how much of the speech was played from data, and why the rest was not.

    Args:
        spans: the playout log.
        sent: the packets, in order.
        speech: which blocks of what was said are speech.
    """
    missing = _missing(spans, len(speech))
    starts = [s.packet.time_samples for s in sent]
    lost = late = 0.0
    gaps: list[SpeechGap] = []
    last = -_BRIDGE_BLOCKS - 1
    for block, is_speech in enumerate(speech):
        ms = missing[block] / 48
        if not is_speech or ms < 0.1:
            continue
        of = sent[max(0, bisect_right(starts, block * _BLOCK_SAMPLES) - 1)]
        lost_ms = ms if of.arrival_ms is None else 0.0
        lost, late = lost + lost_ms, late + ms - lost_ms
        begin_ms, before_ms, before_lost_ms = block * float(BLOCK_MS), 0.0, 0.0
        if block - last <= _BRIDGE_BLOCKS:
            gap = gaps.pop()
            begin_ms, before_ms, before_lost_ms = gap.time_ms, gap.speech_ms, gap.lost_ms
        gaps.append(SpeechGap(begin_ms, before_ms + ms, before_lost_ms + lost_ms))
        last = block
    return SpeechHeard(sum(speech) * float(BLOCK_MS), lost, late, tuple(gaps))


def _missing(spans: Sequence[PlayedSpan], blocks: int) -> list[int]:
    """How many samples of each block of the stream were never played from data."""
    played = sorted(
        (span.time_samples, span.time_samples + media_samples(span))
        for span in spans
        if span.time_samples is not None and span.origin in DATA
    )
    end = blocks * _BLOCK_SAMPLES
    holes, reached = list[tuple[int, int]](), 0
    for start, stop in played:
        if start > reached:
            holes.append((reached, min(start, end)))
        reached = max(reached, stop)
    holes.append((reached, end))
    found = [0] * blocks
    for start, stop in holes:
        cuts = [start, *range((start // _BLOCK_SAMPLES + 1) * _BLOCK_SAMPLES, stop, _BLOCK_SAMPLES)]
        for a, b in pairwise([*cuts, stop]):
            if a < b:
                found[a // _BLOCK_SAMPLES] += b - a
    return found

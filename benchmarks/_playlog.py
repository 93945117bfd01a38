"""What the engine's log says of a trace that was played: what was heard, and how late.

"Voiced" are the blocks of 10 ms of the reference whose RMS is above a tenth of the whole's (20 dB
below it); "heard" is the share of their samples that were played exactly once from received, FEC or
DRED data, by the media times of the log, stretched or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _network import ROW_MS, Trace, in_packets
from opuscule.measure.playout.account import (
    DATA,
    delays_of,
    media_samples,
    of_the_stream,
    track_of,
)
from opuscule.playout import PlayedSpan

__all__ = [
    "Event",
    "back_by_log",
    "back_by_track",
    "delay_of_log",
    "events",
    "heard",
    "loudest_in_gaps",
    "mean_of_log",
    "rebuilt",
    "voiced",
]

RATE, BLOCK_SAMPLES = 48_000, 480
BACK_MS = 20
"""What counts as back: so little above the delay before."""
STAYS_MS = 200
BACK_WITHIN_MS = 2000
FADED_MS = 300
"""When a gap should have faded."""

Floats = NDArray[np.float64]


@cache
def voiced(reference: Path) -> NDArray[np.bool_]:
    """Which samples of the reference are speech."""
    import soundfile

    x, _ = soundfile.read(reference)
    blocks = x[: len(x) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    loud = np.sqrt(np.mean(blocks**2, axis=1)) > 0.1 * np.sqrt(np.mean(x**2))
    return np.repeat(loud, BLOCK_SAMPLES)


def times_played(spans: Sequence[PlayedSpan], samples: int) -> NDArray[np.int64]:
    """How often each of so many samples of the stream was played from data."""
    steps = np.zeros(samples + 1, np.int64)
    for span in spans:
        if span.time_samples is not None and span.origin in DATA:
            steps[min(span.time_samples, samples)] += 1
            steps[min(span.time_samples + media_samples(span), samples)] -= 1
    times: NDArray[np.int64] = np.cumsum(steps)[:-1]
    return times


def heard(spans: Sequence[PlayedSpan], reference: Path) -> float:
    """The share of voiced samples that were played exactly once from data."""
    speech = voiced(reference)
    return float(np.mean(times_played(spans, len(speech))[speech] == 1))


def delay_of_log(spans: Sequence[PlayedSpan]) -> tuple[Floats, Floats]:
    """When each span from data began to be played and how long after it was sent; both in ms."""
    track = np.array(track_of(spans)).reshape(-1, 3)
    return track[:, 0], track[:, 1]


def mean_of_log(spans: Sequence[PlayedSpan]) -> tuple[float, float]:
    """How much from the first span of data to the last is from none; the mean delay in ms."""
    first, stop = of_the_stream(spans)
    total = sum(span.samples for span in spans[first:stop])
    made_up = sum(span.samples for span in spans[first:stop] if span.origin not in DATA)
    delays = delays_of(spans)
    return (made_up / total, delays.mean_ms) if delays else (1.0, float("nan"))


def rebuilt(spans: Sequence[PlayedSpan], trace: Trace, rows: int, longest_ms: int) -> float:
    """The share of what was lost in bursts of up to ``longest_ms`` that was played from data.

    The trace is that of the rows, of which a packet holds so many. nan if nothing was lost.
    """
    packet_ms = rows * ROW_MS
    duration = packet_ms * RATE // 1000
    packets = in_packets(trace, rows).rows
    times = times_played(spans, len(packets) * duration)
    played, lost, burst = 0, 0, list[int]()
    for row in (*packets, None):
        if row is not None and row.arrival_ms is None:
            burst.append(row.sequence)
            continue
        if 0 < len(burst) * packet_ms <= longest_ms:
            part = times[burst[0] * duration : (burst[-1] + 1) * duration]
            played += int(np.count_nonzero(part))
            lost += len(part)
        burst.clear()
    return played / lost if lost else float("nan")


def loudest_in_gaps(
    pcm: NDArray[np.int16], spans: Sequence[PlayedSpan], trace: Trace, reference: Path
) -> float:
    """The loudest 20 ms in gaps, from 300 ms on, in dB to the RMS of voiced speech: -100 at most.

    What fades is far below it by then; what buzzes is not. nan without such gaps.
    """
    import soundfile

    x, _ = soundfile.read(reference)
    speech = np.sqrt(np.mean(x[: len(voiced(reference))][voiced(reference)] ** 2))
    times, delays = delay_of_log(spans)
    loudest = float("nan")
    lost = [row.arrival_ms is None for row in trace.rows]
    edges = np.flatnonzero(np.diff([False, *lost, False]))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        before = delays[times < first * ROW_MS]
        delay_ms = before[-1] if len(before) else 0.0
        begin, end = (round((k * ROW_MS + delay_ms) * RATE / 1000) for k in (first, last))
        for at in range(begin + FADED_MS * RATE // 1000, end - 960, 960):
            rms = np.sqrt(np.mean((pcm[at : at + 960] / 32768.0) ** 2))
            loudest = np.fmax(loudest, 20 * np.log10(max(rms / speech, 1e-5)))
    return float(loudest)


@dataclass(frozen=True, slots=True)
class Event:
    """Everything was held from one moment to another."""

    begin_ms: float
    end_ms: float


def events(trace: Trace) -> list[Event]:
    """The spikes and stalls of a trace: where ten rows or more arrive at once, and 200 ms late."""
    found: list[Event] = []
    rows = [row for row in trace.rows if row.arrival_ms is not None]
    first = 0
    for k in range(1, len(rows) + 1):
        if k < len(rows) and rows[k].arrival_ms == rows[first].arrival_ms:
            continue
        arrival_ms = rows[first].arrival_ms
        assert arrival_ms is not None
        if k - first >= 10 and arrival_ms - rows[first].sent_ms >= 200:
            found.append(Event(rows[first].sent_ms, arrival_ms))
        first = k
    return found


def _back(begin_ms: float, end_ms: float, next_ms: float, times: Floats, delays: Floats) -> float:
    """How long after the event the delay is within 20 ms of what it was before, and stays so."""
    before = delays[times < begin_ms][-3:]
    after = (times >= end_ms) & (times < next_ms)
    at, late = times[after], delays[after] > np.median(before) + BACK_MS if len(before) else None
    if late is None or not len(at):
        return float("inf")
    for k in np.flatnonzero(~late):
        stays = (at >= at[k]) & (at <= at[k] + STAYS_MS)
        if not late[stays].any():
            return float(at[k] - end_ms)
    return float("inf")


def _every(trace: Trace, times: Floats, delays: Floats) -> list[float]:
    found = events(trace)
    following = [*(event.begin_ms for event in found[1:]), float("inf")]
    return [
        _back(event.begin_ms, event.end_ms, next_ms, times, delays)
        for event, next_ms in zip(found, following, strict=False)
    ]


def back_by_log(trace: Trace, spans: Sequence[PlayedSpan]) -> list[float]:
    """Milliseconds from each event's end until the delay is back, by the log; inf if never."""
    return _every(trace, *delay_of_log(spans))


def back_by_track(trace: Trace, track: Sequence[tuple[float, float]]) -> list[float]:
    """The same by what score.py finds in the audio, in windows of 0.4 s and where speech is.

    An event after which there is too little speech to tell is left out.
    """
    found = np.array(track).reshape(-1, 2) * 1000
    times = found[:, 0] + found[:, 1]
    back = zip(events(trace), _every(trace, times, found[:, 1]), strict=True)
    heard_until = times.max(initial=0.0)
    return [ms for event, ms in back if ms < np.inf or heard_until > event.end_ms + BACK_WITHIN_MS]

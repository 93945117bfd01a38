"""What our receiver makes of a trace.

The contract is that of ``../shared/neteq/README.md``: packet k is sent at 20·k ms and pushed at its
trace's arrival; 10 ms are pulled at 5, 15, 25 … ms; sample 0 is time 0, and the reference lies so
that sample 960·k belongs to packet k."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _network import ROW_MS, Trace, in_packets
from _speech import material
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import PlayedSpan, Playout

__all__ = ["FIRST_PULL_MS", "Played", "Settings", "play"]

RATE = 48_000
PULL_SAMPLES, FIRST_PULL_MS, PULL_MS = 480, 5, 10
AFTER_MS = 2_000
"""How long is pulled after the last packet was sent: the longest delay that score.py looks for."""

Samples = NDArray[np.int16]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """What came out of a receiver."""

    pcm: Samples
    spans: tuple[PlayedSpan, ...]
    stats: dict[str, Any]
    cpu_s: float
    """Of pushing and pulling, this thread's."""
    pull_ms: tuple[float, float]
    """Thread CPU time of a pull of 10 ms: median and 99.9th percentile."""


def play(trace: Trace, stream: str, settings: Settings) -> Played:
    """Run the engine on a stream's packets as the trace delivers them."""
    source = material(stream)
    rows = in_packets(trace, source.packet_rows)
    arrivals = sorted(
        (row.arrival_ms, row.sequence)
        for row in rows.rows
        if row.arrival_ms is not None and row.sequence < len(source.packets)
    )
    # A packet that was not sent (DTX) has no number: numbers skip only what was sent and lost.
    numbers = np.cumsum([bool(data) for data in source.packets]) - 1
    duration = source.packet_rows * ROW_MS * RATE // 1000
    playout = Playout(StreamFormat(1, 0, RATE), rate=RATE, channels=1, **settings)
    pcm, spans, costs = bytearray(), list[PlayedSpan](), list[int]()
    waiting = iter(arrivals)
    following = next(waiting, None)
    end_ms = len(trace.rows) * ROW_MS + AFTER_MS
    for now_ms in range(FIRST_PULL_MS, end_ms, PULL_MS):
        while following and following[0] <= now_ms:
            at_ms, k = following
            following = next(waiting, None)
            if not source.packets[k]:
                continue
            packet = Packet(int(numbers[k]), k * duration, duration, source.packets[k])
            began = time.thread_time_ns()
            playout.push(packet, at_ms / 1000)
            costs.append(time.thread_time_ns() - began)
        began = time.thread_time_ns()
        pcm += playout.pull(PULL_SAMPLES, now_ms / 1000)
        costs.append(time.thread_time_ns() - began)
        spans += playout.take_log()
    # The first 5 ms before the first pull belong to the time line, too.
    silence = bytes(2 * FIRST_PULL_MS * RATE // 1000)
    played = np.frombuffer(silence + bytes(pcm), np.int16)
    pulls_ms = np.array(costs) / 1e6
    middle, worst = np.percentile(pulls_ms, [50, 99.9])
    stats = asdict(playout.stats)
    return Played(played, tuple(spans), stats, sum(costs) / 1e9, (float(middle), float(worst)))

"""What our receiver makes of a trace.

The contract is that of ``../shared/neteq/README.md``: packet k is sent at 20·k ms and pushed at its
trace's arrival; 10 ms are pulled at 5, 15, 25 … ms; sample 0 is time 0, and the reference lies so
that sample 960·k belongs to packet k."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _network import ROW_MS, Trace, in_packets
from _speech import material
from opuscule.measure.playout.simulation import simulate
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import PlayedSpan

__all__ = ["Played", "Settings", "play"]

RATE = 48_000

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
    # A packet that was not sent (DTX) has no number: numbers skip only what was sent and lost.
    numbers = np.cumsum([bool(data) for data in source.packets]) - 1
    duration = source.packet_rows * ROW_MS * RATE // 1000
    arrivals = sorted(
        (row.arrival_ms, row.sequence)
        for row in rows.rows
        if row.arrival_ms is not None
        and row.sequence < len(source.packets)
        and source.packets[row.sequence]
    )
    found = simulate(
        (
            (ms, Packet(int(numbers[k]), k * duration, duration, source.packets[k]))
            for ms, k in arrivals
        ),
        StreamFormat(1, 0, RATE),
        len(trace.rows) * ROW_MS,
        **settings,
    )
    costs_ms = np.array(found.costs_ns) / 1e6
    middle, worst = np.percentile(costs_ms, [50, 99.9])
    return Played(
        np.frombuffer(found.pcm, np.int16),
        found.spans,
        asdict(found.stats),
        float(costs_ms.sum()) / 1000,
        (float(middle), float(worst)),
    )

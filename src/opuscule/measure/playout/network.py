"""What the network did: losses and their bursts, lateness, jitter, order."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from opuscule.measure.playout.calls import Call, Sent

__all__ = ["Network", "lateness_of", "network_of"]


@dataclass(frozen=True, slots=True)
class Network:
    """What it did to a call."""

    packets: int
    """Sent, each counted once."""
    lost: int
    """Never came."""
    duplicates: int
    """Came once more."""
    reordered: int
    """Came after one that was sent later."""
    bursts: int
    """Runs of lost packets."""
    mean_burst_packets: float
    """How many packets they have."""
    longest_burst_ms: float
    """How much sound was in the longest."""
    late_median_ms: float
    """Lateness is how much longer than the fastest a packet took: its median."""
    late_p95_ms: float
    """What 95 % of the packets stayed below."""
    late_p99_ms: float
    """What 99 % stayed below."""
    late_greatest_ms: float
    """The greatest."""
    jitter_ms: float
    """Interarrival jitter (RFC 3550 §6.4.1), in the mean over the call."""
    longest_silence_ms: float
    """The longest time in which nothing came."""

    @property
    def lost_share(self) -> float:
        """Of all packets, 0 to 1."""
        return self.lost / self.packets


def lateness_of(sent: Sequence[Sent]) -> list[tuple[float, float]]:
    """When each packet that came was sent, and how much longer than the fastest it took, in ms."""
    took = [(s.sent_ms, s.arrival_ms - s.sent_ms) for s in sent if s.arrival_ms is not None]
    least = min((ms for _, ms in took), default=0.0)
    return [(sent_ms, ms - least) for sent_ms, ms in took]


def network_of(call: Call) -> Network:
    """Count what became of a call's packets."""
    late = sorted(ms for _, ms in lateness_of(call.sent))
    runs = [
        len(list(packets))
        for lost, packets in groupby(call.sent, lambda s: s.arrival_ms is None)
        if lost
    ]
    came = sorted((s.arrival_ms, s.packet.sequence) for s in call.sent if s.arrival_ms is not None)
    newest, reordered = -1, 0
    for _, sequence in came:
        reordered += sequence < newest
        newest = max(newest, sequence)

    def quantile(share: float) -> float:
        return late[min(len(late) - 1, int(share * len(late)))] if late else 0.0

    return Network(
        packets=len(call.sent),
        lost=sum(runs),
        duplicates=len(call.arrivals) - len(came),
        reordered=reordered,
        bursts=len(runs),
        mean_burst_packets=statistics.fmean(runs) if runs else 0.0,
        longest_burst_ms=max(runs, default=0) * call.packet_ms,
        late_median_ms=quantile(0.5),
        late_p95_ms=quantile(0.95),
        late_p99_ms=quantile(0.99),
        late_greatest_ms=late[-1] if late else 0.0,
        jitter_ms=_jitter(call),
        longest_silence_ms=max((b[0] - a[0] for a, b in pairwise(call.arrivals)), default=0.0),
    )


def _jitter(call: Call) -> float:
    jitter = total = 0.0
    transits = [at_ms - packet.time_samples / 48 for at_ms, packet in call.arrivals]
    for before, now in pairwise(transits):
        jitter += (abs(now - before) - jitter) / 16
        total += jitter
    return total / max(1, len(transits) - 1)

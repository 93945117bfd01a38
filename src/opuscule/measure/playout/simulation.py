"""Playing a call as it came: packets pushed at their times, 10 ms pulled every 10 ms.

The contract is one by which receivers can be compared: time 0 is when the first packet was sent;
pulls are at 5, 15, 25 … ms, and what a pull gives is heard from then on.
"""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypedDict, Unpack

from opuscule.errors import InvalidPacketError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, PlayedSpan, Playout, PlayoutStats

__all__ = ["AFTER_MS", "FIRST_PULL_MS", "PULL_MS", "PlayoutArguments", "Simulated", "simulate"]

FIRST_PULL_MS, PULL_MS = 5, 10
AFTER_MS = 2_000
"""How long is pulled after the end: as late as the latest sound may be."""

_RATE = 48_000
_LOOK_MS = 50


class PlayoutArguments(TypedDict, total=False):
    """Arguments of :class:`opuscule.playout.Playout`."""

    target_delay_ms: int
    max_buffer_ms: int
    complexity: int
    begin: tuple[int, int] | None
    mode: Mode
    max_delay_ms: int
    late_per_mille: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was heard."""

    pcm: bytes
    """Interleaved int16 at 48 kHz; its first sample is time 0."""
    channels: int
    """1 or 2."""
    spans: tuple[PlayedSpan, ...]
    """All that was pulled, in order; the first begins at :data:`FIRST_PULL_MS`."""
    stats: PlayoutStats
    """The engine's counts at the end."""
    targets: tuple[tuple[float, float], ...]
    """When (ms) the engine began to aim at which delay (ms), looked at every 50 ms."""
    drift_ppm: float
    """How much faster the sender's clock went than the receiver's, as followed at the end."""
    refused: int
    """Packets that were no Opus packets."""
    costs_ns: tuple[int, ...]
    """Thread CPU time of each push and pull."""


def simulate(
    arrivals: Iterable[tuple[float, Packet]],
    stream: StreamFormat,
    end_ms: float,
    end: tuple[int, int] | None = None,
    **arguments: Unpack[PlayoutArguments],
) -> Simulated:
    """Play packets as they arrive.

    Args:
        arrivals: when each packet comes, in ms, in order, and the packet.
        stream: what a receiver is told of the stream.
        end_ms: pulls go on for :data:`AFTER_MS` after it.
        end: media time and number at which the stream ends, which the receiver is told at
            ``end_ms``; None for one that ends without a word.
        arguments: of the playout.

    Raises:
        InvalidArgumentError: one of them is out of its range.
    """
    channels = stream.channels
    playout = Playout(stream, rate=_RATE, channels=channels, **arguments)
    # What comes before the first pull belongs to the time line, too.
    pcm = bytearray(2 * channels * FIRST_PULL_MS * _RATE // 1000)
    spans, costs, targets, refused = list[PlayedSpan](), list[int](), list[tuple[float, float]](), 0
    drift_ppm = 0.0
    waiting = iter(arrivals)
    following = next(waiting, None)
    for now_ms in range(FIRST_PULL_MS, int(end_ms) + AFTER_MS, PULL_MS):
        while following and following[0] <= now_ms:
            at_ms, packet = following
            following = next(waiting, None)
            began = time.thread_time_ns()
            refused += 1
            with suppress(InvalidPacketError):
                playout.push(packet, at_ms / 1000)
                refused -= 1
            costs.append(time.thread_time_ns() - began)
        if end is not None and now_ms >= end_ms:
            playout.finish(*end)
            end = None
        began = time.thread_time_ns()
        pcm += playout.pull(PULL_MS * _RATE // 1000, now_ms / 1000)
        costs.append(time.thread_time_ns() - began)
        spans += playout.take_log()
        if now_ms % _LOOK_MS == FIRST_PULL_MS:
            stats = playout.stats
            target_ms = stats.preferred_buffer_size_ms
            if now_ms < end_ms:
                drift_ppm = stats.drift_ppm
            if not targets or targets[-1][1] != target_ms:
                targets.append((float(now_ms), target_ms))
    return Simulated(
        bytes(pcm),
        channels,
        tuple(spans),
        playout.stats,
        tuple(targets),
        drift_ppm,
        refused,
        tuple(costs),
    )

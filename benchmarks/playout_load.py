"""What complexity costs in playout, and what falls out of letting it follow the load.

"Percent of a core" is the CPU time of a stream's playout, ``crates/core/examples/playout_loop.rs``,
at each complexity that differs, in turns, of a minute of speech without losses and with 10 %.

"Together" is real: so many streams, pulled in turn every 20 ms by one thread and the clock on the
wall, with whatever else this machine has to do at the time. Their number is what would take a third
of the thread's time at complexity 5, as measured just before; at 7 it is too much. Once complexity
stays, once it follows the load. It needs ``../shared/neteq``.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from _common import Result, in_turn, median, options, plain, report
from _network import load_trace
from _rust_loop import on_one_core, program
from _speech import NETEQ, material
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Playout
from playout_cost import MS, PULL_MS, ROW_MS, arrived, loop

PARTS = ("steps", "together")
COMPLEXITIES = (0, 5, 6, 7)
HIGHEST, LEAST = 7, 5
SECONDS, SETTLED_S = 30, 5
PULL_S = PULL_MS / 1000


def steps(path: str, rounds: int) -> Iterator[Result]:
    """Percent of a core per stream."""
    for network, trace in (("no losses", None), ("10 % lost", load_trace("ge10_b4"))):
        packets, line = arrived("plain", trace), f"fixed {PULL_MS} 60"
        with ExitStack() as stack:
            works = [stack.enter_context(loop(path, packets, each)) for each in COMPLEXITIES]
            seconds = works[0].ask(line) / 48_000
            ways = {
                f"complexity {each}": partial(work.time, line)
                for each, work in zip(COMPLEXITIES, works, strict=True)
            }
            took = in_turn(ways, rounds)
        for way, each in took.items():
            yield plain(
                f"a stream with {network}, {way}", 100 * median(each) / seconds, "% of core"
            )


class Streams:
    """Streams of one process, each a second further on in the same speech than the one before."""

    def __init__(self, count: int, least: int | None) -> None:
        self.packets = [data for data in material("plain").packets if data]
        self.playouts = [
            Playout(
                StreamFormat(1, 0, 48_000), mode="fixed", complexity=HIGHEST, least_complexity=least
            )
            for _ in range(count)
        ]

    def turn(self, k: int, now: Callable[[], float]) -> None:
        """Push a packet to each and pull it."""
        for n, playout in enumerate(self.playouts):
            data = self.packets[(k + 50 * n) % len(self.packets)]
            playout.push(Packet(k, k * ROW_MS * MS, ROW_MS * MS, data), k * ROW_MS / 1000)
            playout.pull(PULL_MS * MS, now())

    def run(self, seconds: float) -> tuple[list[float], list[float]]:
        """How late each turn ended, in seconds, and the share of streams at the highest then."""
        began = time.monotonic()
        late, enhanced = [], []
        k = 0

        def now() -> float:
            return time.monotonic() - began

        while now() < seconds:
            self.turn(k, now)
            k += 1
            late.append(now() - k * PULL_S)
            above_least = sum(p.stats.complexity > LEAST for p in self.playouts[::10])
            enhanced.append(above_least / len(self.playouts[::10]))
            time.sleep(max(0.0, k * PULL_S - now()))
        return late, enhanced


def fitting() -> int:
    """How many streams at the least complexity take a third of a thread's time now."""
    streams = Streams(40, None)
    streams.playouts = [
        Playout(StreamFormat(1, 0, 48_000), mode="fixed", complexity=LEAST) for _ in range(40)
    ]
    began = time.monotonic()
    for k in range(100):
        streams.turn(k, partial(float, k * PULL_S + 0.1))
    each = (time.monotonic() - began) / 100 / 40
    return max(2, round(PULL_S / 3 / each))


def together() -> Iterator[Result]:
    """One thread, in real time."""
    yield plain("load of the machine before", os.getloadavg()[0], "")
    count = fitting()
    yield plain("streams", count, "")
    for name, least in (("stays at 7", None), ("goes down to 5", LEAST)):
        late, enhanced = Streams(count, least).run(SECONDS)
        settled = late[round(SETTLED_S / PULL_S) :] or late[-1:]
        share = 100 * sum(x > 0.1 for x in settled) / len(settled)
        about = f"complexity {name}"
        yield plain(f"turns in {SECONDS} s of {round(SECONDS / PULL_S)}, {about}", len(late), "")
        yield plain(f"more than 100 ms late after {SETTLED_S} s, {about}", share, "% of turns")
        yield plain(f"late at the end, {about}", 1000 * late[-1], "ms")
        yield plain(f"streams enhanced at the end, {about}", 100 * enhanced[-1], "%")


def main() -> None:
    wanted = options(__doc__, rounds=7, parts=PARTS)
    path = program("playout_loop")
    if path is None or not NETEQ.is_dir():
        print(f"skipped: {'no cargo or no Linux' if path is None else NETEQ}")
        return
    parts: Sequence[str] = [wanted.only] if wanted.only else PARTS
    results = list[Result]()
    if "steps" in parts:
        with on_one_core():
            results += steps(path, wanted.rounds)
    if "together" in parts:
        results += together()
    report(results, wanted.json)


if __name__ == "__main__":
    main()

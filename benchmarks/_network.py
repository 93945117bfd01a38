"""What networks do to packets: traces read, written and drawn by lot.

A trace says of each row (20 ms of audio) when it was sent and when it was handed over, if it was.
The public ones are ``../shared/neteq/traces``; those of our own making are named ``KIND~SEED``,
where a kind is one of the public names or ``reorder60``, ``drift300`` and the like (:data:`KINDS`).
Their statistics were fitted to the public ones (``benchmarks/playout.py --statistics`` prints
both). As there, the first two seconds are left in peace.
"""

import csv
import itertools
import random
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = [
    "KINDS",
    "PUBLIC",
    "ROW_MS",
    "Row",
    "Trace",
    "draw_trace",
    "in_packets",
    "load_trace",
    "read_trace",
    "statistics_of",
    "write_trace",
]

ROOT = Path(__file__).parents[1]
FOLDER = ROOT.parent / "shared" / "neteq" / "traces"
ROW_MS = 20
ROWS = 3165
CALM_ROWS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """The fate of 20 ms."""

    sequence: int
    sent_ms: float
    arrival_ms: float | None
    """None when lost."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A minute on a network."""

    name: str
    rows: tuple[Row, ...]

    @property
    def kind(self) -> str:
        """The name without the seed."""
        return self.name.partition("~")[0]


PUBLIC = tuple(sorted(path.stem for path in FOLDER.glob("*.csv")))
"""Names of the public traces; none where they are absent."""


def read_trace(path: Path) -> Trace:
    """Read ``seq, send_ms, arrival_ms``, the last empty for what was lost."""
    with path.open(newline="") as file:
        rows = tuple(
            Row(
                int(row["seq"]),
                float(row["send_ms"]),
                float(row["arrival_ms"]) if row["arrival_ms"] else None,
            )
            for row in csv.DictReader(file)
        )
    return Trace(path.stem, rows)


def write_trace(trace: Trace, path: Path) -> None:
    """Write what :func:`read_trace` reads."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("seq", "send_ms", "arrival_ms"))
        for row in trace.rows:
            arrival = "" if row.arrival_ms is None else f"{row.arrival_ms:g}"
            lines.writerow((row.sequence, f"{row.sent_ms:g}", arrival))


def load_trace(name: str) -> Trace:
    """A public trace by its name, or one drawn by lot: ``KIND~SEED``."""
    kind, _, seed = name.partition("~")
    return draw_trace(kind, int(seed)) if seed else read_trace(FOLDER / f"{name}.csv")


def in_packets(trace: Trace, rows: int) -> Trace:
    """The trace of packets that hold several rows each: each shares the fate of its last row."""
    if rows == 1:
        return trace
    last = trace.rows[rows - 1 :: rows]
    return Trace(trace.name, tuple(replace(row, sequence=k) for k, row in enumerate(last)))


def statistics_of(trace: Trace) -> dict[str, float]:
    """What traces of a kind should have in common: losses, delays, how often they jump."""
    delays = [row.arrival_ms - row.sent_ms for row in trace.rows if row.arrival_ms is not None]
    lost = [row.arrival_ms is None for row in trace.rows]
    bursts = sum(b and not a for a, b in itertools.pairwise([False, *lost]))
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    jumps = sum(b - a > 200 for a, b in itertools.pairwise(delays))
    seconds = len(trace.rows) * ROW_MS / 1000
    return {
        "lost %": 100 * sum(lost) / len(lost),
        "burst": sum(lost) / bursts if bursts else 0.0,
        "mean ms": statistics.mean(delays),
        "deviation": statistics.pstdev(delays),
        "median": cuts[49],
        "p95": cuts[94],
        "p99": cuts[98],
        "most": max(delays),
        "jumps every s": seconds / jumps if jumps else 0.0,
    }


# Drawn by lot

Draw = random.Random
Delays = list[float]


def _gilbert(draw: Draw, loss: float, burst: float) -> set[int]:
    """Two states, good and bad (Gilbert); all is lost in the bad one.

    A minute has few bursts: drawn again until it has about what its name says, as the public ones.
    """
    leave = 1 / burst
    enter = leave * loss / (1 - loss)
    while True:
        lost, bursts, bad = set[int](), 0, False
        for k in range(CALM_ROWS, ROWS):
            before, bad = bad, draw.random() >= leave if bad else draw.random() < enter
            lost |= {k} if bad else set()
            bursts += bad and not before
        nominal_lost = loss * ROWS
        if abs(len(lost) / nominal_lost - 1) < 0.1 and abs(len(lost) / bursts / burst - 1) < 0.1:
            return lost


def _exponential(draw: Draw, deviation_ms: float) -> Delays:
    """Independent exponential delays in an order that is kept (:func:`_in_order`).

    The order makes of a mean another deviation: these means were found by simulation.
    """
    mean_ms = {10.0: 9.6, 40.0: 34.0, 80.0: 65.0}.get(deviation_ms, 0.85 * deviation_ms)
    return [draw.expovariate(1 / mean_ms) for _ in range(ROWS)]


def _wifi(draw: Draw) -> Delays:
    """Small jitter and, about every second, a station that has to wait its turn."""
    delays, queue_ms, contended = [], 0.0, False
    for _ in range(ROWS):
        contended = draw.random() >= 0.22 if contended else draw.random() < 0.027
        service_ms = draw.expovariate(1 / 30.0)
        queue_ms = max(0.0, queue_ms + (service_ms - ROW_MS if contended else -ROW_MS))
        delays.append(queue_ms + draw.expovariate(1 / 6.0))
    return delays


def _held(draw: Draw, hold_ms: float, every_ms: float) -> Delays:
    """Everything is held for a while and then delivered at once."""
    delays = [0.0] * ROWS
    for start_ms in _events(draw, every_ms, hold_ms):
        for k in range(ROWS):
            sent_ms = k * ROW_MS
            if start_ms <= sent_ms < start_ms + hold_ms:
                delays[k] = start_ms + hold_ms - sent_ms
    return delays


def _events(draw: Draw, every_ms: float, length_ms: float) -> list[float]:
    """When something happens that comes back in about equal intervals."""
    times: list[float] = []
    at_ms = draw.uniform(3_000, 6_000)
    while at_ms < ROWS * ROW_MS - length_ms - 1_000:
        times.append(at_ms)
        at_ms += every_ms * draw.uniform(0.95, 1.07)
    return times


def _outages(draw: Draw, length_ms: float) -> set[int]:
    every_ms = {300: 6_000.0, 1000: 10_000.0}.get(int(length_ms), 8_000.0)
    lost: set[int] = set()
    for start_ms in _events(draw, every_ms, length_ms):
        first = round(start_ms / ROW_MS)
        lost.update(range(first, first + round(length_ms / ROW_MS)))
    return lost


def _in_order(arrivals: Sequence[float]) -> list[float]:
    return list(itertools.accumulate(arrivals, max))


KINDS: dict[str, Callable[[Draw, str], tuple[Delays, set[int]]]] = {}
"""Regular expression of a part of a kind's name: delays and lost rows."""


def _kind(pattern: str) -> Callable[..., Callable[[Draw, str], tuple[Delays, set[int]]]]:
    def register(
        make: Callable[[Draw, str], tuple[Delays, set[int]]],
    ) -> Callable[[Draw, str], tuple[Delays, set[int]]]:
        KINDS[pattern] = make
        return make

    return register


def _number(text: str) -> float:
    return float(re.findall(r"\d+", text)[-1])


@_kind(r"clean")
def _clean(_draw: Draw, _part: str) -> tuple[Delays, set[int]]:
    return [0.0] * ROWS, set()


@_kind(r"ge\d+_b\d+")
def _ge(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    loss, burst = (float(n) for n in re.findall(r"\d+", part))
    return [0.0] * ROWS, _gilbert(draw, loss / 100, burst)


@_kind(r"exp\d+")
def _exp(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    return _exponential(draw, _number(part)), set()


@_kind(r"wifi40")
def _wifi40(draw: Draw, _part: str) -> tuple[Delays, set[int]]:
    return _wifi(draw), set()


@_kind(r"spike\d+")
def _spike(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    return _held(draw, _number(part), 10_000), set()


@_kind(r"stall\d+")
def _stall(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    return _held(draw, _number(part), 14_000), set()


@_kind(r"outage\d+")
def _outage(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    return [0.0] * ROWS, _outages(draw, _number(part))


@_kind(r"reorder\d+")
def _reorder(draw: Draw, part: str) -> tuple[Delays, set[int]]:
    """A twentieth of the packets takes a longer way: others overtake them."""
    longer_ms = _number(part)
    return [
        draw.expovariate(1 / 3.0) + (draw.uniform(0.4, 1) * longer_ms * (draw.random() < 0.05))
        for _ in range(ROWS)
    ], set()


def draw_trace(kind: str, seed: int) -> Trace:
    """A trace of a kind, or of kinds joined by ``_`` (jitter and loss); equal for equal seeds."""
    draw = random.Random(f"{kind} {seed}")
    delays, lost, rest = [0.0] * ROWS, set[int](), kind
    while rest:
        for pattern, make in KINDS.items():
            if found := re.match(pattern + r"(_|$)", rest):
                part = found.group().rstrip("_")
                more_ms, gone = make(draw, part)
                delays = [a + b for a, b in zip(delays, more_ms, strict=True)]
                lost |= gone
                rest = rest[found.end() :]
                break
        else:
            raise ValueError(f"{rest!r} in {kind!r} is none of {', '.join(KINDS)}")
    delays[:CALM_ROWS] = [0.0] * CALM_ROWS
    arrivals = [k * ROW_MS + round(ms, 1) for k, ms in enumerate(delays)]
    if "reorder" not in kind:
        arrivals = _in_order(arrivals)
    rows = [
        Row(k, k * ROW_MS, None if k in lost and k >= CALM_ROWS else round(arrival, 1))
        for k, arrival in enumerate(arrivals)
    ]
    return Trace(f"{kind}~{seed}", tuple(rows))

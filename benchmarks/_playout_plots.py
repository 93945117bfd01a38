"""Quality against delay, as one picture: ours as lines, the other receivers as points; and the
pictures of three traces that ``docs/playout.md`` shows.

Ours is judged by the points: the best of a stream's lines at no more delay than a point has should
not lie below it. Points below 20 ms and above 650 are left out, and so are those that were measured
on some of a panel's conditions only.
"""

import concurrent.futures
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from _common import Result, above, plain
from _network import FOLDER, ROW_MS
from _playout_lines import GROUPS, Case, Outcome, run
from _scores import others
from _speech import material, reference
from opuscule.codec import VOICE
from opuscule.measure.playout import call_of_audio, play_call, read_trace
from opuscule.measure.playout.picture import write_picture

__all__ = ["draw_plots", "draw_traces"]

Point = tuple[float, float]
"""Delay in ms, PESQ-WB."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn as a line: a stream, played with several settings."""

    name: str
    stream: str
    colour: str
    settings: tuple[dict[str, Any], ...]
    """Arguments of Playout, point by point."""


def _fixed(*delays_ms: int) -> tuple[dict[str, Any], ...]:
    return tuple({"mode": "fixed", "target_delay_ms": ms} for ms in delays_ms)


def _adaptive(*late_and_least: tuple[int, int]) -> tuple[dict[str, Any], ...]:
    """Points by how many of a thousand may be late, and by the least delay."""
    return tuple(
        {"mode": "adaptive", "late_per_mille": late, "target_delay_ms": least_ms}
        for late, least_ms in late_and_least
    )


WIDE = _fixed(20, 60, 100, 150, 195, 260, 400)
FIXED = Curve("fixed delay", "plain", "#57a5b8", WIDE)
# As far as the others' points lie there.
FAR = replace(FIXED, settings=(*WIDE, *_fixed(555)))
JITTER = Curve(
    "adaptive, from 300 ‰ late to 2 ‰",
    "plain",
    "#1f5fa8",
    _adaptive((300, 20), (100, 20), (50, 20), (20, 20), (10, 20), (5, 20), (2, 20)),
)
LEAST = replace(
    JITTER,
    name="adaptive, from 20 ms at least to 400",
    settings=_adaptive(*((10, ms) for ms in (20, 60, 100, 160, 240, 400))),
)
FEC = Curve("FEC", "fec", "#1f5fa8", _fixed(20, 30, 60, 160, 400))
DRED = (
    Curve("DRED, packets of 20 ms", "dred20", "#e0a030", WIDE),
    Curve("DRED, 40 ms", "dred40", "#c7642b", WIDE),
    Curve("DRED, 60 ms", "dred60", "#93302a", WIDE),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the small pictures."""

    title: str
    conditions: tuple[str, ...]
    """Over which the mean is taken."""
    curves: tuple[Curve, ...]
    streams: tuple[str, ...] = ("plain",)
    """Whose points are drawn."""


LOSS, MIXES = GROUPS["loss"][0], GROUPS["mixes"][0]
PANELS = (
    Panel(
        "losses of 3 to 20 %, packets without redundancy",
        LOSS,
        (replace(FIXED, settings=_fixed(20, 30, 60, 160, 400)),),
    ),
    Panel("losses of 3 to 20 %, FEC or DRED in as many bytes", LOSS, (FEC, *DRED), ("fec",)),
    Panel("jitter of 10 ms", ("exp10",), (FIXED, JITTER)),
    Panel("jitter of 40 ms", ("exp40",), (FIXED, JITTER)),
    Panel("jitter of 80 ms", ("exp80",), (FAR, JITTER)),
    Panel("jitter like that of Wi-Fi", ("wifi40",), (FIXED, JITTER)),
    Panel("jitter and losses", MIXES, (FIXED, JITTER)),
    Panel("a stop of half a second every ten", ("spike500",), (FAR, LEAST)),
    Panel("a stop of a second every fourteen", ("stall1000",), (FIXED, LEAST)),
    Panel("outages of 0.3 and 1 s", GROUPS["outages"][0], (FIXED, LEAST, DRED[2])),
)

MOST_MS = 650
"""What is later is left out: nobody speaks to one another like that."""

SYSTEMS = {
    "netEQ": ("o", "0.15", "NetEQ, as in Chromium"),
    "netEQ+opusPLC": ("s", "0.15", "NetEQ with Opus's concealment"),
    "netEQ+deepPLC": ("D", "0.15", "NetEQ with deep concealment"),
    "netEQ target60": ("o", "0.6", "NetEQ, at least 60, 120, 200 ms"),
    "netEQ target120": ("o", "0.6", ""),
    "netEQ target200": ("o", "0.6", ""),
    "fixed60": ("^", "0.45", "fixed 60 and 200 ms, libopus"),
    "fixed200": ("^", "0.45", ""),
    "fixed60+deepPLC": ("v", "0.45", "fixed 60 ms, deep concealment"),
    "crate": ("x", "0.45", "neteq 0.9.1 (Rust)"),
    "aiortc": ("+", "0.45", "aiortc"),
}
"""How a system is drawn and what it is called in the legend; others are left out."""


@dataclass(slots=True)
class _Drawn:
    """A panel and what came of it."""

    panel: Panel
    ours: dict[str, list[Point]] = field(default_factory=dict)
    theirs: dict[tuple[str, str], Point] = field(default_factory=dict)
    """By system and stream."""


def _cases(panel: Panel, overrides: Mapping[str, Any]) -> list[Case]:
    return [
        Case(f"{curve.name} {n}", kind, curve.stream, _settings(curve, settings, overrides), True)
        for curve in panel.curves
        for n, settings in enumerate(curve.settings)
        for kind in panel.conditions
    ]


def _settings(
    curve: Curve, settings: Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    # The delay counts from when the first 20 ms of a packet were sent.
    earlier_ms = (material(curve.stream).packet_rows - 1) * ROW_MS
    least_ms = max(0, settings["target_delay_ms"] - earlier_ms)
    return {**settings, "target_delay_ms": least_ms, **overrides}


def draw_plots(
    folder: Path, overrides: Mapping[str, Any], jobs: int, kinds: Collection[str] = ()
) -> list[Result]:
    """Play all that is needed, write ``quality-against-delay.png``; how far ours lies above.

    Args:
        folder: where the picture goes.
        overrides: arguments of Playout for all points.
        jobs: processes.
        kinds: only the panels with one of these conditions, or all.
    """
    panels = [p for p in PANELS if not kinds or set(p.conditions) & set(kinds)]
    folder.mkdir(parents=True, exist_ok=True)
    cases = {panel.title: _cases(panel, overrides) for panel in panels}
    drawn: list[_Drawn] = []
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        outcomes = pool.map(run, [case for of in cases.values() for case in of])
        for panel in panels:
            found = [next(outcomes) for _ in cases[panel.title]]
            drawn.append(_Drawn(panel, _ours(panel, found), _theirs(panel)))
            print(f"{panel.title}: {len(found)} runs", flush=True)
    path = folder / "quality-against-delay.png"
    _draw(path, drawn)
    print(path, flush=True)
    return [result for one in drawn for result in _margins(one)]


def _mean(points: Sequence[Point]) -> Point:
    return statistics.mean(p[0] for p in points), statistics.mean(p[1] for p in points)


def _ours(panel: Panel, outcomes: Sequence[Outcome]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for curve in panel.curves:
        for n in range(len(curve.settings)):
            same = [o.scores for o in outcomes if o.case.part == f"{curve.name} {n}"]
            found.setdefault(curve.name, []).append(_mean([(s.delay_ms, s.pesq) for s in same]))
    return found


def _theirs(panel: Panel) -> dict[tuple[str, str], Point]:
    rows, points = others(), {}
    for stream in panel.streams:
        for system in SYSTEMS:
            of = [rows.get((system, stream, kind)) for kind in panel.conditions]
            known = [(row["delay_ms"], row["pesq"]) for row in of if row is not None]
            if len(known) == len(of):
                point = _mean(known)
                if point[0] <= MOST_MS:
                    points[system, stream] = point
    return points


def _reached(points: Sequence[Point], delay_ms: float) -> float:
    """The best PESQ that a line has at no more than a delay, between its points too; or nan."""
    line = sorted(points)
    best = max((p for d, p in line if d <= delay_ms), default=float("nan"))
    for (d0, p0), (d1, p1) in pairwise(line):
        if d0 <= delay_ms < d1:
            best = max(best, p0 + (p1 - p0) * (delay_ms - d0) / (d1 - d0))
    return best


def _margins(one: _Drawn) -> list[Result]:
    """How far ours lies above the point that comes nearest to it."""
    results = []
    for stream in one.panel.streams:
        lines = [one.ours[curve.name] for curve in one.panel.curves if curve.stream == stream]
        margins = {
            f"{system} at {delay_ms:.0f} ms": max(_reached(line, delay_ms) for line in lines) - pesq
            for (system, of), (delay_ms, pesq) in one.theirs.items()
            if of == stream and delay_ms >= max(20, min(min(line)[0] for line in lines))
        }
        if margins:
            nearest = min(margins, key=lambda system: margins[system])
            name = f"8 {one.panel.title}: PESQ-WB above {nearest}"
            results.append(above(name, margins[nearest], "", 0.0))
    for curve in one.panel.curves:
        for delay_ms, pesq in one.ours[curve.name]:
            name = f"8 {one.panel.title}, {curve.name}: {delay_ms:.0f} ms"
            results.append(plain(name, pesq, "PESQ-WB"))
    return results


def _draw(path: Path, drawn: Sequence[_Drawn]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    rows = -(-len(drawn) // 2)
    with mpl.rc_context({"font.size": 9}):
        figure, grid = plt.subplots(
            rows, 2, figsize=(10.5, 3.3 * rows + 1.2), layout="constrained", squeeze=False
        )
        for axes, one in zip(grid.flat, drawn, strict=False):
            _draw_panel(axes, one)
        for axes in list(grid.flat)[len(drawn) :]:
            axes.axis("off")
        named = [(marker, colour, name) for marker, colour, name in SYSTEMS.values() if name]
        handles = [
            Line2D([], [], marker=marker, color=colour, linestyle="", label=name)
            for marker, colour, name in named
        ]
        figure.legend(
            handles=handles,
            loc="outside upper center",
            ncols=4,
            frameon=False,
            title="Lines: Opuscule.  Points: other receivers, on the same packets.",
        )
        figure.savefig(path, dpi=110, metadata={"Software": None})
        plt.close(figure)


def _draw_panel(axes: Any, one: _Drawn) -> None:
    for curve in one.panel.curves:
        points = sorted(one.ours[curve.name])
        axes.plot(
            *zip(*points, strict=True), marker=".", color=curve.colour, label=curve.name, zorder=3
        )
    for (system, _), (delay_ms, pesq) in one.theirs.items():
        marker, colour, _ = SYSTEMS[system]
        axes.plot(delay_ms, pesq, marker, color=colour, markersize=6, zorder=2)
    of = len(one.panel.conditions)
    title = one.panel.title if of == 1 else f"{one.panel.title} (mean of {of} networks)"
    axes.set_title(title, fontsize=9)
    axes.set(ylabel="PESQ-WB", ylim=(1, 4.6))
    axes.set_xlabel("delay: heard minus sent, ms")
    axes.set_xlim(left=0, right=max(420.0, axes.get_xlim()[1]))
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.8)


TRACES = {
    "jitter": ("exp40", VOICE),
    "spike": ("spike500", VOICE),
    "loss-with-dred": (
        "ge10_b8",
        replace(VOICE, fec=False, dred_ms=800, loss_percent=20, frame_ms=60, complexity=10),
    ),
}
"""The pictures of traces: the public one, and how the speech is encoded."""


def draw_traces(folder: Path) -> None:
    """Write what ``opuscule measure playout`` draws of three traces."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (condition, settings) in TRACES.items():
        call = call_of_audio(read_trace(FOLDER / f"{condition}.csv"), reference(), settings)
        least_ms = 200 if settings.dred_ms else 30
        played = play_call(call, mode="adaptive", target_delay_ms=least_ms)
        path = folder / f"playout-{name}.png"
        write_picture(played, path, title=f"{condition}: {name.replace('-', ' ')}")
        print(path, *played.hurt, sep="\n  ", flush=True)

"""Quality against delay, as pictures: ours at given delays, the other receivers as points."""

import concurrent.futures
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _playout_lines import GROUPS, Case, Outcome, run
from _scores import others

__all__ = ["draw_plots"]

DELAYS_MS = (20, 40, 60, 80, 120, 160, 200, 300, 400)
LOSS = GROUPS["loss"][0]
PANELS: dict[str, tuple[str, ...]] = {
    "loss": LOSS,
    **{kind: (kind,) for kind in GROUPS["jitter"][0]},
    "jitter and loss": GROUPS["mixes"][0],
    "spikes of 500 ms": ("spike500",),
    "stalls of 1 s": ("stall1000",),
    "outages": GROUPS["outages"][0],
}
"""Conditions, over which the mean is taken, of each picture."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn as a line: a stream at several target delays."""

    name: str
    stream: str
    arguments: dict[str, Any]
    """Of Playout, beside the target delay."""


FIXED, ADAPTIVE = {"mode": "fixed"}, {"mode": "adaptive"}
LOSS_CURVES = (
    Curve("plain", "plain", FIXED),
    Curve("FEC", "fec", FIXED),
    Curve("DRED, 20 ms", "dred20", FIXED),
    Curve("DRED, 40 ms", "dred40", FIXED),
    Curve("DRED, 60 ms", "dred60", FIXED),
)
CURVES = (Curve("fixed", "plain", FIXED), Curve("adaptive", "plain", ADAPTIVE))
MARKERS = {"plain": "o", "fec": "s"}
LEFT_OUT = ("netEQ+opusPLC16", "netEQ q80")


def _curves(panel: str) -> tuple[Curve, ...]:
    return LOSS_CURVES if panel == "loss" else CURVES


def _cases(panel: str, overrides: dict[str, Any]) -> list[Case]:
    return [
        Case(
            f"{curve.name} {delay_ms}",
            kind,
            curve.stream,
            curve.arguments | {"target_delay_ms": delay_ms} | overrides,
            quick=True,
        )
        for curve in _curves(panel)
        for delay_ms in DELAYS_MS
        for kind in PANELS[panel]
    ]


def draw_plots(
    folder: Path, overrides: dict[str, Any], jobs: int, kinds: Collection[str] = ()
) -> None:
    """Play all that is needed and write one PNG for each picture, or for those of some kinds."""
    panels = [panel for panel, of in PANELS.items() if not kinds or set(of) & set(kinds)]
    folder.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for panel in panels:
            path = folder / f"playout-{panel.replace(' ', '-')}.png"
            _draw(path, panel, list(pool.map(run, _cases(panel, overrides))))
            print(path, flush=True)


Point = tuple[float, float]


def _point(rows: Sequence[Mapping[str, float]]) -> Point:
    return (
        statistics.mean(row["delay_ms"] for row in rows),
        statistics.mean(row["pesq"] for row in rows),
    )


def _ours(curve: Curve, outcomes: Sequence[Outcome]) -> list[Point]:
    points = []
    for delay_ms in DELAYS_MS:
        part = f"{curve.name} {delay_ms}"
        same = [outcome.scores for outcome in outcomes if outcome.case.part == part]
        points.append(_point([{"delay_ms": s.delay_ms, "pesq": s.pesq} for s in same]))
    return points


def _theirs(stream: str, kinds: Sequence[str]) -> dict[str, Point]:
    found = others()
    systems = dict.fromkeys(system for system, of, _ in found if of == stream)
    points: dict[str, Point] = {}
    for system in systems:
        rows = [found.get((system, stream, kind)) for kind in kinds]
        whole = [row for row in rows if row is not None]
        if system not in LEFT_OUT and len(whole) == len(kinds):
            points[system] = _point(whole)
    return points


def _together(points: Mapping[str, Point]) -> dict[Point, list[str]]:
    """The systems by where they are; what lies so near that names would overlap has one place."""
    places: dict[Point, list[str]] = {}
    for system, (delay_ms, pesq) in points.items():
        for place in places:
            if abs(place[0] - delay_ms) < 40 and abs(place[1] - pesq) < 0.08:
                places[place].append(system)
                break
        else:
            places[delay_ms, pesq] = [system]
    return places


def _draw(path: Path, panel: str, outcomes: Sequence[Outcome]) -> None:
    # Only the environment of the benchmarks has it.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    for curve in _curves(panel):
        axes.plot(*zip(*_ours(curve, outcomes), strict=True), marker=".", label=curve.name)
    for stream in ("plain", "fec") if panel == "loss" else ("plain",):
        points = _theirs(stream, PANELS[panel])
        for point in points.values():
            axes.plot(*point, MARKERS[stream], color="0.45", markersize=5)
        for point, systems in _together(points).items():
            text = "\n".join(systems if stream == "plain" else [f"{s}, FEC" for s in systems])
            axes.annotate(
                text, point, textcoords="offset points", xytext=(5, -3), fontsize=7, color="0.3"
            )
    axes.set(title=panel, xlabel="delay, played - sent (ms)", ylabel="PESQ-WB")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", title="Opuscule")
    figure.savefig(path, dpi=120)
    plt.close(figure)

"""Quality against delay, as pictures: ours at given delays, the other receivers as points."""

import concurrent.futures
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _playout_lines import GROUPS, Case, Outcome, known, run
from _scores import others

__all__ = ["draw_plots", "plotted"]

DELAYS_MS = (20, 40, 60, 80, 120, 160, 200, 300, 400)
PANELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "loss": ("plain", GROUPS["loss"][0]),
    "loss, FEC": ("fec", GROUPS["loss"][0]),
    **{kind: ("plain", (kind,)) for kind in GROUPS["jitter"][0]},
    "jitter and loss": ("plain", GROUPS["mixes"][0]),
    "spikes of 500 ms": ("plain", ("spike500",)),
    "stalls of 1 s": ("plain", ("stall1000",)),
    "outages": ("plain", GROUPS["outages"][0]),
}
"""Stream and conditions, over which the mean is taken, of each picture."""

CURVES: dict[str, dict[str, Any]] = {"fixed": {"mode": "fixed"}, "adaptive": {"mode": "adaptive"}}
"""Arguments of Playout of each curve, beside the target delay."""

LEFT_OUT = ("netEQ+opusPLC16", "netEQ q80")


def plotted(panels: Sequence[str], overrides: dict[str, Any]) -> list[Case]:
    """What has to be played for some of the pictures."""
    return [
        Case(f"{curve} {delay_ms}", kind, stream, settings, quick=True)
        for stream, kinds in (PANELS[panel] for panel in panels)
        for curve, arguments in CURVES.items()
        for delay_ms in DELAYS_MS
        for settings in (known(arguments | {"target_delay_ms": delay_ms} | overrides),)
        for kind in kinds
    ]


def draw_plots(folder: Path, overrides: dict[str, Any], jobs: int) -> None:
    """Play all that is needed and write one PNG for each picture."""
    panels = list(PANELS)
    cases = plotted(panels, overrides)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(run, cases))
    folder.mkdir(parents=True, exist_ok=True)
    for panel in panels:
        stream, kinds = PANELS[panel]
        path = folder / f"playout-{panel.replace(', ', '-').replace(' ', '-').lower()}.png"
        mine = [o for o in outcomes if o.case.stream == stream and o.case.kind in kinds]
        _draw(path, panel, mine, stream, kinds)
        print(path)


def _draw(
    path: Path, title: str, mine: Sequence[Outcome], stream: str, kinds: Sequence[str]
) -> None:
    # Only the environment of the benchmarks has it.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for curve in CURVES:
        points: list[tuple[float, float]] = []
        for delay_ms in DELAYS_MS:
            same = [o.scores for o in mine if o.case.part == f"{curve} {delay_ms}"]
            points.append(
                (
                    statistics.mean(scores.delay_ms for scores in same),
                    statistics.mean(scores.pesq for scores in same),
                )
            )
        axes.plot(*zip(*points, strict=True), marker="o", label=f"Opuscule, {curve}")
    theirs = others()
    systems = dict.fromkeys(system for system, of_stream, _ in theirs if of_stream == stream)
    for number, system in enumerate(systems):
        found = [theirs.get((system, stream, kind)) for kind in kinds]
        rows = [row for row in found if row is not None]
        if system in LEFT_OUT or len(rows) < len(kinds):
            continue
        axes.scatter(
            statistics.mean(row["delay_ms"] for row in rows),
            statistics.mean(row["pesq"] for row in rows),
            marker="sD^v<>PX*"[number % 9],
            s=45,
            color="0.35",
        )
        axes.annotate(
            system,
            (
                statistics.mean(row["delay_ms"] for row in rows),
                statistics.mean(row["pesq"] for row in rows),
            ),
            textcoords="offset points",
            xytext=(5, 3),
            fontsize=7,
        )
    axes.set(title=title, xlabel="delay, played − sent (ms)", ylabel="PESQ-WB", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)

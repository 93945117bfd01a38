"""What must hold of each part of ``benchmarks/playout.py``, line by line of what was promised.

Means are over a part's conditions. What NetEQ reached is read from ``results.csv`` of
``../shared/neteq``; a trace of our own is compared with the public one of its kind.
"""

import math
import statistics
from collections.abc import Iterable, Sequence

from _common import Result, above, below, plain
from _playout_lines import Outcome
from _scores import others

__all__ = ["judged"]

JITTER_DELAYS_MS = {"exp10": 70.0, "exp40": 188.0, "exp80": 404.0, "wifi40": 180.0}


def mean(outcomes: Iterable[Outcome], name: str) -> float:
    values: list[float] = [getattr(outcome.scores, name) for outcome in outcomes]
    return statistics.mean(values)


def their_mean(outcomes: Iterable[Outcome], system: str, name: str) -> float:
    theirs = others()
    return statistics.mean(
        theirs[system, outcome.case.stream, outcome.case.kind][name] for outcome in outcomes
    )


def judged(outcomes: Sequence[Outcome]) -> list[Result]:
    """What must hold, of what was played."""
    results: list[Result] = []
    for part, judge in JUDGES.items():
        of_part = [outcome for outcome in outcomes if outcome.case.part == part]
        for stream in dict.fromkeys(outcome.case.stream for outcome in of_part):
            results += judge([o for o in of_part if o.case.stream == stream], f"{part}, {stream}")
    return [result for result in results if not math.isnan(result.value)]


def _loss(found: list[Outcome], name: str) -> list[Result]:
    at_least = {"plain": 2.68, "fec": 2.98}[found[0].case.stream]
    plcmos = their_mean(found, "netEQ+opusPLC", "plcmos")
    return [
        above(f"1 {name}: PESQ-WB", mean(found, "pesq"), "", at_least),
        above(f"1 {name}: PLCMOS", mean(found, "plcmos"), "", plcmos),
        below(f"1 {name}: delay", mean(found, "delay_ms"), "ms", 38),
    ]


def _dred(found: list[Outcome], name: str) -> list[Result]:
    part = found[0].case.part
    delay = mean(found, "delay_ms")
    if part == "dred460":
        share = statistics.mean(outcome.rebuilt for outcome in found)
        share_name = f"2 {name}: rebuilt of bursts up to 400 ms"
        to_hold = found[0].case.stream == "dred60"
        return [
            above(share_name, 100 * share, "%", 95)
            if to_hold
            else plain(share_name, 100 * share, "%"),
            plain(f"2 {name}: PESQ-WB", mean(found, "pesq"), ""),
            below(f"2 {name}: delay", delay, "ms", 460),
        ]
    at_least, at_most = {"dred120": (3.2, 120), "dred200": (3.35, 200)}[part]
    return [
        above(f"2 {name}: PESQ-WB", mean(found, "pesq"), "", at_least),
        below(f"2 {name}: delay", delay, "ms", at_most),
    ]


def _jitter(found: list[Outcome], _name: str) -> list[Result]:
    results = []
    for kind in dict.fromkeys(outcome.case.kind for outcome in found):
        same = [outcome for outcome in found if outcome.case.kind == kind]
        their_pesq = their_mean(same, "netEQ", "pesq")
        at_most = JITTER_DELAYS_MS[kind]
        results += [
            above(f"3 {kind}: PESQ-WB", mean(same, "pesq"), "", their_pesq - 0.05),
            above(f"3 {kind}: STOI", mean(same, "stoi"), "", their_mean(same, "netEQ", "stoi")),
            below(f"3 {kind}: delay", mean(same, "delay_ms"), "ms", at_most),
        ]
    return results


def _mixes(found: list[Outcome], name: str) -> list[Result]:
    pesq = their_mean(found, "netEQ+opusPLC", "pesq") + 0.15
    delay = their_mean(found, "netEQ+opusPLC", "delay_ms") * 0.75
    return [
        above(f"4 {name}: PESQ-WB", mean(found, "pesq"), "", pesq),
        below(f"4 {name}: delay", mean(found, "delay_ms"), "ms", delay),
    ]


def _back(found: list[Outcome], name: str) -> list[Result]:
    return [
        below(f"{name}: back, by the log", max(max(o.back_log_ms) for o in found) / 1000, "s", 2),
        below(f"{name}: back, heard", max(max(o.back_track_ms) for o in found) / 1000, "s", 2),
    ]


def _spikes(found: list[Outcome], name: str) -> list[Result]:
    share = statistics.mean(outcome.heard for outcome in found)
    return [
        # 0.95 of what one who knows the trace can reach would be more: see --oracle.
        above(f"5 {name}: PESQ-WB", mean(found, "pesq"), "", 3.5),
        above(f"5 {name}: STOI", mean(found, "stoi"), "", 0.93),
        below(f"5 {name}: delay", mean(found, "delay_ms"), "ms", 120),
        above(f"5 {name}: heard", 100 * share, "%", 97),
        *_back(found, f"5 {name}"),
    ]


def _stalls(found: list[Outcome], name: str) -> list[Result]:
    share = statistics.mean(outcome.heard for outcome in found)
    plcmos = their_mean(found, "netEQ", "plcmos")
    return [
        above(f"6 {name}: heard", 100 * share, "%", 90),
        *_back(found, f"6 {name}"),
        below(f"6 {name}: delay", mean(found, "delay_ms"), "ms", 200),
        above(f"6 {name}: PLCMOS", mean(found, "plcmos"), "", plcmos),
        plain(f"6 {name}: PESQ-WB", mean(found, "pesq"), ""),
    ]


def _skipping(found: list[Outcome], name: str) -> list[Result]:
    return [
        above(f"6 {name}: PESQ-WB", mean(found, "pesq"), "", 3.11),
        above(f"6 {name}: STOI", mean(found, "stoi"), "", 0.92),
    ]


def _outages(found: list[Outcome], name: str) -> list[Result]:
    results = [
        above(
            f"7 {name}: {label}",
            mean(found, column),
            "",
            their_mean(found, "netEQ+opusPLC", column),
        )
        for label, column in (("PESQ-WB", "pesq"), ("PLCMOS", "plcmos"), ("STOI", "stoi"))
    ]
    loudest = max((o.loudest_db for o in found if not math.isnan(o.loudest_db)), default=math.nan)
    # 20 dB below speech is what a gap that has faded may have at most.
    return [*results, below(f"7 {name}: loudest after 300 ms of a gap", loudest, "dB", -20)]


def _gaps(found: list[Outcome], name: str) -> list[Result]:
    share = 100 * statistics.mean(outcome.rebuilt for outcome in found)
    label = f"7 {name}: rebuilt of 300 ms"
    held = found[0].case.stream == "dred60"
    return [above(label, share, "%", 95) if held else plain(label, share, "%")]


def _clean(found: list[Outcome], name: str) -> list[Result]:
    apart = max(abs(outcome.scores.pesq - outcome.bare_pesq) for outcome in found)
    return [
        below(f"9 {name}: PESQ-WB from the plain decode's", apart, "", 0.0005),
        below(f"9 {name}: delay", mean(found, "delay_ms"), "ms", 35),
    ]


def _kinds(found: list[Outcome], name: str) -> list[Result]:
    return [
        plain(f"{name}: PESQ-WB", mean(found, "pesq"), ""),
        plain(f"{name}: delay", mean(found, "delay_ms"), "ms"),
    ]


JUDGES = {
    "loss": _loss,
    "dred120": _dred,
    "dred200": _dred,
    "dred460": _dred,
    "jitter": _jitter,
    "mixes": _mixes,
    "spikes": _spikes,
    "stalls": _stalls,
    "skipping": _skipping,
    "outages": _outages,
    "gaps": _gaps,
    "clean": _clean,
    "kinds": _kinds,
}

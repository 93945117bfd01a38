"""The parts of ``benchmarks/playout.py``: conditions, settings, and what must hold.

Means are over a part's conditions. What NetEQ reached is read from ``results.csv`` of
``../shared/neteq``; a trace of our own is compared with the public one of its kind.
"""

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from _common import Result, above, below, plain
from _network import load_trace
from _playlog import back_by_log, back_by_track, delay_of_log, heard, rebuilt
from _receivers import play
from _scores import Scores, others, scored
from _speech import material

__all__ = ["GROUPS", "PARTS", "SETTINGS", "Case", "Outcome", "judged", "planned", "row_of", "run"]

LOSS = ("ge03_b2", "ge05_b2", "ge05_b4", "ge10_b2", "ge10_b4", "ge10_b8", "ge20_b4", "ge20_b8")
SEEDS = (1, 2, 3)

GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "loss": (LOSS, ("plain", "fec")),
    "dred120": (LOSS, ("dred20", "dred60")),
    "dred200": (LOSS, ("dred20", "dred60")),
    "dred460": (LOSS, ("dred20", "dred60")),
    "jitter": (("exp10", "exp40", "exp80", "wifi40"), ("plain",)),
    "mixes": (("exp40_ge05_b2", "exp80_ge03_b2", "wifi40_ge10_b4"), ("plain",)),
    "spikes": (("spike500",), ("plain",)),
    "stalls": (("stall1000",), ("plain",)),
    "skipping": (("stall1000",), ("plain",)),
    "outages": (("outage300", "outage1000"), ("plain",)),
    "gaps": (("outage300",), ("dred20", "dred60")),
    "clean": (("clean",), ("plain", "fec")),
    "kinds": (("reorder60", "reorder60_ge05_b2"), ("plain", "plain60", "dtx", "talkers")),
}
"""Conditions and streams of each part."""

PARTS = {
    "loss": ("loss",),
    "dred": ("dred120", "dred200", "dred460"),
    "jitter": ("jitter",),
    "mixes": ("mixes",),
    "spikes": ("spikes",),
    "stalls": ("stalls", "skipping"),
    "outages": ("outages", "gaps"),
    "clean": ("clean",),
    "kinds": ("kinds",),
}
"""What ``--only`` may name."""

SETTINGS: dict[str, dict[str, Any]] = {
    "loss": {"target_delay_ms": 30},
    "dred120": {"target_delay_ms": 110},
    "dred200": {"target_delay_ms": 190},
    "dred460": {"target_delay_ms": 450},
    "skipping": {"target_delay_ms": 60},
    "gaps": {"target_delay_ms": 450},
    "clean": {"target_delay_ms": 20},
}
"""Arguments of Playout in a part; in the others those by default."""

JITTER_DELAYS_MS = {"exp10": 70.0, "exp40": 188.0, "exp80": 404.0, "wifi40": 180.0}


@dataclass(frozen=True, slots=True)
class Case:
    """One trace, one stream, one set of settings."""

    part: str
    condition: str
    stream: str
    settings: dict[str, Any]
    quick: bool

    @property
    def kind(self) -> str:
        """The condition without its seed."""
        return self.condition.partition("~")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case."""

    case: Case
    scores: Scores
    heard: float
    delay_log_ms: float
    """Mean over what was played from data."""
    shares: dict[str, float]
    """Of the played samples, by origin."""
    back_log_ms: list[float]
    back_track_ms: list[float]
    rebuilt: float
    """Share of what was lost in bursts up to 400 ms that was played from data."""
    cpu_s: float
    pull_ms: tuple[float, float]
    scoring_s: float
    stats: dict[str, Any] = field(repr=False)


def planned(
    parts: Sequence[str], traces: str, overrides: dict[str, Any], *, quick: bool
) -> list[Case]:
    """The cases of some parts."""
    cases = []
    for part in (group for name in parts for group in PARTS[name]):
        kinds, streams = GROUPS[part]
        settings = SETTINGS.get(part, {}) | overrides
        if traces == "own":
            kinds = tuple(f"{kind}~{seed}" for kind in kinds for seed in SEEDS)
        elif part == "kinds":
            continue
        cases += [Case(part, kind, stream, settings, quick) for stream in streams for kind in kinds]
    return cases


def run(case: Case) -> Outcome:
    """Play and score a case."""
    trace, source = load_trace(case.condition), material(case.stream)
    played = play(trace, case.stream, case.settings)
    began = time.monotonic()
    scores = scored(played.pcm, source.reference, quick=case.quick)
    scoring_s = time.monotonic() - began
    lasted = [span.samples for span in played.spans]
    shares: dict[str, float] = {}
    for span, samples in zip(played.spans, lasted, strict=True):
        shares[span.origin] = shares.get(span.origin, 0.0) + samples / sum(lasted)
    _, delays = delay_of_log(played.spans)
    return Outcome(
        case,
        scores,
        heard(played.spans, source.reference),
        float(delays.mean()) if len(delays) else math.nan,
        shares,
        back_by_log(trace, played.spans),
        back_by_track(trace, scores.track),
        rebuilt(played.spans, trace, source.packet_rows, 400),
        played.cpu_s,
        played.pull_ms,
        scoring_s,
        played.stats,
    )


def row_of(outcome: Outcome, traces: str, system: str) -> str:
    """A line of results.csv; what only NetEQ counts is left empty."""
    s, case = outcome.scores, outcome.case
    concealed = sum(outcome.shares.get(name, 0.0) for name in ("plc", "comfort_noise"))
    values = (s.pesq, s.plcmos, s.stoi, s.delay_ms, s.delay_p95_ms, outcome.delay_log_ms)
    numbers = ",".join(f"{value:.4f}" for value in values)
    segments = " ".join(str(value) for value in s.pesq_segments)
    # A trace is of the set "public" or "own"; several parts that play it are several systems.
    name = system if case.part in ("loss", "jitter", "mixes") else f"{system} {case.part}"
    return (
        f"{traces},{case.stream},{name},{case.condition},{numbers},,{concealed:.4f},,,,"
        f"{segments},{s.windows}"
    )


def mean(outcomes: Iterable[Outcome], name: str) -> float:
    return statistics.mean(getattr(outcome.scores, name) for outcome in outcomes)


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
    return [
        above(
            f"7 {name}: {label}",
            mean(found, column),
            "",
            their_mean(found, "netEQ+opusPLC", column),
        )
        for label, column in (("PESQ-WB", "pesq"), ("PLCMOS", "plcmos"), ("STOI", "stoi"))
    ]


def _gaps(found: list[Outcome], name: str) -> list[Result]:
    share = 100 * statistics.mean(outcome.rebuilt for outcome in found)
    label = f"7 {name}: rebuilt of 300 ms"
    held = found[0].case.stream == "dred60"
    return [above(label, share, "%", 95) if held else plain(label, share, "%")]


def _clean(found: list[Outcome], name: str) -> list[Result]:
    theirs = their_mean(found, "netEQ", "pesq")
    return [
        above(f"9 {name}: PESQ-WB", mean(found, "pesq"), "", theirs),
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

"""The parts of ``benchmarks/playout.py``: which conditions, settings, outcomes."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from _network import ROW_MS, load_trace
from _playlog import (
    back_by_log,
    back_by_track,
    heard,
    loudest_in_gaps,
    mean_of_log,
    rebuilt,
)
from _receivers import play
from _scores import Scores, scored
from _speech import material
from opuscule.codec import Decoder
from opuscule.measure.playout.account import shares_of

__all__ = [
    "ADAPTIVE",
    "GROUPS",
    "KINDS_OF_OUR_OWN",
    "PARTS",
    "SEEDS",
    "SETTINGS",
    "Case",
    "Outcome",
    "planned",
    "row_of",
    "run",
]

LOSS = ("ge03_b2", "ge05_b2", "ge05_b4", "ge10_b2", "ge10_b4", "ge10_b8", "ge20_b4", "ge20_b8")
SEEDS = (1, 2, 3)
KINDS_OF_OUR_OWN = ("reorder60", "reorder60_ge05_b2")

GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "loss": (LOSS, ("plain", "fec")),
    "dred120": (LOSS, ("dred40_120",)),
    "dred200": (LOSS, ("dred40_240",)),
    "dred460": (LOSS, ("dred20", "dred40", "dred60")),
    "jitter": (("exp10", "exp40", "exp80", "wifi40"), ("plain",)),
    "mixes": (("exp40_ge05_b2", "exp80_ge03_b2", "wifi40_ge10_b4"), ("plain",)),
    "spikes": (("spike500",), ("plain",)),
    "stalls": (("stall1000",), ("plain",)),
    "skipping": (("stall1000",), ("plain",)),
    "outages": (("outage300", "outage1000"), ("plain",)),
    "gaps": (("outage300",), ("dred20", "dred60")),
    "clean": (("clean",), ("plain", "fec")),
    "kinds": (KINDS_OF_OUR_OWN, ("plain", "plain60", "dtx", "talkers")),
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

ADAPTIVE: dict[str, Any] = {"mode": "adaptive", "target_delay_ms": 30, "complexity": 7}
SETTINGS: dict[str, dict[str, Any]] = {
    "spikes": {**ADAPTIVE, "target_delay_ms": 110},
    "stalls": {**ADAPTIVE, "target_delay_ms": 110},
    "loss": {"mode": "adaptive", "target_delay_ms": 30, "complexity": 7},
    "dred120": {"mode": "fixed", "target_delay_ms": 115, "complexity": 7},
    "dred200": {"mode": "fixed", "target_delay_ms": 195, "complexity": 7},
    "dred460": {"mode": "fixed", "target_delay_ms": 455},
    "skipping": {"mode": "fixed", "target_delay_ms": 55, "complexity": 7},
    "gaps": {"mode": "fixed", "target_delay_ms": 455},
}
"""Arguments of Playout in a part; in the others :data:`ADAPTIVE`.

With packets of 60 ms the target is 40 ms less, for
the delay counts from when the first 20 ms were sent, which is so long before the packet's arrival.
"""

AGAIN = ("dred120", "dred200", "dred460", "skipping", "gaps")
"""Parts with other settings for what another part may play, too."""


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
    """Of what was played from the first packet to the last, by origin."""
    made_up: float
    """How much of that is from no data."""
    back_log_ms: list[float]
    back_track_ms: list[float]
    rebuilt: float
    """Share of what was lost in bursts up to 400 ms that was played from data."""
    loudest_db: float
    """Of gaps, from 300 ms on, to voiced speech."""
    cpu_s: float
    pull_ms: tuple[float, float]
    scoring_s: float
    bare_pesq: float
    """What the plain decode of all packets scores; only in the part "clean"."""
    stats: dict[str, Any] = field(repr=False)


def planned(
    parts: Sequence[str], traces: str, overrides: dict[str, Any], *, quick: bool
) -> list[Case]:
    """The cases of some parts."""
    cases = []
    for part in (group for name in parts for group in PARTS[name]):
        kinds, streams = GROUPS[part]
        if traces == "own":
            kinds = tuple(f"{kind}~{seed}" for kind in kinds for seed in SEEDS)
        elif part == "kinds":
            continue
        for stream in streams:
            settings = _settings(part, stream, overrides)
            cases += [Case(part, kind, stream, settings, quick) for kind in kinds]
    return cases


def _settings(part: str, stream: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Those of the part, and what replaces them: in all parts, or ``part.name`` in one."""
    settings = dict(SETTINGS.get(part, ADAPTIVE))
    if settings["mode"] == "fixed":
        settings["target_delay_ms"] -= (material(stream).packet_rows - 1) * ROW_MS
    for key, value in overrides.items():
        of_part, _, name = key.rpartition(".")
        if of_part in ("", part):
            settings[name] = value
    return settings


def run(case: Case) -> Outcome:
    """Play and score a case."""
    trace, source = load_trace(case.condition), material(case.stream)
    played = play(trace, case.stream, case.settings)
    began = time.monotonic()
    scores = scored(played.pcm, source.reference, quick=case.quick)
    scoring_s = time.monotonic() - began
    held = case.kind.startswith(("spike", "stall"))
    made, delay_ms = mean_of_log(played.spans)
    return Outcome(
        case,
        scores,
        heard(played.spans, source.reference),
        delay_ms,
        shares_of(played.spans),
        made,
        back_by_log(trace, played.spans) if held else [],
        back_by_track(trace, scores.track) if held else [],
        rebuilt(played.spans, trace, source.packet_rows, 400),
        loudest_in_gaps(played.pcm, played.spans, trace, source.reference),
        played.cpu_s,
        played.pull_ms,
        scoring_s,
        bare_pesq(case) if case.part == "clean" else math.nan,
        played.stats,
    )


def bare_pesq(case: Case) -> float:
    """PESQ-WB of all packets of a stream, decoded one after the other as the engine decodes."""
    source = material(case.stream)
    decoder = Decoder(48_000, 1, complexity=case.settings.get("complexity", 5))
    pcm = b"".join(bytes(decoder.decode(packet)) for packet in source.packets)
    return scored(np.frombuffer(pcm, np.int16), source.reference, quick=True).pesq


def row_of(outcome: Outcome, traces: str, system: str) -> str:
    """A line of results.csv; what only NetEQ counts is left empty."""
    s, case = outcome.scores, outcome.case
    values = (s.pesq, s.plcmos, s.stoi, s.delay_ms, s.delay_p95_ms)
    numbers = ",".join(f"{value:.4f}" for value in values)
    segments = " ".join(str(value) for value in s.pesq_segments)
    # Several parts that play the same stream on the same trace are several systems.
    name = f"{system} {case.part}" if case.part in AGAIN else system
    return (
        f"{traces},{case.stream},{name},{case.condition},{numbers},,,{outcome.made_up:.4f},,,,"
        f"{segments},{s.windows}"
    )

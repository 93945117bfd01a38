"""Playout over bad networks, against NetEQ on the same packets.

The traces of ``../shared/neteq`` (``--traces public``) or three of each kind of our own making
(``--traces own``) are played as the contract there says and scored by its scripts; what must hold
comes from what Chromium's NetEQ reached (``results.csv`` there). It needs what
``requirements/bench.txt`` lists. PLCMOS takes most of the time: ``--quick`` leaves it out.
"""

import argparse
import concurrent.futures
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

from _common import report
from _network import PUBLIC, draw_trace, load_trace, statistics_of
from _oracle import print_oracle
from _playout_judges import judged
from _playout_lines import KINDS_OF_OUR_OWN, PARTS, SEEDS, Outcome, planned, row_of, run
from _playout_plots import draw_plots, draw_traces
from _speech import NETEQ

NEEDED = ("pesq", "pystoi", "speechmos", "onnxruntime", "soundfile", "scipy")
COLUMNS = (
    "set,variant,system,condition,pesq,plcmos,stoi,delay_ms,delay_p95_ms,buffer_ms,buffer_p95_ms,"
    "concealed,decelerated,accelerated,target_ms,pesq_segments,windows"
)


def setting(text: str) -> tuple[str, Any]:
    """``key=value``, the value as JSON or else a string."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    parser.add_argument("--rows", type=Path, help="write rows as results.csv has them")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--traces", choices=("public", "own"), default="public")
    parser.add_argument("--streams", help="only these of the streams, with commas")
    parser.add_argument("--conditions", help="only these conditions, with commas")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="without PLCMOS")
    parser.add_argument(
        "--plots", type=Path, help="draw quality against delay, and traces, into this folder"
    )
    parser.add_argument("--oracle", action="store_true", help="what is possible after spikes")
    parser.add_argument("--statistics", action="store_true", help="of all traces, and nothing else")
    parser.add_argument("--system", default="opuscule", help="the name in --rows")
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of Playout instead of what the parts set; PART.KEY=VALUE in one part",
    )
    return parser.parse_args()


def line(outcome: Outcome) -> str:
    s, case = outcome.scores, outcome.case
    shares = " ".join(f"{k} {v:.1%}" for k, v in outcome.shares.items() if v >= 0.0005)
    back = max(outcome.back_log_ms, default=float("nan"))
    back_text = f" back {back / 1000:.1f} s" if outcome.back_log_ms else ""
    return (
        f"{case.part:8} {case.condition:18} {case.stream:7} PESQ {s.pesq:.3f}"
        f" PLCMOS {s.plcmos:.2f} STOI {s.stoi:.3f}"
        f" delay {s.delay_ms:5.0f} p95 {s.delay_p95_ms:5.0f}"
        f" log {outcome.delay_log_ms:5.0f} ms heard {outcome.heard:.1%}{back_text} | {shares}"
        f" | {outcome.cpu_s:.1f} s CPU, scored in {outcome.scoring_s:.0f} s"
    )


def print_statistics() -> None:
    """The public traces, each followed by those of our own of its kind."""
    for kind in (*PUBLIC, *KINDS_OF_OUR_OWN):
        traces = [load_trace(kind)] if kind in PUBLIC else []
        for trace in (*traces, *(draw_trace(kind, seed) for seed in SEEDS)):
            found = statistics_of(trace)
            print(f"{trace.name:20}", *(f"{name} {value:.6g}" for name, value in found.items()))


def main() -> None:
    wanted = arguments()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing or not NETEQ.is_dir():
        print(f"skipped: {', '.join(missing) or NETEQ} not there", end=" ")
        print("(.venv/bin/pip install --require-hashes -r requirements/bench.txt)")
        return
    if wanted.statistics:
        print_statistics()
        return
    if wanted.oracle:
        print_oracle(wanted.jobs)
        return
    if wanted.plots:
        kinds = wanted.conditions.split(",") if wanted.conditions else ()
        if not kinds:
            draw_traces(wanted.plots)
        report(draw_plots(wanted.plots, dict(wanted.set), wanted.jobs, kinds), wanted.json)
        return
    parts = wanted.only.split(",")
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"--only: {', '.join(unknown)} is none of {','.join(PARTS)}")
    cases = planned(parts, wanted.traces, dict(wanted.set), quick=wanted.quick)
    if wanted.streams:
        cases = [case for case in cases if case.stream in wanted.streams.split(",")]
    if wanted.conditions:
        names = wanted.conditions.split(",")
        cases = [case for case in cases if case.condition in names or case.kind in names]
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with concurrent.futures.ProcessPoolExecutor(wanted.jobs) as pool:
        for outcome in pool.map(run, cases):
            outcomes.append(outcome)
            print(line(outcome), flush=True)
    print(f"{len(cases)} conditions in {time.monotonic() - began:.0f} s, {wanted.jobs} processes\n")
    if wanted.rows:
        rows = [row_of(outcome, wanted.traces, wanted.system) for outcome in outcomes]
        wanted.rows.write_text("\n".join((COLUMNS, *rows)) + "\n")
    results = judged(outcomes)
    if results:
        report(results, wanted.json)


if __name__ == "__main__":
    main()

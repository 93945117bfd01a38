"""What the benchmarks share: material, rounds in turn, the table and the JSON."""

import argparse
import json
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from opuscule import libopus_version
from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.transcode import open_audio

__all__ = [
    "Result",
    "above",
    "below",
    "in_turn",
    "median",
    "options",
    "plain",
    "ratio",
    "report",
    "speech",
]

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Result:
    """One number, and what it should be where something was promised."""

    name: str
    value: float
    unit: str
    target: float | None = None
    holds: bool | None = None


def plain(name: str, value: float, unit: str) -> Result:
    return Result(name, value, unit)


def below(name: str, value: float, unit: str, target: float) -> Result:
    return Result(name, value, unit, target, value <= target)


def above(name: str, value: float, unit: str, target: float) -> Result:
    return Result(name, value, unit, target, value >= target)


def options(about: str | None, rounds: int, parts: Sequence[str] = ()) -> argparse.Namespace:
    """The command line that all have, and `--only` for those that have parts."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="how often each way has its turn"
    )
    if parts:
        parser.add_argument("--only", choices=parts, help="measure this part alone")
    return parser.parse_args()


def in_turn(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way measures, round by round: A B A B, so that a slow minute slows them all.

    A first round that is not counted warms caches and code.
    """
    for measure in ways.values():
        measure()
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, measure in ways.items():
            measured[name].append(measure())
    return measured


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of one way's measure by the other's in the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def report(results: Sequence[Result], path: Path | None) -> None:
    """Print the table; write the JSON where it is wanted."""
    print(f"{cpu_model()}, Python {platform.python_version()}, {libopus_version()}")
    width = max(len(result.name) for result in results)
    for result in results:
        line = f"{result.name:<{width}}  {result.value:10.2f} {result.unit:<12}"
        if result.target is not None:
            line += f" target {result.target:g}: {'holds' if result.holds else 'MISSED'}"
        print(line.rstrip())
    if path:
        path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else platform.machine()


@cache
def speech(rate: int, seconds: int) -> bytes:
    """Speech, int16 mono: the shared recordings, or the demo's sentence, over and over."""
    files = sorted((ROOT.parent / "shared" / "data" / "speech").glob("*"))
    if not files:
        files = [ROOT / "src" / "opuscule" / "data" / "sentence.opus"]
        print("../shared/data is absent: measured with the demo's sentence, over and over")
    wanted = rate * seconds * 2
    pcm = bytearray()
    for path in files:
        with open_audio(path, rate=rate) as reader:
            outputs = default_mix(reader.channels, 1)
            for block in reader:
                samples = to_int16(block, reader.sample_format)
                pcm += mix(samples, reader.channels, outputs) if outputs else samples
        if len(pcm) >= wanted:
            break
    return bytes(pcm * (wanted // len(pcm) + 1))[:wanted]

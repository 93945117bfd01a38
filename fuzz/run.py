"""Runs the fuzz targets: ``make fuzz``, or ``python fuzz/run.py --runs 1000000 packet ogg``.

The Rust targets are libFuzzer programs. The compiler's bootstrap switch lets the stable toolchain
take the sanitizer's flag; beyond what builds the project they need only a C++ compiler, for
libFuzzer itself. Where something is missing, that is said, and what can run is run. The Python
targets (``python_targets.py``) need nothing else.

What libFuzzer finds worth keeping goes to ``target/fuzz/corpus``; ``--keep`` adds the smallest set
of it that reaches everything to ``fuzz/seeds``, which the tests of the core try on every run. Seeds
whose names begin with ``found-`` once broke an invariant, and stay.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "target" / "fuzz"

# A few longer than anything that matters: long inputs cost speed and find nothing new.
RUST = {
    "packet": 2800,
    "delimited": 2800,
    "extensions": 160,
    "edit": 2800,
    "ogg": 3000,
    "tags": 600,
    "playout": 300,
    "playout_real": 300,
}
PYTHON = ("frame", "stamped", "capture", "trace")

SANITIZER = "-Zsanitizer=address"
FLAGS = (
    *("--cfg=fuzzing", "-Cpasses=sancov-module", "-Cdebug-assertions"),
    *(
        f"-Cllvm-args=-sanitizer-coverage-{part}"
        for part in ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
    ),
)


def missing() -> str:
    """What the Rust targets lack, in words; empty if nothing."""
    if shutil.which("cargo") is None:
        return "cargo is not there"
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
        return "libFuzzer needs a C++ compiler (c++, g++ or clang++)"
    if platform.system() not in ("Linux", "Darwin"):
        return f"libFuzzer is not built on {platform.system()} here"
    return ""


def build(plain: bool) -> tuple[Path, str]:
    """Build the Rust targets; where they are, and why not."""
    work = WORK / ("plain" if plain else "address")
    flags = FLAGS if plain else (SANITIZER, *FLAGS)
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    triple = re.findall(r"host: (\S+)", host)[0]
    environment = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_TARGET_DIR": str(work),
    }
    # With --target the flags are for the targets and not for build scripts.
    command = ["cargo", "build", "--locked", "--release", "--quiet", "--bins", "--target", triple]
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stderr.strip().splitlines()
    return work / triple / "release", "" if done.returncode == 0 else "\n".join(said[-15:])


def fuzz(program: Path, name: str, arguments: argparse.Namespace) -> bool:
    """Run one libFuzzer program; whether the invariant held."""
    seeds, corpus = HERE / "seeds" / name, WORK / "corpus" / name
    seeds.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    limit = f"-runs={arguments.runs}" if arguments.runs else f"-max_total_time={arguments.seconds}"
    options = (
        *(limit, f"-max_len={RUST[name]}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0"),
        *("-print_final_stats=1", "-detect_leaks=0", f"-seed={arguments.seed}"),
        f"-artifact_prefix={WORK}/failed-{name}-",
    )
    done = subprocess.run(
        [program, *options, corpus, seeds], capture_output=True, text=True, check=False
    )
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
    runs, rate = (
        int(stats.get(key, 0)) for key in ("number_of_executed_units", "average_exec_per_sec")
    )
    if done.returncode:
        print(done.stderr[-4000:])
        print(f"fuzz: {name}: FAILED; the bytes are in {WORK}/failed-{name}-*")
        return False
    print(f"fuzz: {name}: {runs:,} executions, {rate:,} a second: the invariant holds", flush=True)
    if arguments.keep:
        smallest = WORK / "smallest" / name
        shutil.rmtree(smallest, ignore_errors=True)
        smallest.mkdir(parents=True)
        merge = ("-merge=1", "-verbosity=0", f"-max_len={RUST[name]}")
        subprocess.run([program, *merge, smallest, seeds, corpus], capture_output=True, check=True)
        for seed in seeds.iterdir():
            if not seed.name.startswith("found-"):
                seed.unlink()
        shutil.copytree(smallest, seeds, dirs_exist_ok=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the fuzz targets.")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join((*RUST, *PYTHON))}; all")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--runs", type=int, default=0, help="executions, instead of seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--plain", action="store_true", help="no address sanitizer: several times as fast"
    )
    parser.add_argument("--keep", action="store_true", help="renew fuzz/seeds")
    arguments = parser.parse_args()
    chosen = arguments.targets or [*RUST, *PYTHON]
    unknown = set(chosen) - {*RUST, *PYTHON}
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    held = True
    rust = [name for name in chosen if name in RUST]
    if rust:
        lack = missing()
        if not lack:
            print("fuzz: building the targets (a minute or two the first time)", flush=True)
            programs, lack = build(arguments.plain)
        if lack:
            print(f"fuzz: SKIPPED {', '.join(rust)}: {lack}", flush=True)
        else:
            for name in rust:
                held &= fuzz(programs / name, name, arguments)
    for name in chosen:
        if name in PYTHON:
            limit = ("--runs", str(arguments.runs)) if arguments.runs else ()
            command = [sys.executable, HERE / "python_targets.py", name, *limit]
            options = ("--seconds", str(arguments.seconds), "--seed", str(arguments.seed))
            held &= subprocess.run([*command, *options], check=False).returncode == 0
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

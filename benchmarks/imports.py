"""What importing costs, in time and resident memory (row P13).

Each import is done in a process of its own, in turn. Time is the import statement's CPU time, with
compiled files in place; memory is the process's at its end, less that of a bare Python.
"""

import json
import subprocess
import sys
from pathlib import Path

from _common import Result, below, median, options, plain, report

STATEMENTS = {
    "nothing": "pass",
    "opuscule": "import opuscule",
    "opuscule.client": "import opuscule.client",
    "opuscule.server": "import opuscule.server",
    "opuscule.cli": "import opuscule.cli",
    "numpy": "import numpy",
    "zarr": "import zarr",
    "rich": "import rich.console, rich.progress",
}
HEAVY = ("numpy", "zarr", "rich", "av", "soxr", "sounddevice")
CHILD = """
import sys, time
began = time.process_time()
{statement}
took = time.process_time() - began
status = open("/proc/self/status").read()
rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
loaded = [name for name in {heavy} if name in sys.modules]
import json
print(json.dumps([took * 1000, int(rss.split()[1]) / 1024, loaded]))
"""


def measure(statement: str) -> tuple[float, float, list[str]]:
    """Milliseconds, MiB resident, and which heavy packages were loaded."""
    script = CHILD.format(statement=statement, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    took_ms, resident_mib, loaded = json.loads(done.stdout)
    return took_ms, resident_mib, loaded


def main() -> None:
    chosen = options(__doc__, rounds=15)
    if not Path("/proc/self/status").exists():
        sys.exit("imports: resident memory is read from /proc, which only Linux has")
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    sizes: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    light: dict[str, list[str]] = {}
    for n in range(chosen.rounds + 1):
        for name, statement in STATEMENTS.items():
            took_ms, resident_mib, light[name] = measure(statement)
            if n:  # the first round only warms the caches
                times[name].append(took_ms)
                sizes[name].append(resident_mib)
    bare = median(sizes["nothing"])
    added = {name: median(sizes[name]) - bare for name in STATEMENTS}
    results: list[Result] = [plain("bare Python: resident", bare, "MiB")]
    for name in list(STATEMENTS)[1:]:
        results += [
            plain(f"{name}: CPU", median(times[name]), "ms"),
            plain(f"{name}: resident above bare", added[name], "MiB"),
        ]
    for name in ("opuscule", "opuscule.client"):
        results += [
            below(f"{name}: heavy packages loaded", len(light[name]), "packages", 0),
            # P13 gives the whole audio pipeline of a small device 50 MB.
            below(f"{name}: resident in all", median(sizes[name]) * 1.048576, "MB", 50),
        ]
    results.append(
        below("opuscule by numpy: CPU", median(times["opuscule"]) / median(times["numpy"]), "×", 1)
    )
    report(results, chosen.json)


if __name__ == "__main__":
    main()

"""A WAV file of 10 GB into an archive: time, memory, and ranges from both of its ends (row Z9).

The file is RF64, int16 mono at 48 kHz: a minute of speech at its start, middle and end, and holes
between them, which take no room on the disk. It is imported in a process of its own, whose peak of
resident memory is what Linux says (VmHWM), the interpreter and everything imported included. The
ranges are of one second, decoded with 80 ms of pre-roll, from each end in turn.
"""

import argparse
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _common import Result, below, in_turn, median, plain, ratio, report, speech
from opuscule.archive import Recording, open_archive

RATE, SPEECH_S = 48_000, 60
CHILD = """
import json, sys, time
from opuscule.archive import import_file
began = time.perf_counter()
info = import_file(sys.argv[1], sys.argv[2], name="big").info
took = time.perf_counter() - began
status = open("/proc/self/status").read()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps([took, int(peak.split()[1]) * 1024, info.total_samples]))
"""


def write_sparse(path: Path, size: int) -> int:
    """Write the file; return how many samples it has."""
    data_bytes = size - 80
    data_bytes -= data_bytes % 2
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, data_bytes + 72, data_bytes, data_bytes // 2, 0)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    head = struct.pack("<4sI4s", b"RF64", 0xFFFF_FFFF, b"WAVE") + ds64 + fmt
    head += struct.pack("<4sI", b"data", 0xFFFF_FFFF)
    pcm = speech(RATE, SPEECH_S)
    with path.open("wb") as file:
        file.write(head)
        for place in (0, data_bytes // 4 * 2, data_bytes - len(pcm)):
            file.seek(len(head) + place)
            file.write(pcm)
    return data_bytes // 2


def likeness(recording: Recording, start: int) -> float:
    """Correlation of a second of the recording with the speech that was put there."""
    wanted = np.frombuffer(speech(RATE, SPEECH_S), np.int16).astype(float)
    place = 10 * RATE
    got = np.asarray(recording.extract(start + place, start + place + RATE, pre_roll_ms=80))
    return float(np.corrcoef(got[:, 0].astype(float), wanted[place : place + RATE])[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    parser.add_argument("--gigabytes", type=float, default=10, help="how long the file is")
    chosen = parser.parse_args()
    if not Path("/proc/self/status").exists():
        sys.exit("big_import: resident memory is read from /proc, which only Linux has")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = write_sparse(folder / "big.wav", round(chosen.gigabytes * 1e9))
        line = [sys.executable, "-c", CHILD, str(folder / "a.zarr"), str(folder / "big.wav")]
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        took_s, peak, total = (float(word) for word in said.strip("[]\n").split(","))
        assert total == samples
        hours = samples / RATE / 3600
        results += [
            plain(f"{chosen.gigabytes:g} GB of RF64", hours, "h"),
            below("import", took_s / 60, "min", 2 * chosen.gigabytes),
            below("import: resident at most", peak / 1e6, "MB", 150),
        ]
        recording = open_archive(folder / "a.zarr")["big"]
        ends = {"start": 0, "middle": samples // 2, "end": samples - SPEECH_S * RATE}
        for words, start in ends.items():
            assert likeness(recording, start) > 0.9, words

        def second(start: int) -> float:
            began = time.perf_counter()
            for at in range(start, start + 50 * RATE, RATE):
                recording.extract(at, at + RATE, pre_roll_ms=80)
            return (time.perf_counter() - began) * 20

        ways = {words: (lambda start=start: second(start)) for words, start in ends.items()}
        took = in_turn(ways, 5)
        results += [plain(f"a second at the {end}", median(took[end]), "ms") for end in ends]
        results.append(below("end by start", ratio(took["end"], took["start"]), "×", 1.1))
    report(results, chosen.json)


if __name__ == "__main__":
    main()

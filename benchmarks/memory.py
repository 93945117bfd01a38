"""Memory while ten hours of Opus stream by (row R5): flat, and below 8 MB.

An Ogg file of ten hours in 20 ms packets at 24 kb/s, a minute of speech over and over, is written
and then read in each way, each in a process of its own. Measured is resident memory above that of
the process with everything imported: its peak, and how much the peak of the last hour is above that
of the first. Encoding is at 8 kHz and complexity 0, which takes less time and as much memory.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import Result, below, options, plain, report, speech

HOURS = 10
TARGET_MB = 8
FLAT_MB = 0.5

# What a process does; `mark(samples)` is called with the media time reached.
BEGIN = """
import sys
from opuscule import Packet, StreamEncoder
from opuscule.containers.ogg import OggReader, OggWriter
from opuscule.inspection import inspect_file
from opuscule.playout import StreamDecoder
from opuscule.transcode import OpusReader

path, minute, end = sys.argv[1], sys.argv[2], int(sys.argv[3])
HOUR = 3600 * 48_000
peaks = []

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith(name))

def mark(samples):
    # The peak of each hour: the kernel's is set back (proc(5), clear_refs).
    if samples >= HOUR * (len(peaks) + 1):
        peaks.append(status("VmHWM"))
        open("/proc/self/clear_refs", "w").write("5")
"""
WAYS = {
    "write, OggWriter": """
with open(minute, "rb") as file:
    reader = OggReader(file)
    form, data = reader.format, [item.data for item in reader]
at = 0
def packets():
    global at
    while at < end:
        number = at // 960
        yield Packet(number, at, 960, data[number % len(data)])
        at += 960
        mark(at)
start()
with open(path, "wb") as file:
    writer = OggWriter(file, form)
    writer.write_all(packets())
    writer.close()
""",
    "read packets, OggReader": """
start()
with open(path, "rb") as file:
    for item in OggReader(file):
        mark(item.end_samples)
""",
    "read columns, OggReader": """
start()
with open(path, "rb") as file:
    for batch in OggReader(file).columns():
        mark(batch.times_samples[-1] + 960)
""",
    "inspect, inspect_file": """
start()
assert inspect_file(path, progress=lambda done, _: mark(done)).packets == end // 960
""",
    "decode the file, OpusReader": """
start()
done = 0
with OpusReader(path, rate=16_000) as reader:
    for block in reader:
        done += len(block) // 2 * 3
        mark(done)
mark(end)
""",
    "decode packets, StreamDecoder": """
start()
with open(path, "rb") as file:
    reader = OggReader(file)
    decoder = StreamDecoder(reader.format, rate=16_000)
    for packet in reader:
        for block in decoder.push(packet):
            pass
        mark(packet.end_samples)
""",
    "encode, StreamEncoder": """
import random
pcm = random.Random(1).randbytes(2 * 8_000)
start()
encoder = StreamEncoder(8_000, preset="voice", complexity=0)
for second in range(end // 48_000):
    for packet in encoder.push(pcm):
        mark(packet.end_samples)
mark(end)
""",
}
START = """
def start():
    global before
    before = status("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")
"""


def measure(code: str, *arguments: str) -> tuple[float, float]:
    """The peak above what it was at the start, and the last hour's above the first's, in MB."""
    end = "\nassert len(peaks) == end // HOUR, peaks\nprint(before, *peaks)"
    said = subprocess.run(
        [sys.executable, "-c", BEGIN + START + code + end, *arguments],
        capture_output=True,
        check=False,
        text=True,
    )
    if said.returncode:
        sys.exit(said.stderr)
    before, *peaks = map(float, said.stdout.split())
    return max(peaks) - before, peaks[-1] - peaks[0]


def a_minute(path: Path) -> None:
    from opuscule import EncoderSettings, StreamEncoder
    from opuscule.containers.ogg import OggWriter

    encoder = StreamEncoder(16_000, preset=EncoderSettings(dtx=False))
    with path.open("wb") as file:
        writer = OggWriter(file, encoder.format)
        writer.write_all(encoder.push(speech(16_000, 60)))
        writer.close()


def main() -> None:
    chosen = options(__doc__, rounds=1)
    if not Path("/proc/self/clear_refs").exists():
        sys.exit("memory: peaks are read from /proc, which only Linux has")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        path, minute = Path(name) / "long.opus", Path(name) / "minute.opus"
        a_minute(minute)
        for way, code in WAYS.items():
            took = time.perf_counter()
            runs = [
                measure(code, str(path), str(minute), str(HOURS * 3600 * 48_000))
                for _ in range(chosen.rounds)
            ]
            took = time.perf_counter() - took
            print(f"{way}: {took / chosen.rounds:.1f} s", file=sys.stderr)
            results.append(below(way, max(peak for peak, _ in runs), "MB", TARGET_MB))
            growth = max(growth for _, growth in runs)
            results.append(below("  last hour above first", growth, "MB", FLAT_MB))
        results.append(plain("the file", path.stat().st_size / 1e6, "MB"))
    report(results, chosen.json)


if __name__ == "__main__":
    main()

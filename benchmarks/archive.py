"""One random second out of an hour: ours against the limit, PyAV, soundfile, librosa and ffmpeg.

An hour of speech at 24 kb/s (and at 12, 32 and 64 kb/s for exact extraction), recording open and
prepared, payload in the page cache, nothing decoded kept. The limit is `range_loop` in Rust:
libopus on packets that are in memory already, from 80 ms before. All take turns on the same
seconds; what is compared is CPU time, ours of the thread and the limit's of its process. ffmpeg is
a process a second and is timed by the clock. Peers that are not installed are named and left out.
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np

from _common import Result, above, below, median, options, plain, ratio, report, speech
from _rust_loop import RustProgram, program
from opuscule.archive import Recording, open_archive, prepare
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.containers.ogg import OggWriter
from opuscule.packets import Packet

RATE = 48_000
HOUR_S = 3600
PARTS = ("seconds", "opening", "threads", "cold")
FAST_MS = 80.0

Clock = Callable[[], float]


@cache
def packets(bitrate: int) -> tuple[StreamEncoder, list[Packet]]:
    """Ten minutes, encoded, six times over."""
    preset = "archive" if bitrate > 32_000 else "voice"
    encoder = StreamEncoder(RATE, 1, preset=preset, dtx=False, bitrate=bitrate)
    made = encoder.push(speech(RATE, HOUR_S // 6))
    count = len(made)
    hour = [
        Packet(turn * count + n, (turn * count + n) * 960, 960, packet.data)
        for turn in range(6)
        for n, packet in enumerate(made)
    ]
    return encoder, hour


class Hour:
    """An hour in an archive, in an Ogg file and in the file that `range_loop` reads."""

    def __init__(self, folder: Path, bitrate: int) -> None:
        encoder, hour = packets(bitrate)
        end = len(hour) * 960
        name = f"hour{bitrate}"
        with RecordingWriter(folder / "a.zarr", name, encoder.format) as writer:
            for packet in hour:
                writer.add(packet)
            writer.finish(end)
        self.ogg = folder / f"{bitrate}.opus"
        with self.ogg.open("wb") as file:
            ogg = OggWriter(file, encoder.format)
            ogg.write_all(hour)
            ogg.close(end)
        self.raw = folder / f"{bitrate}.bin"
        self.raw.write_bytes(b"".join(len(p.data).to_bytes(2, "little") + p.data for p in hour))
        self.recording: Recording = open_archive(folder / "a.zarr")[name]
        began = time.thread_time()
        prepare(self.recording)
        self.prepare_speed = HOUR_S / (time.thread_time() - began)


def timed(work: Callable[[], object], clock: Clock = time.thread_time) -> float:
    began = clock()
    work()
    return clock() - began


def by_pyav(path: Path) -> Callable[[int], object]:
    container = av.open(str(path))
    stream = container.streams.audio[0]

    def second(start: int) -> object:
        container.seek(max(0, start - 3840), stream=stream)
        got = []
        for frame in container.decode(stream):
            got.append(frame.to_ndarray())
            if (frame.pts or 0) + frame.samples >= start + RATE:
                break
        return np.concatenate(got, axis=1)

    return second


def peers(path: Path) -> dict[str, Callable[[int], object]]:
    """What reads a second from the Ogg file, each in its own best way."""
    found: dict[str, Callable[[int], object]] = {"PyAV": by_pyav(path)}
    try:
        import soundfile
    except ImportError:
        print("soundfile is not installed: left out")
    else:
        opened = soundfile.SoundFile(path)

        def by_soundfile(start: int) -> object:
            opened.seek(start)
            return opened.read(RATE, dtype="int16")

        found["soundfile"] = by_soundfile
    try:
        import librosa
    except ImportError:
        print("librosa is not installed: left out")
    else:
        found["librosa"] = lambda start: librosa.load(
            path, sr=None, offset=start / RATE, duration=1.0
        )
    try:
        from torchcodec.decoders import AudioDecoder
    except (ImportError, OSError, RuntimeError):
        print("torchcodec is not installed: left out")
    else:
        decoder = AudioDecoder(str(path))
        found["torchcodec"] = lambda start: decoder.get_samples_played_in_range(
            start / RATE, start / RATE + 1
        )
    return found


def seconds(hour: Hour, rounds: int) -> list[Result]:
    recording = hour.recording
    draw = random.Random(1)
    starts = [draw.randrange(recording.info.total_samples - 2 * RATE) for _ in range(rounds)]
    ways: dict[str, Callable[[int], float]] = {
        "fast": lambda s: timed(lambda: recording.extract(s, s + RATE, pre_roll_ms=FAST_MS)),
        "exact": lambda s: timed(lambda: recording.extract(s, s + RATE)),
    }
    path = program("range_loop")
    loop = RustProgram(path, str(hour.raw)) if path else None
    if loop:
        loop.ask("0 1")

        def limit(start: int) -> float:
            first = max(0, (start + recording.info.pre_skip_samples - 3840) // 960)
            stop = -(-(start + recording.info.pre_skip_samples + RATE) // 960)
            return loop.time(f"{first} {stop - first}")

        ways["limit"] = limit
    for name, read in peers(hour.ogg).items():
        # The default binds each reader; mypy cannot infer a lambda with one.
        ways[name] = lambda s, read=read: timed(lambda: read(s))  # type: ignore[misc]
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn, start in enumerate([starts[0], *starts]):
        for name, measure in ways.items():
            if name not in ("librosa", "torchcodec") or turn < 4:  # far slower than all others
                one = measure(start)
                if turn:
                    took[name].append(one)
    results = [plain(f"one second, {name}", 1000 * median(took[name]), "ms") for name in ways]
    if shutil.which("ffmpeg"):
        one = timed(lambda: by_ffmpeg(hour.ogg, starts[0]), time.perf_counter)
        results.append(plain("one second, ffmpeg -ss, by the clock", 1000 * one, "ms"))
    if "limit" in took:
        results.append(below("fast by the limit", ratio(took["fast"], took["limit"]), "×", 1.15))
    for name, target in {"PyAV": 2.5, "soundfile": 4.5}.items():
        if name in took:
            faster = ratio(took[name], took["fast"])
            results.append(above(f"fast, times faster than {name}", faster, "×", target))
    return results


def by_ffmpeg(path: Path, start: int) -> None:
    command = ["ffmpeg", "-v", "error", "-ss", str(start / RATE), "-t", "1", "-i", str(path)]
    subprocess.run([*command, "-f", "s16le", "-"], stdout=subprocess.DEVNULL, check=True)


def exact(hour: Hour, name: str, target: float, rounds: int) -> list[Result]:
    """What exactness costs: both ways of one second in turn, all seconds taken together."""
    recording = hour.recording
    draw = random.Random(2)
    fast, sure = [], []
    for _ in range(rounds):
        start = draw.randrange(recording.info.total_samples - 2 * RATE)

        def near(start: int = start) -> object:
            return recording.extract(start, start + RATE, pre_roll_ms=FAST_MS)

        def sure_of(start: int = start) -> object:
            return recording.extract(start, start + RATE)

        fast.append(timed(near))
        sure.append(timed(sure_of))
    return [
        below(f"{name}: exact by fast, mean", sum(sure) / sum(fast), "×", target),
        plain(f"{name}: exact by fast, median", median(sure) / median(fast), "×"),
        above(f"{name}: prepare, times real time a core", hour.prepare_speed, "×", 200),
    ]


def opening(hour: Hour, rounds: int) -> list[Result]:
    path = hour.recording.path
    archive, name = path.parents[1], path.name

    def open_whole() -> object:
        return open_archive(archive)[name].index

    first = [timed(open_whole) for _ in range(rounds)]
    recording, index = hour.recording, hour.recording.index
    draw = random.Random(4)
    looked = []
    for _ in range(10 * rounds):
        start = draw.randrange(recording.info.total_samples - RATE)

        def look(start: int = start) -> object:
            run = index.run(start, start + RATE)
            return recording.payload(run.start_byte, run.stop_byte)

        looked.append(timed(look))
    stored = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    payload = recording.info.payload_bytes
    return [
        below("open, index and all", 1000 * median(first), "ms", 5),
        below("look up and fetch a second", 1000 * median(looked), "ms", 0.1),
        below("all that is stored beside the payload", 100 * (stored / payload - 1), "%", 2),
    ]


def threads(hour: Hour, rounds: int) -> list[Result]:
    recording = hour.recording
    draw = random.Random(5)
    starts = [draw.randrange(recording.info.total_samples - RATE) for _ in range(200)]

    def work(mine: list[int]) -> None:
        for start in mine:
            recording.extract(start, start + RATE, pre_roll_ms=FAST_MS)

    def side_by_side() -> None:
        both = [threading.Thread(target=work, args=(starts[n::2],)) for n in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()

    one, two = [], []
    for _ in range(rounds):
        one.append(timed(lambda: work(starts), time.perf_counter))
        two.append(timed(side_by_side, time.perf_counter))
    return [above("two threads by one", ratio(one, two), "×", 1.85)]


# Not ru_maxrss: what a process had when it was forked from this large one counts there.
MEMORY = """
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
COLD = """
import sys
from opuscule.archive import open_archive
recording = open_archive(sys.argv[1])[sys.argv[2]]
import numpy
numpy.asarray(recording.extract(int(sys.argv[3]), int(sys.argv[3]) + 48000, pre_roll_ms=80))
"""
COLD_SOUNDFILE = """
import sys
import soundfile
opened = soundfile.SoundFile(sys.argv[1])
opened.seek(int(sys.argv[3]))
opened.read(48000, dtype="int16")
"""
COLD_NUMPY = """
import numpy
"""


def cold(hour: Hour, rounds: int) -> list[Result]:
    path = hour.recording.path
    programs: dict[str, list[str]] = {
        "ours": [COLD, str(path.parents[1]), path.name, "100000000"],
        "NumPy alone": [COLD_NUMPY],
    }
    try:
        import soundfile  # noqa: F401  # whether it is there
    except ImportError:
        pass
    else:
        programs["soundfile"] = [COLD_SOUNDFILE, str(hour.ogg), "", "100000000"]
    took: dict[str, list[float]] = {name: [] for name in programs}
    memory: dict[str, float] = {}
    # As installed: compiled before. The first round does that, and is not counted.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(rounds + 1):
        for name, words in programs.items():
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", words[0] + MEMORY, *words[1:]],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            )
            if turn:
                took[name].append(time.perf_counter() - began)
            memory[name] = float(done.stdout) / 1024
    results = [plain(f"a cold process, {n}", 1000 * median(t), "ms") for n, t in took.items()]
    more = memory["ours"] - memory["NumPy alone"]
    results.append(below("a cold process, memory above NumPy", more, "MB", 6))
    if "soundfile" in took:
        slower = statistics.median(took["ours"]) / statistics.median(took["soundfile"])
        results.append(below("a cold process by soundfile's", slower, "×", 1.2))
    return results


def main() -> None:
    arguments = options(__doc__, rounds=100, parts=PARTS)
    wanted: tuple[str, ...] = (arguments.only,) if arguments.only else PARTS
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        hour = Hour(Path(name), 24_000)
        parts: dict[str, Callable[[], list[Result]]] = {
            "seconds": lambda: seconds(hour, arguments.rounds),
            "opening": lambda: opening(hour, arguments.rounds),
            "threads": lambda: threads(hour, max(5, arguments.rounds // 10)),
            "cold": lambda: cold(hour, max(5, arguments.rounds // 10)),
        }
        for part in wanted:
            results += parts[part]()
        if "seconds" in wanted:
            results += exact(hour, "SILK 24 kb/s", 2.3, 3 * arguments.rounds)
            others = {
                "SILK 12 kb/s": (12_000, 2.3),
                "hybrid 32 kb/s": (32_000, 2.3),
                "CELT 64 kb/s": (64_000, 1.6),
            }
            for label, (bitrate, target) in others.items():
                other = Hour(Path(name), bitrate)
                results += exact(other, label, target, 3 * arguments.rounds)
    report(results, arguments.json)


if __name__ == "__main__":
    main()

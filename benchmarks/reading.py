"""Reading an archive: many ranges in threads, blocks, segments for training (row Z7).

Ten minutes of speech at 24 kb/s, prepared. Many ranges by two threads against one; an iteration in
blocks against one call that decodes all packets; random segments of a second from a dataset, and by
`extract` alone. Then 10,000 segments over 100 recordings of a minute by two threads, against two
processes of Rust that decode the same packets from memory, which is what both cores can do.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _common import Result, above, below, in_turn, median, options, plain, ratio, report, speech
from _rust_loop import RustProgram, program
from opuscule import _native
from opuscule.archive import Recording, SegmentDataset, open_archive, prepare
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.packets import Packet

SECONDS = 600
RANGES = 200
MANY, MINUTE_S, SEGMENTS = 100, 60, 10_000


def make(path: Path) -> Recording:
    encoder = StreamEncoder(48_000, 1, preset="voice", bitrate=24_000, dtx=False, fec=False)
    with RecordingWriter(path, "speech", encoder.format) as writer:
        for packet in encoder.push(speech(48_000, SECONDS)) + encoder.finish():
            writer.add(packet)
        writer.finish(encoder.end_samples)
    recording = open_archive(path)["speech"]
    prepare(recording)
    return recording


def timed(work: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measure


def hundred(folder: Path, rounds: int) -> Iterator[Result]:
    """10,000 segments of a second over 100 recordings, by both cores."""
    path, raw = folder / "hundred.zarr", folder / "hundred.bin"
    encoder = StreamEncoder(48_000, 1, preset="voice", bitrate=24_000, dtx=False, fec=False)
    packets = encoder.push(speech(48_000, MANY * MINUTE_S))
    each = MINUTE_S * 50
    first: dict[str, int] = {}
    for number in range(MANY):
        name = f"minute-{number:03}"
        first[name] = number * each
        with RecordingWriter(path, name, encoder.format) as writer:
            for n, packet in enumerate(packets[number * each : (number + 1) * each]):
                writer.add(Packet(n, n * 960, 960, packet.data))
            writer.finish(each * 960)
    raw.write_bytes(b"".join(len(p.data).to_bytes(2, "little") + p.data for p in packets))
    built = program("range_loop")
    if built is None:
        print("the limit of both cores is left out: it needs Linux and cargo")
        return
    fast = SegmentDataset(path, 48_000, count=SEGMENTS, seed=1, mode="fast")
    lines = ["", ""]
    for number in range(SEGMENTS):
        place = fast.where(number)
        skip = encoder.format.pre_skip_samples
        start = max(0, (place.start_sample + skip - 3840) // 960)
        stop = -(-(place.stop_sample + skip) // 960)
        lines[number % 2] += f"{first[place.recording] + start} {stop - start} "
    loops = [RustProgram(built, str(raw)) for _ in lines]
    for loop in loops:
        loop.ask("0 1")  # by now it has read the file

    def both() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda pair: pair[0].ask(pair[1]), zip(loops, lines, strict=True)))

    def ours() -> None:
        for _ in fast.batches(50, threads=2):
            pass

    took = in_turn({"limit": timed(both), "ours": timed(ours)}, rounds)
    for loop in loops:
        loop.close()
    yield plain(f"{SEGMENTS:,} segments, Rust on both cores", median(took["limit"]), "s")
    yield plain(f"{SEGMENTS:,} segments of {MANY} recordings, fast", median(took["ours"]), "s")
    yield above("segments by the limit of both cores", ratio(took["limit"], took["ours"]), "×", 0.9)


def main() -> None:
    arguments = options(__doc__, rounds=5)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        recording = make(Path(name) / "a.zarr")
        dataset = SegmentDataset(Path(name) / "a.zarr", 48_000, count=RANGES, seed=1)
        places = [dataset.where(number) for number in range(RANGES)]
        ranges = [(place.start_sample, place.stop_sample) for place in places]
        data = [packet.data for packet in recording.packets()]

        def many(threads: int) -> None:
            for _ in recording.extract_many(ranges, threads=threads, dtype="float32"):
                pass

        def blocks() -> None:
            for _ in recording.blocks(48_000, dtype="int16"):
                pass

        def bare() -> None:
            decoder = _native.Decoder(48_000, 1, 5, False)
            for at in range(0, len(data), 128):
                decoder.decode_many(data[at : at + 128])

        took = in_turn(
            {
                "one": timed(lambda: many(1)),
                "two": timed(lambda: many(2)),
                "bare": timed(bare),
                "blocks": timed(blocks),
                "segments": timed(lambda: [None for _ in dataset.batches(20)]),
                "segments in two": timed(lambda: [None for _ in dataset.batches(20, threads=2)]),
            },
            arguments.rounds,
        )
    results += [
        plain("a range of 1 s, one thread", median(took["one"]) / RANGES * 1000, "ms"),
        above("two threads by one", ratio(took["one"], took["two"]), "times", 1.85),
        below("blocks by the bare decoder", ratio(took["blocks"], took["bare"]), "times", 1.05),
        below("segments by their ranges", ratio(took["segments"], took["one"]), "times", 1.1),
        above(
            "segments in two threads by one",
            ratio(took["segments"], took["segments in two"]),
            "times",
            1.8,
        ),
    ]
    with tempfile.TemporaryDirectory() as name:
        results += hundred(Path(name), max(1, arguments.rounds // 2))
    report(results, arguments.json)


if __name__ == "__main__":
    main()

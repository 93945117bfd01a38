"""Reading an archive: many ranges in threads, blocks, segments for training (row Z7).

Ten minutes of speech at 24 kb/s, prepared. Many ranges by two threads against one; an iteration in
blocks against one call that decodes all packets; random segments of a second from a dataset, and by
`extract` alone.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _common import Result, above, below, in_turn, median, options, plain, ratio, report, speech
from opuscule import _native
from opuscule.archive import Recording, SegmentDataset, open_archive, prepare
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder

SECONDS = 600
RANGES = 200


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
    report(results, arguments.json)


if __name__ == "__main__":
    main()

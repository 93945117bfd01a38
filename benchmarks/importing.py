"""Files into an archive: one long file on all cores, seams, short files, folders (rows Z1, Z10).

Each way has its turn in every round. An hour of speech, int16 mono at 48 kHz, is encoded by the
preset `archive`: by a bare loop over libopus on samples in memory, and imported from a WAV file on
one thread and on all. Seams: signal-to-noise ratio against the original in the second around each
seam (from 20 ms before it), in decibels below what encoding in one piece has there; also with
chunks of a minute, so that there are more of them. Silent seconds are left out.
"""

import os
import shutil
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from _common import Result, above, below, in_turn, median, options, plain, ratio, report, speech
from opuscule.archive import import_file, import_tree, open_archive
from opuscule.archive.importing.parallel import CHUNK_MS, LongEncoding, usable_cores
from opuscule.codec import Decoder, Encoder, StreamEncoder
from opuscule.containers.wav import WavReader, WavWriter
from opuscule.transcode import encode_file

RATE, FRAME, HOUR_S = 48_000, 960, 3600
PRE_SKIP = 312
NUMBERS = iter(range(1_000_000))


def write_wav(path: Path, pcm: bytes) -> Path:
    with path.open("wb") as file:
        writer = WavWriter(file, RATE, 1)
        writer.write(pcm)
        writer.close()
    return path


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare(pcm: bytes) -> list[bytes]:
    """What is to be reached: nothing but libopus, a second at a time, nothing read or kept."""
    encoder, packets = Encoder(RATE, 1, preset="archive"), list[bytes]()
    samples = memoryview(pcm).cast("h")
    for start in range(0, len(samples), RATE):
        packets += encoder.encode_frames(samples[start : start + RATE], FRAME)
    return packets


def add(archive: Path, path: Path, threads: int | None = None) -> None:
    """Import a file under a new name, and give its space back."""
    name = f"r{next(NUMBERS)}"
    import_file(archive, path, name=name, threads=threads)
    shutil.rmtree(archive / "recordings" / name)


def long_file(folder: Path, rounds: int) -> Iterator[Result]:
    pcm = speech(RATE, HOUR_S)
    path, archive, cores = write_wav(folder / "hour.wav", pcm), folder / "a.zarr", usable_cores()
    worked: dict[str, list[float]] = {"bare": [], "one": []}

    def watched(name: str, work: Callable[[], object]) -> float:
        """Tell the time by the clock, and note that of the CPU."""
        began = time.process_time()
        took = timed(work)
        worked[name].append(time.process_time() - began)
        return took

    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: watched("bare", lambda: bare(pcm)),
        "one": lambda: watched("one", lambda: add(archive, path, 1)),
        "all": lambda: timed(lambda: add(archive, path, cores)),
    }
    took = in_turn(ways, rounds)
    for name, words in (("bare", "bare loop"), ("one", "import, 1 thread")):
        yield plain(f"hour of WAV, {words}", HOUR_S / median(took[name]), "× real time")
    name = f"hour of WAV, import, {cores} threads"
    yield plain(name, HOUR_S / median(took["all"]), "× real time")
    yield plain("one thread by bare loop, by the clock", ratio(took["bare"], took["one"]), "×")
    by_cpu = ratio(worked["bare"][1:], worked["one"][1:])  # the first round is not counted
    yield above("one thread by bare loop, CPU time", by_cpu, "×", 0.95)
    if cores == 2:
        yield above("two threads by one", ratio(took["one"], took["all"]), "×", 1.85)


def seams(folder: Path) -> Iterator[Result]:
    pcm = speech(RATE, HOUR_S)
    path = write_wav(folder / "hour.wav", pcm)
    original = np.frombuffer(pcm, np.int16).astype(float)
    one = decoded(bare(pcm))
    for words, chunk_ms in (("ten minutes", CHUNK_MS), ("one minute", 60_000)):
        with WavReader(path) as reader:
            like = StreamEncoder(RATE, 1, frame_ms=20, preset="archive")
            encoding = LongEncoding(reader, like, folder, chunk_ms=chunk_ms)
            made = decoded([packet for batch in encoding.packets() for packet in batch])
        worse = []
        for seam in range(chunk_ms * 48, len(original) - RATE, chunk_ms * 48):
            place = slice(seam - FRAME, seam - FRAME + RATE)
            part = original[place]
            if np.mean(part**2) > 100:
                noises = [np.sum((way[place] - part) ** 2) for way in (made, one)]
                worse.append(10 * np.log10(noises[0] / noises[1]))
        yield plain(f"seams, chunks of {words}", len(worse), "seams")
        yield below(f"seams, chunks of {words}: mean loss", float(np.mean(worse)), "dB", 0.2)
        yield below(f"seams, chunks of {words}: worst loss", float(max(worse)), "dB", 1.5)


def decoded(packets: list[bytes]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    decoder, out = Decoder(RATE, 1), array("h")
    for packet in packets:
        out.frombytes(bytes(decoder.decode(packet)))
    return np.frombuffer(out[PRE_SKIP:], np.int16).astype(float)


def short_files(folder: Path, rounds: int) -> Iterator[Result]:
    archive = folder / "a.zarr"
    small = write_wav(folder / "small.wav", speech(RATE, 213))
    hour = write_wav(folder / "hour.wav", speech(RATE, HOUR_S))
    encode_file(hour, folder / "hour.opus", preset="voice_low_cpu", frame_ms=20)
    ways: dict[str, Callable[[], float]] = {
        "opus": lambda: timed(lambda: add(archive, folder / "hour.opus")),
        "wav": lambda: timed(lambda: add(archive, small, 1)),
    }
    took = in_turn(ways, rounds)
    yield below("hour of Ogg Opus, index included", median(took["opus"]), "s", 0.5)
    yield below("20 MB of WAV, 1 thread", median(took["wav"]), "s", 4.7)


def folders(folder: Path, rounds: int) -> Iterator[Result]:
    """Two hundred files of six seconds, as a speech corpus has them."""
    files, cores = folder / "corpus", usable_cores()
    files.mkdir()
    pcm = speech(RATE, 1200)
    for number in range(200):
        write_wav(files / f"{number}.wav", pcm[number * 576_000 :][:576_000])

    def run(threads: int) -> float:
        archive = Path(tempfile.mkdtemp(dir=folder)) / "a.zarr"
        took = timed(lambda: import_tree(archive, [files], threads=threads, duplicates="keep"))
        assert len(open_archive(archive)) == 200
        shutil.rmtree(archive)
        return took

    ways = {name: partial(run, n) for name, n in (("one", 1), ("all", cores))}
    took = in_turn(ways, rounds)
    yield plain("200 files of 6 s, 1 thread", 200 / median(took["one"]), "files/s")
    yield plain(f"200 files of 6 s, {cores} threads", 200 / median(took["all"]), "files/s")
    yield plain(f"{cores} threads by one", ratio(took["one"], took["all"]), "×")


def main() -> None:
    parts = {"long": long_file, "short": short_files, "folders": folders}
    chosen = options(__doc__, rounds=3, parts=(*parts, "seams"))
    print(f"load {os.getloadavg()[0]:.1f} on {usable_cores()} cores at the beginning")
    results: list[Result] = []
    for name, part in (*parts.items(), ("seams", lambda folder, _: seams(folder))):
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                results += part(Path(folder), chosen.rounds)
    report(results, chosen.json)


if __name__ == "__main__":
    main()

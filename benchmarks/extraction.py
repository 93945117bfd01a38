"""Extraction against the sequential decode (rows Z6, X4): how often equal, and how long it takes.

200 random ranges of up to a second from archives of the same speech at three bit rates: decoded
from the beginning, which must always be equal; with 2 s and with 80 ms (RFC 7845 §4.6) of pre-roll,
of which the share that is equal is measured. The four ways take turns on each range; the fourth is
PyAV's seek in an Ogg file of the same packets.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from opuscule.archive import Recording, import_file, open_archive
from opuscule.codec import EncoderSettings
from opuscule.containers.pcm import mix, to_int16
from opuscule.containers.wav import WavWriter
from opuscule.transcode import encode_file, open_audio

RANGES = 200
RATES = {"SILK 12 kb/s": 12_000, "hybrid 24 kb/s": 24_000, "CELT 64 kb/s": 64_000}
ROOT = Path(__file__).parents[1]

Samples = NDArray[np.int16]


def speech() -> bytes:
    """Some 40 s of speech at 48 kHz: the shared recordings, or the demo's sentence."""
    files = sorted((ROOT.parent / "shared" / "data" / "speech").glob("*"))
    files = files or [ROOT / "src" / "opuscule" / "data" / "sentence.opus"] * 7
    pcm = b""
    for path in files:
        with open_audio(path, rate=48_000) as reader:
            every = [tuple(range(reader.channels))]
            for block in reader:
                pcm += mix(to_int16(block, reader.sample_format), reader.channels, every)
    return pcm


def by_pyav(path: Path, start: int, stop: int) -> Samples:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        container.seek(max(0, start - 3840), stream=stream)
        got: list[Samples] = []
        first = None
        for frame in container.decode(stream):
            first = frame.pts if first is None else first
            got.append((frame.to_ndarray()[0] * 32768.0).round().clip(-32768, 32767))
            if (frame.pts or 0) + frame.samples >= stop:
                break
    joined = np.concatenate(got)
    return joined[start - (first or 0) : stop - (first or 0)].astype(np.int16)


def measure(recording: Recording, ogg: Path, seed: int) -> dict[str, tuple[float, float]]:
    """For each way the share of ranges that equal the sequential decode, and the median ms."""
    whole = np.concatenate([np.asarray(block)[:, 0] for block in recording.sequential()])
    total = recording.info.total_samples
    assert len(whole) == total

    def extract(pre_roll_ms: float | None) -> Callable[[int, int], Samples]:
        return lambda a, b: np.asarray(recording.extract(a, b, pre_roll_ms=pre_roll_ms))[:, 0]

    ways: dict[str, Callable[[int, int], Samples]] = {
        "from the start": extract(None),
        "2 s pre-roll": extract(2000),
        "80 ms pre-roll": extract(80),
        "PyAV seek": lambda a, b: by_pyav(ogg, a, b),
    }
    draw = random.Random(seed)
    equal: dict[str, list[bool]] = {way: [] for way in ways}
    took: dict[str, list[float]] = {way: [] for way in ways}
    for n in range(RANGES):
        length = draw.randrange(1, 48_001)
        start = draw.randrange(0, total - length)
        # Across the pre-skip and the trimmed end, too.
        start = {0: 0, 1: total - length}.get(n, start)
        for way, get in ways.items():
            began = time.perf_counter()
            samples = get(start, start + length)
            took[way].append((time.perf_counter() - began) * 1000)
            if way != "PyAV seek":
                assert len(samples) == length, f"{way}: {len(samples)} samples of {length}"
            equal[way].append(np.array_equal(samples, whole[start : start + length]))
    return {way: (statistics.mean(equal[way]), statistics.median(took[way])) for way in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pcm = speech()
        with (folder / "speech.wav").open("wb") as file:
            writer = WavWriter(file, 48_000, 1)
            writer.write(pcm)
            writer.close()
        seconds = len(array("h", pcm)) / 48_000
        print(
            f"{RANGES} ranges of up to 1 s out of {seconds:.1f} s of speech, complexity 5, 48 kHz"
        )
        print(f"{'':16}{'way':18}{'equal':>8}{'ms':>9}")
        for label, bitrate in RATES.items():
            ogg = folder / f"{bitrate}.opus"
            settings = EncoderSettings(
                application="audio" if bitrate == 64_000 else "voip",
                bitrate=bitrate,
                fec=False,
                dtx=False,
                signal="music" if bitrate == 64_000 else "voice",
            )
            encode_file(folder / "speech.wav", ogg, preset=settings)
            imported = import_file(folder / "archive.zarr", ogg, name=str(bitrate))
            recording = open_archive(folder / "archive.zarr")[imported.name]
            for way, (share, ms) in measure(recording, ogg, seed=bitrate).items():
                print(f"{label:16}{way:18}{share:8.1%}{ms:9.2f}")
                exact = way == "from the start"
                rows.append(
                    {
                        "name": f"{label}, {way}: equal",
                        "value": share,
                        "unit": "share",
                        "target": 1.0 if exact else None,
                        "holds": share == 1.0 if exact else None,
                    }
                )
                rows.append(
                    {
                        "name": f"{label}, {way}: median",
                        "value": ms,
                        "unit": "ms",
                        "target": None,
                        "holds": None,
                    }
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

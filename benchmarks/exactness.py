"""Whether any stretch of a prepared recording is what the sequential decode gives (row X4).

For each signal: a recording is made and prepared, and 1,000 random stretches, half of them int16
and half float32, of 1 sample up to all of it, are compared with the decode from the beginning.
Printed are how many differ (promised: none), and how much is decoded for a second at random. What
never converges is decoded from its beginning, so that all of it takes a quarter of an hour.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from _common import ROOT, Result, below, options, plain, report, speech
from _sounds import sound
from opuscule import framing
from opuscule.archive import Recording, open_archive, prepare
from opuscule.archive.storage.info import suggest_name
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.packets import Gap, GapKind, Packet
from opuscule.transcode import open_audio

RATE = 48_000
RANGES = 1000

Pcm = npt.NDArray[np.int16]


def of_files(folder: str, seconds: int) -> Callable[[], Pcm]:
    def read() -> Pcm:
        pcm = b""
        for path in sorted((ROOT.parent / "shared" / "data" / folder).glob("*")):
            with open_audio(path, rate=RATE) as reader:
                outputs = default_mix(reader.channels, 1)
                for block in reader:
                    samples = to_int16(block, reader.sample_format)
                    pcm += mix(samples, reader.channels, outputs) if outputs else samples
                    if len(pcm) > seconds * RATE * 2:
                        break
        return np.frombuffer(pcm, np.int16)[: seconds * RATE]

    return read


def tone(hz: float, seconds: int) -> Callable[[], Pcm]:
    time = np.arange(seconds * RATE) / RATE
    return lambda: np.round(8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def made(name: str, seconds: int) -> Callable[[], Pcm]:
    return lambda: sound(name, 1, 0, seconds * RATE)[:, 0]


def spoken(seconds: int) -> Callable[[], Pcm]:
    return lambda: np.frombuffer(speech(RATE, seconds), np.int16)


@dataclass(frozen=True)
class Case:
    name: str
    pcm: Callable[[], Pcm]
    settings: dict[str, Any] = field(default_factory=dict)
    lost: float = 0.0
    switching: tuple[int, ...] = ()


CASES = [
    Case("speech, SILK 12 kb/s", spoken(120), {"bitrate": 12_000}),
    Case("speech, SILK 24 kb/s", spoken(120), {"bitrate": 24_000}),
    Case("speech, hybrid 32 kb/s", spoken(120), {"bitrate": 32_000}),
    Case("speech, CELT 64 kb/s", spoken(120), {"preset": "archive"}),
    Case("music, 96 kb/s", of_files("music", 60), {"preset": "music", "bitrate": 96_000}),
    Case("field recordings, 64 kb/s", of_files("field", 90), {"preset": "archive"}),
    Case("tone 440 Hz, SILK 16 kb/s", tone(440, 120), {"bitrate": 16_000}),
    Case("tone 440 Hz, hybrid 24 kb/s", tone(440, 120), {"bitrate": 24_000}),
    Case("tone 1 kHz, CELT 64 kb/s", tone(1000, 120), {"preset": "archive"}),
    Case("sweeps, 32 kb/s", made("sweep", 60), {"bitrate": 32_000}),
    Case("noise, 24 kb/s", made("noise", 60), {"bitrate": 24_000}),
    Case("clicks, 64 kb/s", made("clicks", 60), {"preset": "archive"}),
    Case("silence", made("silence", 60)),
    Case("pauses with DTX, 16 kb/s", made("pauses", 60), {"bitrate": 16_000, "dtx": True}),
    Case("speech with FEC, 10 % lost", spoken(60), {"preset": "voice_lossy"}, lost=0.1),
    Case("speech with DRED, 10 % lost", spoken(60), {"preset": "deep", "frame_ms": 60}, lost=0.1),
    Case(
        "modes that switch",
        spoken(60),
        {"preset": "archive", "bitrate": 12_000},
        switching=(12_000, 64_000, 24_000, 96_000, 16_000),
    ),
]


def with_losses(packets: list[Packet], share: float) -> Iterator[Packet | Gap]:
    """Leave packets out in bursts of one to six, so many in all."""
    draw = random.Random(2)
    left = 0
    for packet in packets:
        if not left and draw.random() < share / 3.5:
            left = draw.randint(1, 6)
        if left:
            left -= 1
            yield Gap(packet.time_samples, packet.duration_samples, GapKind.LOST)
        else:
            yield packet


def make(case: Case, folder: Path) -> Recording:
    settings = {"preset": "voice", "dtx": False, **case.settings}
    encoder = StreamEncoder(RATE, 1, **settings)
    pcm = case.pcm()
    packets: list[Packet] = []
    step = RATE * 2 if case.switching else len(pcm)
    for part, start in enumerate(range(0, len(pcm), step)):
        if case.switching:
            encoder.encoder.update(bitrate=case.switching[part % len(case.switching)])
        packets += encoder.push(pcm[start : start + step].tobytes())
    packets += encoder.finish()
    with RecordingWriter(folder / "a.zarr", suggest_name(case.name), encoder.format) as writer:
        for item in with_losses(packets, case.lost):
            writer.add(item)
        writer.finish(encoder.end_samples)
        name = writer.name
    return open_archive(folder / "a.zarr")[name]


def differing(recording: Recording) -> int:
    draw = random.Random(1)
    total = recording.info.total_samples
    types: tuple[Literal["int16", "float32"], ...] = ("int16", "float32")
    wrong = 0
    for dtype in types:
        whole = np.concatenate([np.asarray(b) for b in recording.sequential(dtype=dtype)])
        wanted = [(0, 1), (total - 1, total), (0, total)]
        while len(wanted) < RANGES // 2:
            start = draw.randrange(total)
            length = draw.choice([1, 960, RATE, RATE, 5 * RATE])
            wanted.append((start, min(total, start + length)))
        for start, stop in wanted:
            found = np.asarray(recording.extract(start, stop, dtype=dtype))
            wrong += not np.array_equal(found, whole[start:stop])
    return wrong


def decoded_s(recording: Recording) -> float:
    """Seconds decoded for a second, on average over 200."""
    draw = random.Random(3)
    points = recording.points
    assert points is not None
    skip = recording.info.pre_skip_samples
    spent = 0
    for _ in range(200):
        start = skip + draw.randrange(recording.info.total_samples - RATE)
        for part in points.parts(start, start + RATE, float_output=False):
            spent += part.stop_samples - part.begin_samples
    return spent / 200 / RATE


def main() -> None:
    arguments = options(__doc__, rounds=1)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            if not len(case.pcm()):
                print(f"{case.name}: ../shared/data is absent, skipped")
                continue
            recording = make(case, Path(name))
            found = prepare(recording)
            results.append(below(f"{case.name}: of {RANGES} differ", differing(recording), "", 0))
            share = 100 * found.useless_points / found.points
            results.append(plain(f"{case.name}: points of no use", share, "%"))
            results.append(plain(f"{case.name}: decoded for 1 s", decoded_s(recording), "s"))
            modes = Counter(framing.inspect(p.data).mode for p in recording.packets())
            print(
                f"{case.name}: {results[-3].value:.0f} differ; packets: {dict(modes)}", flush=True
            )
    report(results, arguments.json)


if __name__ == "__main__":
    main()

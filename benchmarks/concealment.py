"""What losses do to speech, by what they are filled with: PLC, deep PLC, FEC, DRED (row C6).

Speech at 16 kHz is encoded at 24 and 32 kb/s in packets of 20 and of 60 ms, loses 5, 10 or 20 % of
its packets in bursts of 1, 2 or 4, and is decoded with ``Decoder.conceal``, which has the packet
behind the gap at hand. The same packets are lost whatever the means. PESQ-WB (ITU-T P.862.2, of the
original and the decoded speech, 1.0 to 4.64) is the mean over clips and draws. ``--write`` puts the
tables into docs/concealment.md.

It needs the ``pesq`` package: ``.venv/bin/pip install --require-hashes -r requirements/bench.txt``.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime as dt
import importlib.util
import json
import os
import random
import statistics
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opuscule import libopus_version
from opuscule.codec import Decoder, EncoderSettings, StreamEncoder
from opuscule.containers.pcm import mix, to_int16
from opuscule.transcode import open_audio

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "concealment.md"
MARKS = ("<!-- tables: begin -->\n", "<!-- tables: end -->\n")
RATE = 16_000
DRAWS = 3
BITRATES = (24_000, 32_000)
FRAMES_MS = (20, 60)
LOSSES = (5, 10, 20)
BURSTS = (1, 2, 4)
GAIN_TARGET = 0.5

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class Means:
    """One way to be ready for losses."""

    complexity: int
    """Of the decoder; from 5 on concealment is neural."""
    fec: bool = False
    dred_ms: int = 0
    loss_percent: int = 0


MEANS = {
    "PLC": Means(complexity=0),
    "deep PLC": Means(complexity=5),
    "FEC": Means(complexity=5, fec=True, loss_percent=20),
    "DRED": Means(complexity=5, dred_ms=1000, loss_percent=20),
}


@dataclasses.dataclass(frozen=True)
class Case:
    bitrate: int
    frame_ms: int
    means: str
    loss: int
    burst: int


def clips() -> list[Samples]:
    """Speech in clips of 7 to 11 s: P.862 is made for such."""
    folder = ROOT.parent / "shared" / "data" / "speech"
    sentences = sorted(folder.glob("spk1_snt*.wav"))
    if not sentences:
        return [read(ROOT / "src" / "opuscule" / "data" / "sentence.opus")]
    first, second = sentences[:3], sentences[3:]
    groups = [first, second, [folder / "jfk.flac"], [folder / "ca01_01.wav"]]
    return [np.concatenate([read(path) for path in group]) for group in groups]


def read(path: Path) -> Samples:
    with open_audio(path, rate=RATE) as reader:
        every = [tuple(range(reader.channels))]
        blocks = [
            mix(to_int16(block, reader.sample_format), reader.channels, every) for block in reader
        ]
    return np.frombuffer(b"".join(blocks), np.int16)


def draw_lost(packets: int, case: Case, seed: int) -> set[int]:
    """Bursts at random places, as many as make the loss, with a packet between any two."""
    draw = random.Random(f"{case.frame_ms} {case.loss} {case.burst} {seed}")
    bursts = max(1, round(packets * case.loss / 100 / case.burst))
    # The first half second is left whole; each burst takes one packet after it along.
    first = 500 // case.frame_ms
    spare = packets - first - bursts * (case.burst + 1)
    starts = sorted(draw.randrange(spare + 1) for _ in range(bursts))
    return {
        first + start + n * (case.burst + 1) + k
        for n, start in enumerate(starts)
        for k in range(case.burst)
    }


def encode(clip: Samples, case: Case) -> tuple[list[bytes], int]:
    """The packets, and the look-ahead in samples."""
    means = MEANS[case.means]
    settings = EncoderSettings(
        bitrate=case.bitrate,
        complexity=10,
        fec=means.fec,
        loss_percent=means.loss_percent,
        dtx=False,
        dred_ms=means.dred_ms,
    )
    stream = StreamEncoder(RATE, frame_ms=case.frame_ms, preset=settings)
    packets = [*stream.push(clip.tobytes()), *stream.finish()]
    return [packet.data for packet in packets], stream.encoder.lookahead_samples


def decode(packets: list[bytes], lost: set[int], case: Case) -> bytes:
    frame = RATE // 1000 * case.frame_ms
    decoder = Decoder(RATE, complexity=MEANS[case.means].complexity)
    pcm = b""
    missing = 0
    for number, packet in enumerate(packets):
        if number in lost:
            missing += frame
            continue
        if missing:
            pcm += bytes(decoder.conceal(missing, following=[packet]).pcm)
            missing = 0
        pcm += bytes(decoder.decode(packet))
    if missing:
        pcm += bytes(decoder.conceal(missing, following=[]).pcm)
    return pcm


def score(case: Case) -> float:
    """PESQ-WB; nothing is lost for a loss of 0."""
    from pesq import pesq

    scores = []
    for clip in CLIPS:
        packets, lookahead = encode(clip, case)
        for seed in range(DRAWS if case.loss else 1):
            lost = draw_lost(len(packets), case, seed) if case.loss else set()
            speech = np.frombuffer(decode(packets, lost, case), np.int16)[
                lookahead : lookahead + len(clip)
            ]
            scores.append(pesq(RATE, clip, speech, "wb"))
    return float(statistics.mean(scores))


CLIPS: list[Samples] = []


def begin() -> None:
    CLIPS.extend(clips())


def tables(scores: dict[Case, float]) -> str:
    """In Markdown, one for each bit rate and packet length."""
    text = ""
    for frame_ms in FRAMES_MS:
        for bitrate in BITRATES:
            text += f"\n### {bitrate // 1000} kb/s, packets of {frame_ms} ms\n\n"
            text += "| lost | burst | " + " | ".join(MEANS) + " | DRED over PLC |\n"
            text += "|---|---|" + "---|" * (len(MEANS) + 1) + "\n"
            for loss, burst in [(0, 0), *((loss, burst) for loss in LOSSES for burst in BURSTS)]:
                row = [scores[Case(bitrate, frame_ms, name, loss, burst)] for name in MEANS]
                gain = row[-1] - row[0]
                length = f"{burst} ({burst * frame_ms} ms)" if loss else "–"
                cells = " | ".join(f"{value:.2f}" for value in row)
                text += f"| {loss} % | {length} | {cells} | {gain:+.2f} |\n"
    return text


def write_page(text: str, seconds: float) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    today = dt.datetime.now(dt.UTC).date()
    made = (
        f"Made by `benchmarks/concealment.py --write` on {today} with {libopus_version()},"
        f" {seconds:.0f} s of speech by three speakers, {DRAWS} draws of each loss.\n"
    )
    PAGE.write_text(before + MARKS[0] + made + text + MARKS[1] + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true", help="the tables into docs/concealment.md")
    arguments = parser.parse_args()
    if importlib.util.find_spec("pesq") is None:
        print("skipped: pesq is not installed; run: .venv/bin/pip install", end=" ")
        print("--require-hashes -r requirements/bench.txt")
        return
    begin()
    losses = [(0, 0), *((loss, burst) for loss in LOSSES for burst in BURSTS)]
    cases = [
        Case(bitrate, frame_ms, name, loss, burst)
        for frame_ms in FRAMES_MS
        for bitrate in BITRATES
        for loss, burst in losses
        for name in MEANS
    ]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), initializer=begin) as pool:
        scores = dict(zip(cases, pool.map(score, cases), strict=True))
    text = tables(scores)
    print(text)
    if arguments.write:
        write_page(text, sum(map(len, CLIPS)) / RATE)
    rows: list[dict[str, object]] = []
    for case, mean in scores.items():
        target = None
        if (case.bitrate, case.burst, case.means) == (24_000, 4, "DRED"):
            plain = dataclasses.replace(case, means="PLC")
            target = round(scores[plain] + GAIN_TARGET, 3)
        rows.append(
            {
                "name": f"{case.means}, {case.bitrate // 1000} kb/s, {case.frame_ms} ms, "
                f"{case.loss} % in bursts of {case.burst}",
                "value": round(mean, 3),
                "unit": "PESQ-WB",
                "target": target,
                "holds": None if target is None else mean >= target,
            }
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    if any(row["holds"] is False for row in rows):
        print("a target does not hold: see --json", file=sys.stderr)


if __name__ == "__main__":
    main()

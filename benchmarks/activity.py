"""The energy gate against libopus's analysis, on speech in noise at known places (row C8).

Sentences with two seconds between them; what is said when is known because it was put there. Over
all of it lies silence, noise, a field recording of birds, or music. Counted in frames of 20 ms,
with 200 ms of hangover in each detector alike:

- found: the share of frames inside the sentences (their pauses included) that are active;
- false: the share of frames at least 200 ms after a sentence that are active all the same;
- late: the median from a sentence's first frame above -40 dBFS to the first active one, in ms.

The detectors are the gate at -40 dBFS, the activity flag of an encoder at complexity 7, where its
neural analysis runs (the decision behind DTX), and ``VoiceDetector``.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opuscule.activity import ActivityDetector, EnergyGate, VoiceDetector, packet_activity
from opuscule.codec import Encoder
from opuscule.containers.pcm import mix, to_int16
from opuscule.transcode import open_audio

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
RATE = 16_000
FRAME = 320
PAUSE_FRAMES = 100
HANGOVER_MS = 200
HANGOVER_FRAMES = HANGOVER_MS // 20

Samples = NDArray[np.float64]


class DtxDecision(ActivityDetector):
    """The activity flag of an encoder whose neural analysis runs."""

    def __init__(self, rate: int = RATE, *, hangover_ms: float = HANGOVER_MS) -> None:
        super().__init__(rate, 1, "int16", hangover_ms)
        self._encoder = Encoder(rate, bitrate=12_000, complexity=7, fec=False, dtx=False)

    def _detect(self, frames: bytes) -> Iterable[bool]:
        for at in range(0, len(frames), self._frame_bytes):
            packet = self._encoder.encode(frames[at : at + self._frame_bytes])
            yield packet_activity(packet) is not False


DETECTORS: dict[str, Callable[[], ActivityDetector]] = {
    "energy gate": lambda: EnergyGate(hangover_ms=HANGOVER_MS),
    "DTX decision": DtxDecision,
    "voice detector": lambda: VoiceDetector(hangover_ms=HANGOVER_MS),
}


def read(path: Path) -> Samples:
    with open_audio(path, rate=RATE) as reader:
        every = [tuple(range(reader.channels))]
        pcm = b"".join(
            mix(to_int16(block, reader.sample_format), reader.channels, every) for block in reader
        )
    return np.frombuffer(pcm, np.int16).astype(np.float64)


def speech() -> tuple[Samples, list[tuple[int, int]]]:
    """Sentences with pauses between them, and the frames from which to which each lasts."""
    files = sorted((DATA / "speech").glob("*"))
    files = files or [ROOT / "src" / "opuscule" / "data" / "sentence.opus"]
    pause = np.zeros(PAUSE_FRAMES * FRAME)
    parts, places = [pause], []
    at = PAUSE_FRAMES
    for path in files:
        pcm = read(path)
        # A recording's own beginning and end are no part of what is said.
        loud = np.flatnonzero(frame_dbfs(pcm) >= -45)
        pcm = pcm[loud[0] * FRAME : (loud[-1] + 1) * FRAME]
        frames = len(pcm) // FRAME
        parts += [pcm, pause]
        places.append((at, at + frames))
        at += frames + PAUSE_FRAMES
    return np.concatenate(parts), places


def frame_dbfs(pcm: Samples) -> Samples:
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    power: Samples = np.mean((frames / 32768) ** 2, axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))


def backgrounds(samples: int) -> dict[str, Samples]:
    """What lies over the speech, by name and its RMS in dBFS."""
    draw = np.random.default_rng(1)
    white = draw.normal(0, 1, samples)
    spectrum = np.fft.rfft(draw.normal(0, 1, samples))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), samples)
    found: dict[str, Samples] = {"silence": np.zeros(samples)}
    kinds: list[tuple[str, Samples]] = [("white noise", white), ("pink noise", pink)]
    for name, path in (
        ("birds", DATA / "field" / "birds_10s.wav"),
        ("music", DATA / "music" / "guitar48_stereo.wav"),
    ):
        if path.exists():
            kinds.append((name, np.resize(read(path), samples)))
    for name, sound in kinds:
        for dbfs in (-50, -40, -30):
            level = 32768 * 10 ** (dbfs / 20) / float(np.sqrt(np.mean(sound**2)))
            found[f"{name} {dbfs} dBFS"] = sound * level
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    said, places = speech()
    inside = np.zeros(len(said) // FRAME, bool)
    outside = ~inside
    for start, end in places:
        inside[start:end] = True
        outside[start : end + HANGOVER_FRAMES] = False
    loud = frame_dbfs(said) >= -40
    print(f"{len(places)} sentences, {inside.sum() / 50:.0f} s, in {len(said) / RATE:.0f} s")
    print(f"{'':22}{'':16}{'found':>8}{'false':>8}{'late':>8}{'µs/frame':>10}")
    rows: list[dict[str, object]] = []
    for background, sound in backgrounds(len(said)).items():
        pcm = (said + sound).clip(-32768, 32767).astype(np.int16).tobytes()
        for name, make in DETECTORS.items():
            detector = make()
            began = time.perf_counter()
            active = np.array(detector.push(pcm), bool)
            cost_us = (time.perf_counter() - began) / len(active) * 1e6
            late = [
                20 * int(np.argmax(active[first:end]))
                for start, end in places
                if active[(first := start + int(np.argmax(loud[start:end]))) : end].any()
            ]
            found, false = float(active[inside].mean()), float(active[outside].mean())
            late_ms = statistics.median(late) if late else float("nan")
            print(
                f"{background:22}{name:16}{found:8.1%}{false:8.1%}{late_ms:6.0f} ms{cost_us:10.1f}"
            )
            for what, value, unit in (
                ("found", found, "share"),
                ("false", false, "share"),
                ("late", late_ms, "ms"),
                ("cost", cost_us, "µs a frame"),
            ):
                rows.append(
                    {
                        "name": f"{background}, {name}: {what}",
                        "value": value,
                        "unit": unit,
                        "target": None,
                        "holds": None,
                    }
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

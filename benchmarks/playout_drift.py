"""Clocks that part: the delay and the sound while a stream is played for an hour.

The sender's clock and the sound card's part by so many parts in a million, of which the host's,
which says when packets come and when is pulled, goes with one or with neither. A minute of speech,
or of music, over and over, is played by `adaptive` and `fixed` playout, 10 ms at a time. Deviation
is how far the delay is from its target, the 5 ms from a packet's arrival to the next pull included,
by the log and the senders' true times. Clicks are what ``_clicks.py`` finds in what was played and
does not find at the same media time in what the decoder makes of the packets. It first shows that
planted ones are found. It needs ``../shared`` and what ``requirements/bench.txt`` lists.
"""

import argparse
import concurrent.futures
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _common import Result, above, below, plain, report
from _speech import NETEQ, material
from opuscule.codec import Decoder, Encoder, EncoderSettings
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, Playout, PlayoutStats

RATE, PACKET_SAMPLES, PULL_SAMPLES, PHASE_S = 48_000, 960, 480, 0.005
TARGET_MS, MOST_MS = 60, 10.0
NEEDED = ("scipy", "soundfile", "av")
MUSIC = EncoderSettings(application="audio", bitrate=64_000, fec=False, loss_percent=0, dtx=False)
FOUND = 0.02
"""The least share to be found of what is planted all over: the others are hidden by the sound."""

Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Case:
    """An hour."""

    drift_ppm: float
    """How much faster the sender's clock goes than the card's."""
    mode: Mode
    sound: str = "speech"
    host_between: bool = False
    """Whether the host's clock is between both; else it is the card's."""
    jitter_ms: float = 0.0
    """Mean of exponential delays, in an order that is kept."""

    @property
    def name(self) -> str:
        host = ", host between" if self.host_between else ""
        jitter = f", jitter {self.jitter_ms:g} ms" if self.jitter_ms else ""
        return f"{self.drift_ppm:+.0f} ppm, {self.mode}, {self.sound}{host}{jitter}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it."""

    case: Case
    deviation_ms: tuple[float, float]
    clicks: int
    stats: PlayoutStats


CASES = (
    *(Case(ppm, "adaptive") for ppm in (300, -300, 100, -100, 0)),
    *(Case(ppm, "fixed", host_between=True) for ppm in (300, -300, 100, -100, 0)),
    *(Case(ppm, "adaptive", "music", host_between=True) for ppm in (300, -300)),
    *(Case(300, mode, jitter_ms=5.0) for mode in ("adaptive", "fixed")),
)


@cache
def packets_of(sound: str) -> tuple[bytes, ...]:
    """About a minute of packets of 20 ms that begins and ends in silence."""
    if sound == "speech":
        return material("plain").packets
    import soundfile

    files = sorted((NETEQ.parent / "data" / "music").glob("*48*.wav"))
    parts = [soundfile.read(path, always_2d=True)[0].mean(axis=1) for path in files]
    for x in parts:
        ramp = np.linspace(0, 1, RATE // 4)
        x[: len(ramp)] *= ramp
        x[-len(ramp) :] *= ramp[::-1]
    x = np.concatenate([*parts, np.zeros(PACKET_SAMPLES)])
    x = x[: len(x) // PACKET_SAMPLES * PACKET_SAMPLES]
    pcm = (x * 32767).round().astype(np.int16)
    encoder = Encoder(RATE, 1, preset=replace(MUSIC))
    return tuple(encoder.encode(part.tobytes()) for part in pcm.reshape(-1, PACKET_SAMPLES))


@cache
def decoded(sound: str) -> Pcm:
    """What the decoder makes of them the second time: each time from then on."""
    decoder, packets = Decoder(RATE), packets_of(sound)
    both = [b"".join(bytes(decoder.decode(p)) for p in packets) for _ in range(2)]
    return np.frombuffer(both[1], np.int16)


@cache
def own_clicks(sound: str) -> NDArray[np.int64]:
    """Media times at which the sound itself has what looks like half a click."""
    from _clicks import COMPARED, find_clicks

    return np.array(find_clicks(decoded(sound), COMPARED / 2), np.int64)


def play(case: Case, seconds: float) -> tuple[Pcm, NDArray[np.float64], PlayoutStats]:
    """What was played; for each pull its first media time (nan if none) and the deviation in ms."""
    packets, draw = packets_of(case.sound), np.random.default_rng(5)
    ppm = case.drift_ppm * 1e-6
    # Media seconds and card seconds in a second of the host's.
    sender, card = (1 + ppm / 2, 1 - ppm / 2) if case.host_between else (1 + ppm, 1.0)
    playout = Playout(
        StreamFormat(1, 0, RATE), mode=case.mode, target_delay_ms=TARGET_MS, complexity=0
    )
    pulls = int((seconds - PHASE_S) * card * RATE / PULL_SAMPLES)
    pcm, rows = bytearray(), np.full((pulls, 2), np.nan)
    number, arrival = 0, 0.0
    for pull in range(pulls):
        now = PHASE_S + pull * PULL_SAMPLES / RATE / card
        while arrival <= now:
            data = packets[number % len(packets)]
            at = number * PACKET_SAMPLES
            playout.push(Packet(number, at, PACKET_SAMPLES, data), arrival)
            number += 1
            late = draw.exponential(case.jitter_ms / 1000) if case.jitter_ms else 0.0
            arrival = max(arrival, number * PACKET_SAMPLES / RATE / sender + late)
        pcm += playout.pull(PULL_SAMPLES, now)
        first = next((s for s in playout.take_log() if s.time_samples is not None), None)
        if first is not None and first.time_samples is not None:
            sent = first.time_samples / RATE / sender
            rows[pull] = first.time_samples, (now - sent) * 1000 - TARGET_MS
    return np.frombuffer(bytes(pcm), np.int16), rows, playout.stats


def clicks_in(pcm: Pcm, times: NDArray[np.float64], sound: str) -> int:
    """Clicks that are not the sound's own, by the media times of the pulls that they are in."""
    from _clicks import COMPARED, find_clicks

    found = np.array(find_clicks(pcm, COMPARED), np.int64)
    media = times[found // PULL_SAMPLES] + found % PULL_SAMPLES
    length, own = len(decoded(sound)), own_clicks(sound)
    if not len(own):
        return int(np.count_nonzero(media >= length))
    apart = np.abs(media[:, None] % length - own[None, :]).min(axis=1)
    # The first time round the decoder is another, and there is a beginning.
    return int(np.count_nonzero((apart > RATE // 500) & (media >= length)))


def run(task: tuple[Case, float]) -> Outcome:
    """One hour."""
    case, seconds = task
    pcm, rows, stats = play(case, seconds)
    deviations = rows[~np.isnan(rows[:, 1]), 1]
    clicks = clicks_in(pcm, rows[:, 0], case.sound)
    return Outcome(case, (float(deviations.min()), float(deviations.max())), clicks, stats)


def planted(count: int = 60) -> list[Result]:
    """How many of planted clicks are found where there is sound."""
    from _clicks import COMPARED, KINDS, find_clicks, plant

    results = []
    for sound in ("speech", "music"):
        x, draw = decoded(sound) / 32768.0, np.random.default_rng(9)
        loud = np.sqrt(np.mean(x**2))
        for kind in KINDS:
            found, tried = 0, 0
            while tried < count:
                at = int(draw.integers(RATE, len(x) - RATE))
                part = x[at - RATE // 4 : at + RATE // 4]
                if np.sqrt(np.mean(part[RATE // 4 - 480 : RATE // 4 + 480] ** 2)) < loud:
                    continue
                tried += 1
                clicked = np.clip(plant(part, kind, RATE // 4) * 32768, -32768, 32767)
                places = find_clicks(clicked.astype(np.int16), COMPARED)
                found += any(abs(place - RATE // 4) < RATE // 1000 for place in places)
            name = f"planted in loud {sound}, {kind}: found"
            results.append(plain(name, found / count, "of 1"))
        naive = np.delete(decoded(sound), np.arange(RATE, len(x), 3333))
        times = np.arange(0, len(naive), PULL_SAMPLES) * 3333 / 3332 + len(x)
        share = clicks_in(naive, times, sound) / ((len(x) - RATE) / 3333)
        results.append(
            above(f"{sound}, a sample left out every 69 ms: found", share, "of 1", FOUND)
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the results to this file, too")
    parser.add_argument("--minutes", type=float, default=60, help="how long each is played")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    wanted = parser.parse_args()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing or not NETEQ.is_dir():
        print(f"skipped: {', '.join(missing) or NETEQ} not there")
        return
    results, began = planted(), time.monotonic()
    tasks = [(case, wanted.minutes * 60) for case in CASES]
    with concurrent.futures.ProcessPoolExecutor(wanted.jobs) as pool:
        results += judged(list(pool.map(run, tasks)))
    print(f"{len(tasks)} × {wanted.minutes:g} minutes in {time.monotonic() - began:.0f} s")
    report(results, wanted.json)


def judged(outcomes: Sequence[Outcome]) -> list[Result]:
    """What must hold: within 10 ms without jitter, and no click without concealment."""
    results = []
    for outcome in outcomes:
        name, worst = outcome.case.name, max(map(abs, outcome.deviation_ms))
        if outcome.case.jitter_ms:
            results.append(plain(f"{name}: furthest from target", worst, "ms"))
            results.append(plain(f"{name}: concealed", outcome.stats.plc_samples / 48, "ms"))
            continue
        results.append(below(f"{name}: furthest from target", worst, "ms", MOST_MS))
        results.append(below(f"{name}: clicks", outcome.clicks, "", 0))
        results.append(plain(f"{name}: estimated at the end", outcome.stats.drift_ppm, "ppm"))
    return results


if __name__ == "__main__":
    main()

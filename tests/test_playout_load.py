"""The decoder's complexity under load: less when pulls fall behind, more when they do not."""

import functools
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from _clicks import find_clicks
from opuscule.codec import Decoder, Encoder, EncoderSettings
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, Playout

RATE, PACKET, PACKET_S = 48_000, 960, 0.02
FORMAT = StreamFormat(1, 0, 16_000)
SETTINGS = EncoderSettings(
    application="voip", bitrate=24_000, complexity=5, fec=False, loss_percent=20, dtx=False,
    bandwidth="wideband", dred_ms=500,
)  # fmt: skip


Taking = Callable[[Callable[[], None]], float]
"""Makes a pull, and says how many seconds it took."""


@pytest.fixture(scope="module")
def packets(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    """Twenty seconds of speech, 16 kHz mono."""
    files: list[Path] = request.getfixturevalue("speech_files")
    return encoded(*files)


@functools.cache
def encoded(*files: Path) -> tuple[bytes, ...]:
    parts = []
    for path in files:
        with wave.open(str(path)) as file:
            parts.append(np.frombuffer(file.readframes(file.getnframes()), np.int16))
    pcm = np.concatenate(parts)[: 20 * 16_000]
    encoder = Encoder(16_000, 1, preset=SETTINGS)
    return tuple(encoder.encode(x.tobytes()) for x in pcm[: len(pcm) // 320 * 320].reshape(-1, 320))


@dataclass
class Machine:
    """One that pulls 20 ms as often as it can, but no sooner than they are due."""

    playout: Playout
    packets: tuple[bytes, ...]
    now: float = 0.0
    pulled: int = 0
    pcm: bytearray = field(default_factory=bytearray)
    complexities: list[int] = field(default_factory=list)

    def run(self, seconds: float, took_s: Taking) -> None:
        for _ in range(round(seconds / PACKET_S)):
            k = self.pulled
            data = self.packets[k % len(self.packets)]
            self.playout.push(Packet(k, k * PACKET, PACKET, data), k * PACKET_S)
            self.now = max(self.now, self.pulled * PACKET_S + 0.001) + took_s(self.pull)
            self.complexities.append(self.playout.stats.complexity)

    def pull(self) -> None:
        self.pcm += self.playout.pull(PACKET, self.now)
        self.pulled += 1

    @property
    def late_s(self) -> float:
        return self.now - self.pulled * PACKET_S


def taking(seconds: float) -> Taking:
    def took(pull: Callable[[], None]) -> float:
        pull()
        return seconds

    return took


COSTS_S = {5: 0.014, 6: 0.019, 7: 0.029}
"""What a packet takes a processor that keeps up with 5 and not with 7, in the proportions of
docs/benchmarks.md: how long it takes this one is another time another, when it is busy."""


def test_a_processor_too_slow_for_the_best_still_keeps_up(packets: tuple[bytes, ...]) -> None:
    def play(least_complexity: int | None) -> Machine:
        playout = Playout(FORMAT, mode="fixed", complexity=7, least_complexity=least_complexity)
        machine = Machine(playout, packets)

        def took(pull: Callable[[], None]) -> float:
            complexity = playout.stats.complexity
            pull()
            return COSTS_S[complexity]

        machine.run(12, took)
        return machine

    stays, adapts = play(None), play(5)
    assert stays.playout.stats.complexity_changes == 0
    assert stays.late_s > 1
    assert adapts.playout.stats.complexity_changes > 0
    assert min(adapts.complexities) in (5, 6)
    assert adapts.late_s < stays.late_s / 2


def test_it_goes_down_to_the_least_and_comes_back(packets: tuple[bytes, ...]) -> None:
    playout = Playout(FORMAT, mode="adaptive", complexity=10, least_complexity=0)
    machine = Machine(playout, packets)
    machine.run(2, taking(0.004))
    assert playout.stats.complexity == 10
    machine.run(4, taking(0.025))
    assert playout.stats.complexity == 0
    machine.run(180, taking(0.004))
    steps = [a for a, b in pairwise(machine.complexities) if a != b]
    assert steps == [10, 6, 5, 0, 5, 6]
    stats = playout.stats
    assert (stats.complexity, stats.complexity_changes) == (10, 6)


@pytest.mark.parametrize("least", [0, 5])
def test_dred_is_used_down_to_the_least_complexity_that_has_it(
    packets: tuple[bytes, ...], least: int
) -> None:
    playout = Playout(
        FORMAT, mode="fixed", complexity=7, least_complexity=least, target_delay_ms=200
    )
    machine = Machine(playout, packets)
    machine.run(6, taking(0.03))
    assert playout.stats.complexity == least
    now = machine.now
    for k in (*range(300, 320), *range(324, 400)):
        playout.push(Packet(k, k * PACKET, PACKET, packets[k]), now)
    playout.pull(RATE, now)
    assert (playout.stats.dred_samples > 0) == (least == 5)


@pytest.mark.parametrize(("low", "high"), [(5, 7), (6, 7), (5, 6), (0, 5)])
def test_a_change_makes_no_click(packets: tuple[bytes, ...], low: int, high: int) -> None:
    def steady(complexity: int) -> NDArray[np.int16]:
        decoder = Decoder(RATE, complexity=complexity)
        return np.concatenate([np.frombuffer(bytes(decoder.decode(p)), np.int16) for p in packets])

    # A change every 140 ms, at a place in a packet's run that differs from one to the next.
    decoder, parts, complexity = Decoder(RATE, complexity=high), [], high
    for n, packet in enumerate(packets):
        if n % 7 == 0:
            complexity = low if complexity == high else high
            decoder.update(complexity=complexity)
        parts.append(np.frombuffer(bytes(decoder.decode(packet)), np.int16))
    mixed = np.concatenate(parts)
    assert not np.array_equal(mixed, steady(high)) or low == 0
    own = [at for complexity in (low, high) for at in find_clicks(steady(complexity))]
    clicks = find_clicks(mixed)
    assert [at for at in clicks if min((abs(at - it) for it in own), default=RATE) > PACKET] == []


@pytest.mark.parametrize("mode", ["fixed", "adaptive"])
def test_nothing_changes_while_there_is_time(packets: tuple[bytes, ...], mode: Mode) -> None:
    plain = Machine(Playout(FORMAT, mode=mode, complexity=7), packets)
    able = Machine(Playout(FORMAT, mode=mode, complexity=7, least_complexity=0), packets)
    for machine in (plain, able):
        machine.run(10, taking(0.015))
    assert able.pcm == plain.pcm
    assert able.playout.stats.complexity_changes == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "whole", "complexity": 7, "least_complexity": 5}, "leave it out, or use fixed"),
        ({"mode": "fixed", "least_complexity": 6}, "at most the complexity, 5"),
        ({"mode": "fixed", "least_complexity": -1}, "least_complexity is -1; expected 0 to 10"),
        ({"complexity": -1}, "complexity is -1; expected 0 to 10"),
        ({"complexity": 1000}, "complexity is 1000; expected 0 to 10"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        Playout(FORMAT, **options)


def test_whole_with_a_complexity_that_stays_is_taken() -> None:
    assert Playout(FORMAT, complexity=5, least_complexity=5).stats.complexity == 5
